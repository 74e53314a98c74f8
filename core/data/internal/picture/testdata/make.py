"""Pictures, and what Pillow's BILINEAR makes of them: crop around the centre, resize."""
import json
import numpy as np
from PIL import Image

rng = np.random.default_rng(1)
y, x = np.mgrid[0:37, 0:53]
rgb = np.stack([x * 4 % 256, y * 6 % 256, (x * y) % 256], -1).astype("uint8")
rgb[10:20, 5:25] = rng.integers(0, 256, (10, 20, 3))
files = {
    "colour.png": Image.fromarray(rgb),
    "grey.png": Image.fromarray(rgb[:, :, 2]),
    "palette.png": Image.fromarray(rgb).quantize(16),
    "tall.png": Image.fromarray(rgb.transpose(1, 0, 2)),
}
want = []
for name, m in files.items():
    m.save(name, optimize=True)
    for c, h, w in [(3, 8, 8), (1, 8, 8), (3, 5, 20), (1, 60, 44), (1, 37, 53), (1, 1, 1)]:
        p = m.convert("RGB")
        a = np.asarray(p).astype(int)
        if c == 1:
            p = Image.fromarray(((299 * a[:, :, 0] + 587 * a[:, :, 1] + 114 * a[:, :, 2] + 500) // 1000).astype("uint8"))
        W, H = p.size
        ch, cw = (max(1, (W * h + w // 2) // w), W) if H * w > W * h else (H, max(1, (H * w + h // 2) // h))
        y0, x0 = (H - ch) // 2, (W - cw) // 2
        r = np.asarray(p.crop((x0, y0, x0 + cw, y0 + ch)).resize((w, h), Image.BILINEAR))
        if c == 3:
            r = r.transpose(2, 0, 1)
        want.append({"file": name, "shape": [c, h, w], "pixels": r.astype("uint8").tobytes().hex()})
Image.fromarray(rgb).save("photo.jpg", quality=90)
json.dump(want, open("want.json", "w"))
