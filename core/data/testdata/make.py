"""Small sets of the kinds that people have, as NumPy and Pillow write them."""
import os
import numpy as np
from PIL import Image

rng = np.random.default_rng(2)
n = 60
y = np.arange(n) % 3
x = (rng.normal(size=(n, 4)) + y[:, None]).astype("float64")
np.savez("table.npz", X=x, y=y)
g = (rng.integers(0, 60, (n, 6, 5)) + 60 * y[:, None, None]).astype("uint8")
np.savez_compressed("grey.npz", x_train=g[:45], y_train=y[:45].astype("uint8"), x_test=g[45:], y_test=y[45:].astype("uint8"))
c = np.stack([g, 255 - g, g // 2], -1)
np.savez_compressed("colour.npz", images=c, labels=np.array(["ant", "bee", "cat"])[y])
os.makedirs("arrays", exist_ok=True)
np.save("arrays/x.npy", np.asfortranarray(x.astype("float32")))
np.save("arrays/y.npy", np.eye(3)[y])
for split, lo, hi in [("train", 0, 30), ("test", 30, 42)]:
    for i in range(lo, hi):
        d = f"pictures/{split}/{['ant', 'bee', 'cat'][y[i]]}"
        os.makedirs(d, exist_ok=True)
        Image.fromarray(c[i]).save(f"{d}/{i:02}.png", optimize=True)
