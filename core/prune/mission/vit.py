"""A small vision transformer with fresh weights, for vit.toml.

    python3 core/prune/mission/vit.py vit64 7

writes the folder vit64: 4 layers of width 64, patches of 7 × 7. Needs torch and transformers.
"""

import sys

import torch
from transformers import ViTConfig, ViTForImageClassification


def main(out, patch):
    torch.manual_seed(1)
    c = ViTConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=256, image_size=28, patch_size=patch,
        num_channels=1, num_labels=10, hidden_dropout_prob=0, attention_probs_dropout_prob=0,
    )
    m = ViTForImageClassification(c)
    m.save_pretrained(out)
    print(f"{sum(p.numel() for p in m.parameters())} weights")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
