"""Runs an .onnx file in ONNX Runtime on the batches of standard input, of several sizes;
fails if its checker complains or the outputs differ from those given by more than 1e-5."""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort

onnx.checker.check_model(sys.argv[1], full_check=True)
s = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
worst = top = 0.0
for case in json.load(sys.stdin):
    feed = {}
    names = [i.name for i in s.get_inputs()]
    x = np.array(case["x"], np.float32).reshape(case["shape"])
    kind = np.int64 if s.get_inputs()[0].type == "tensor(int64)" else np.float32
    if len(names) == 2:  # ids and segments
        feed = {names[0]: x[..., 0].astype(kind), names[1]: x[..., 1].astype(kind)}
    else:
        feed = {names[0]: (x[..., 0] if kind == np.int64 else x).astype(kind)}
    (y,) = s.run(None, feed)
    want = np.array(case["y"], np.float32)
    if y.size != want.size:
        sys.exit(f"gives {y.shape}, {want.size} values were expected")
    worst = max(worst, float(np.abs(y.flatten() - want).max()))
    top = max(top, float(np.abs(want).max()))
    if not worst <= 1e-5 * max(1.0, top):
        sys.exit(f"outputs are off by up to {worst} of {top}")
print(f"outputs within {worst:.1e} of {top:.2g}")
