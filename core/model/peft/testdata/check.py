"""Called by TestPEFT: loads an adapter with PEFT, or makes one, and prints logits.

usage: check.py load BASE ADAPTER < ids    check.py make BASE ADAPTER < {"ids": ..., "config": ...}
"""

import json
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

mode, base, adapter = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
given = json.load(sys.stdin)
if mode == "load":
    model = PeftModel.from_pretrained(model, adapter)
    ids = given
else:
    ids = given["ids"]
    model = get_peft_model(model, LoraConfig(**given["config"]))
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.05 * torch.randn_like(p))
    model.save_pretrained(adapter)
trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
model.eval()
with torch.no_grad():
    logits = model(torch.tensor(ids)).logits
print(json.dumps({"logits": logits.flatten().tolist(), "trainable": trainable}))
