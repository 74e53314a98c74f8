"""Arrays of every type that is read, as NumPy writes them, and their values as text."""
import json
import numpy as np

rng = np.random.default_rng(0)
base = rng.integers(0, 100, (3, 2, 4))
want = {}
for name in ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]:
    x = (base % 2).astype(name) if name == "bool" else base.astype(name)
    if name.startswith("float"):
        x = (x / 8 - 3).astype(name)
    elif name.startswith("int"):
        x = -x
    want[name] = x.astype("float32").reshape(3, -1).tolist()
    np.save(f"{name}.npy", x)
    np.save(f"{name}-big.npy", x.astype(x.dtype.newbyteorder(">")))
    np.save(f"{name}-fortran.npy", np.asfortranarray(x))
with open("version2.npy", "wb") as f:
    np.lib.format.write_array(f, base.astype("float32"), version=(2, 0))
want["version2"] = base.astype("float32").reshape(3, -1).tolist()
np.save("half.npy", np.array([0, -0.0, 1, 65504, 6e-8, -6.1e-5, np.inf, 0.33325], "float16"))
np.save("words.npy", np.array(["cat", "Käse", ""]))
np.save("bytes.npy", np.array([b"cat", b"dog!"]))
np.save("objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
np.save("complex.npy", np.zeros(2, "complex64"))
np.save("fields.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4")]))
np.save("scalar.npy", np.float32(3))
np.save("empty.npy", np.zeros((0, 3), "float32"))
json.dump(want, open("want.json", "w"))
