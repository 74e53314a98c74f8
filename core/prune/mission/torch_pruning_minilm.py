"""Torch-Pruning on the task and the budget of minilm.toml: half of the FFN and of the heads.

    HF_HUB_OFFLINE=1 python3 torch_pruning_minilm.py minilm foods [--seed 1] [--epochs 2] [--tokens 64]

Trains MiniLM with a classifier for one epoch, then twice for as many epochs as --epochs:
with all weights, and after one cut by Taylor scores, the same share in each layer. Prints
the CPU seconds of the training steps, scores and cut included, the accuracies on the test
set with their 95 % Wilson interval, and a training step of both at the end, in alternation.
Needs torch, transformers and torch-pruning; one thread.
"""

import argparse
import copy
import csv
import math
import time

import torch
import torch_pruning as tp
from torch.nn import functional
from transformers import AutoTokenizer, BertForSequenceClassification

BATCH, RATE, DECAY, WARMUP, EVIDENCE = 32, 1e-4, 0.01, 10, 8  # those of minilm.toml; batches a score sums over


def read(path, tokenizer, tokens):
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    x = tokenizer([r["review"] for r in rows], padding="max_length", truncation=True, max_length=tokens, return_tensors="pt")
    return x["input_ids"], x["attention_mask"], torch.tensor([int(r["score"] == "great") for r in rows])


def batches(data, order):
    for at in range(0, len(order), BATCH):
        rows = order[at : at + BATCH]
        yield tuple(t[rows] for t in data)


def loss(model, batch):
    ids, mask, y = batch
    return functional.cross_entropy(model(input_ids=ids, attention_mask=mask).logits, y)


def train(model, data, epochs, warmup, seed):
    """CPU seconds of the steps; a cosine from RATE to 0, as pare's."""
    model.train()
    n = len(data[0])
    total = epochs * math.ceil(n / BATCH)
    opt = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    draw, step, spent = torch.Generator().manual_seed(seed), 0, 0.0
    for _ in range(epochs):
        for b in batches(data, torch.randperm(n, generator=draw)):
            begin = time.process_time()
            rate = RATE * ((step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(total - warmup, 1))))
            for g in opt.param_groups:
                g["lr"] = rate
            opt.zero_grad()
            loss(model, b).backward()
            opt.step()
            spent, step = spent + time.process_time() - begin, step + 1
    return spent


def accuracy(model, data):
    model.eval()
    right, n = 0, len(data[0])
    with torch.no_grad():
        for ids, mask, y in batches(data, torch.arange(n)):
            right += int((model(input_ids=ids, attention_mask=mask).logits.argmax(1) == y).sum())
    p, z = right / n, 1.959964
    mid, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{100 * p:.2f} % ({100 * (mid - half):.2f}–{100 * (mid + half):.2f})"


def cut(model, data, seed):
    """Takes half of the FFN and of the heads of every layer; CPU seconds."""
    model.eval()
    begin = time.process_time()
    order = torch.randperm(len(data[0]), generator=torch.Generator().manual_seed(seed))[: EVIDENCE * BATCH]
    layers = model.bert.encoder.layer
    heads, stay = {}, [model.classifier, model.bert.pooler.dense]
    stay += [m for m in model.bert.embeddings.modules() if isinstance(m, torch.nn.Embedding)]
    for l in layers:
        a = l.attention.self
        heads.update({m: a.num_attention_heads for m in (a.query, a.key, a.value)})
        stay += [l.attention.output.dense, l.output.dense]
    example = {"input_ids": data[0][:1], "attention_mask": data[1][:1]}
    pruner = tp.pruner.BasePruner(
        model, example, importance=tp.importance.GroupTaylorImportance(), global_pruning=False, pruning_ratio=0.5,
        ignored_layers=stay, num_heads=heads, prune_num_heads=True, prune_head_dims=False, head_pruning_ratio=0.5,
        output_transform=lambda o: o.logits.sum(), root_module_types=[torch.nn.Linear])
    model.zero_grad()
    for b in batches(data, order):
        loss(model, b).backward()
    pruner.step()
    for l in layers:
        a = l.attention.self
        a.num_attention_heads = pruner.num_heads[a.query]
        a.all_head_size = a.query.out_features
    model.zero_grad()
    return time.process_time() - begin


def steps(models, data, rounds=15):
    """CPU seconds of a training step of each, in alternation: the median."""
    b = next(batches(data, torch.arange(BATCH)))
    opts = [torch.optim.AdamW(m.parameters(), lr=0.0) for m in models]
    out = [[] for _ in models]
    for _ in range(rounds + 2):
        for m, o, to in zip(models, opts, out):
            m.train()
            begin = time.process_time()
            o.zero_grad()
            loss(m, b).backward()
            o.step()
            to.append(time.process_time() - begin)
    return [sorted(x[2:])[rounds // 2] for x in out]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("minilm")
    p.add_argument("foods")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--epochs", type=int, default=2)
    p.add_argument("--tokens", type=int, default=64)
    o = p.parse_args()
    torch.manual_seed(o.seed)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(o.minilm)
    train_set = read(f"{o.foods}/train.csv", tokenizer, o.tokens)
    keep = torch.randperm(len(train_set[0]), generator=torch.Generator().manual_seed(o.seed))[: len(train_set[0]) * 9 // 10]
    train_set, test = tuple(t[keep] for t in train_set), read(f"{o.foods}/test.csv", tokenizer, o.tokens)  # pare keeps a tenth for validation
    model = BertForSequenceClassification.from_pretrained(o.minilm, num_labels=2)
    base = train(model, train_set, 1, WARMUP, o.seed)
    print(f"dense after one epoch: {accuracy(model, test)} in {base:.1f} CPU s, {sum(p.numel() for p in model.parameters())} params", flush=True)
    pared = copy.deepcopy(model)
    spent = train(model, train_set, o.epochs, 0, o.seed + 1)
    print(f"control, {o.epochs} epochs more: {accuracy(model, test)} in {spent:.1f} CPU s", flush=True)
    less = cut(pared, train_set, o.seed)
    print(f"cut: {accuracy(pared, test)}, {less:.1f} CPU s, {sum(p.numel() for p in pared.parameters())} params", flush=True)
    less += train(pared, train_set, o.epochs, 0, o.seed + 1)
    print(f"pared, {o.epochs} epochs more: {accuracy(pared, test)} in {less:.1f} CPU s: {100 * (less / spent - 1):+.1f} %", flush=True)
    a, b = steps([model, pared], train_set)
    print(f"a training step: {1e3 * a:.0f} → {1e3 * b:.0f} ms of CPU time, {100 * (b / a - 1):+.1f} %")


if __name__ == "__main__":
    main()
