"""Loads a folder with transformers; fails if a weight is missing, unexpected or of another
shape, or if the outputs on the samples of standard input differ."""
import json
import os
import sys

import torch
import transformers as tf

d = sys.argv[1]
case = json.load(sys.stdin)
arch = json.load(open(os.path.join(d, "config.json")))["architectures"][0]
model, info = getattr(tf, arch).from_pretrained(d, output_loading_info=True)
bad = {k: v for k, v in info.items() if v}
if bad:
    sys.exit(str(bad))
x = torch.tensor(case["x"])
with torch.no_grad():
    if case["tokens"]:
        o = model.eval()(input_ids=x.long().view(2, -1))
    else:
        o = model.eval()(pixel_values=x.view(2, *case["image"]))
y = o.logits if "logits" in o else o.last_hidden_state
off = (y.flatten() - torch.tensor(case["out"])).abs().max().item()
if not off <= 2e-5 * max(1.0, y.abs().max().item()):
    sys.exit(f"outputs are off by up to {off}")
print(f"outputs within {off:.1e} of {y.abs().max().item():.2g}")
