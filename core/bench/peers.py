"""Peers of `pare bench`: PyTorch and ONNX Runtime, driven line by line. peernets.py comes before it.

Reads one JSON object a line, answers with one. {"op": "open", ...} builds a model and
answers {"id": n} (or {"error": text}); {"op": "run", "id": n, "seconds": s} runs it for
about s seconds and answers {"seconds": time per call}; {"op": "close", "id": n}.
"""
import json
import sys
import time

opened = []


def net(spec):
    """spec["net"] is a zoo model of pare, or "mlp" with spec["sizes"]."""
    import torch.nn as nn

    if spec["net"] == "mlp":
        sizes, layers = spec["sizes"], []
        for i, (k, n) in enumerate(zip(sizes, sizes[1:])):
            layers += [nn.Linear(k, n)] + ([nn.ReLU()] if i + 2 < len(sizes) else [])
        return nn.Sequential(*layers)
    if spec["net"] == "lenet-5":
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    if spec["net"] == "gpt":
        return gpt(*spec["sizes"])  # of peernets.py
    if spec["net"] != "resnet-8":
        raise ValueError(f"no peer of {spec['net']}")

    class Residual(nn.Module):
        def __init__(self, k, n, stride):
            super().__init__()
            self.a = nn.Sequential(
                nn.Conv2d(k, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                nn.Conv2d(n, n, 3, 1, 1, bias=False), nn.BatchNorm2d(n))
            self.s = nn.Identity()
            if stride > 1 or k != n:
                self.s = nn.Sequential(nn.Conv2d(k, n, 1, stride, 0, bias=False), nn.BatchNorm2d(n))

        def forward(self, x):
            return (self.a(x) + self.s(x)).relu()

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def train(spec):
    """A training step: forward, cross-entropy, backward, SGD with momentum."""
    import torch

    model = net(spec)
    if spec.get("channels_last"):
        model = model.to(memory_format=torch.channels_last)
    if spec["net"] == "gpt":
        vocabulary, tokens = spec["sizes"][3:]
        x = torch.randint(0, vocabulary, (spec["batch"], tokens))
        y = torch.randint(0, vocabulary, (spec["batch"] * tokens,))
    else:
        x, y = torch.rand(spec["batch"], *spec["input"]), torch.randint(0, 10, (spec["batch"],))
    if spec.get("channels_last"):
        x = x.contiguous(memory_format=torch.channels_last)
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    forward = torch.compile(model) if spec["mode"] == "compile" else model

    def step():
        torch.set_num_threads(spec["threads"])
        opt.zero_grad()
        torch.nn.functional.cross_entropy(forward(x), y).backward()
        opt.step()

    return step


def precise(precision):
    """How PyTorch computes in f32, tf32 or bf16 on a card."""
    import contextlib

    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        return lambda: torch.autocast("cuda", torch.bfloat16)
    return contextlib.nullcontext


def card(spec):
    """A training step on a card: forward, cross-entropy, backward, fused AdamW of what trains.

    Or an inference, all of the model in the precision asked for.
    """
    import torch

    where = spec["where"]
    low = precise(spec["precision"]) if where == "cuda" else precise("f32")
    if where == "cuda":
        torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated() if where == "cuda" else 0
    torch.manual_seed(1)
    with torch.device(where):
        model, vocabulary, classes = card_net(spec["net"], spec["sizes"])
    adapt(model, spec.get("lora"))
    x = torch.randint(0, vocabulary, (spec["batch"], spec["tokens"]), device=where)
    y = torch.randint(0, classes or vocabulary, (spec["batch"] * (1 if classes else spec["tokens"]),), device=where)
    trained = [p for p in model.parameters() if p.requires_grad]
    about = {"params": sum(p.numel() for p in model.parameters()), "trained": sum(p.numel() for p in trained)}
    infers = spec.get("infer")
    if infers and spec["precision"] == "bf16":
        model.to(torch.bfloat16)
    if spec.get("two_four"):
        semi_structured(model)
    forward = torch.compile(model) if spec["mode"] == "compile" else model
    if not infers:
        opt = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step():
        if infers:
            with torch.inference_mode():
                return forward(x).flatten()[0].item()
        opt.zero_grad()
        with low():
            loss = torch.nn.functional.cross_entropy(forward(x), y)
        loss.backward()
        opt.step()
        return loss.item()

    step.about = about
    if where == "cuda":
        # Between its turns it gives back what it does not hold: others run on the card, too.
        step.before, step.after = step, torch.cuda.empty_cache
        step.memory = lambda: torch.cuda.max_memory_allocated() - held
    return step


def forget():
    """Gives back what a closed model held on the card."""
    import gc

    gc.collect()
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.empty_cache()


def infer(spec):
    """An inference of ONNX Runtime on the file spec["model"]."""
    import numpy
    import onnxruntime

    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = spec["threads"], 1
    o.add_session_config_entry("session.intra_op.allow_spinning", "1")
    s = onnxruntime.InferenceSession(spec["model"], o, providers=["CPUExecutionProvider"])
    x = numpy.random.rand(spec["batch"], *spec["input"]).astype(numpy.float32)
    name = s.get_inputs()[0].name
    return lambda: s.run(None, {name: x})


def curve(spec):
    """Training steps from given weights on given batches: AdamW at a constant rate."""
    import numpy
    import torch

    raw, at, weights = numpy.fromfile(spec["weights"], "<f4"), 0, {}
    for p in spec["params"]:
        n = int(numpy.prod(p["shape"]))
        weights[p["name"]] = torch.from_numpy(raw[at:at + n].reshape(p["shape"]).copy())
        at += n
    vocabulary, width = weights["wte.weight"].shape
    tokens = weights["wpe.weight"].shape[0]
    layers = 1 + max(int(n.split(".")[1]) for n in weights if n.startswith("h."))
    model = gpt(layers, width, spec["heads"], vocabulary, tokens)
    names = (("h.", "blocks."), ("ln_f", "norm"), ("ln_", "norm"), ("attn.c_attn", "qkv"), ("attn.c_proj", "proj"), ("mlp.c_fc", "mlp.0"), ("mlp.c_proj", "mlp.2"))

    def theirs(name):
        for a, b in names:
            name = name.replace(a, b)
        return name

    model.load_state_dict({theirs(n): w for n, w in weights.items()})
    where, low = ("cuda", precise(spec["precision"])) if spec.get("precision") else ("cpu", precise("f32"))
    model = model.to(where)
    x = torch.from_numpy(numpy.fromfile(spec["ids"], "<i4").astype("int64")).view(-1, spec["batch"], tokens).to(where)
    y = torch.from_numpy(numpy.fromfile(spec["labels"], "<i4").astype("int64")).view(-1, spec["batch"] * tokens).to(where)
    x, y = x.roll(-spec["rotate"], 1), y.view(*x.shape).roll(-spec["rotate"], 1).view(*y.shape)
    opt = torch.optim.AdamW(model.parameters(), lr=spec["lr"], weight_decay=spec["weight_decay"])
    forward = torch.compile(model) if spec["mode"] == "compile" else model

    def steps(start, count):
        torch.set_num_threads(spec["threads"])
        losses = []
        for i in range(start, start + count):
            opt.zero_grad()
            with low():
                loss = torch.nn.functional.cross_entropy(forward(x[i]), y[i], ignore_index=-1)
            loss.backward()
            opt.step()
            losses.append(loss.item())
        return losses

    return steps


def folder(spec):
    """Forward passes of a folder's model on texts, in batches, as transformers runs it."""
    import numpy
    import torch
    import transformers

    tok = transformers.AutoTokenizer.from_pretrained(spec["model"])
    if tok.pad_token is None:
        tok.pad_token = tok.eos_token
    x = tok(spec["texts"], padding="max_length", truncation=True, max_length=spec["sizes"][0], return_tensors="pt")
    x["input_ids"].numpy().astype("<i4").tofile(spec["ids"])
    model = getattr(transformers, spec.get("net") or "AutoModel").from_pretrained(spec["model"], dtype=torch.float32).eval()
    b = spec["batch"]
    batches = [{k: v[i:i + b] for k, v in x.items()} for i in range(0, len(spec["texts"]), b)]

    def steps(_, count):
        torch.set_num_threads(spec["threads"])
        start = time.perf_counter()
        with torch.inference_mode():
            out = [model(**x) for x in batches]
        took = time.perf_counter() - start
        y = torch.cat([o.logits if "logits" in o else o.last_hidden_state for o in out])
        y.numpy().astype("<f4").tofile(spec["weights"])
        return [took]

    return steps


def answer(q):
    if q["op"] == "steps":
        start = time.perf_counter()
        losses = opened[q["id"]](q["from"], q["count"])
        return {"losses": losses, "seconds": time.perf_counter() - start}
    if q["op"] == "open" and q["what"] in ("curve", "folder"):
        opened.append({"curve": curve, "folder": folder}[q["what"]](q))
        return {"id": len(opened) - 1}
    if q["op"] == "open":
        f = {"train": train, "infer": infer, "card": card}[q["what"]](q)
        for _ in range(5):
            f()
        opened.append(f)
        return {"id": len(opened) - 1, "memory_mib": getattr(f, "memory", lambda: 0)() / 2**20, **getattr(f, "about", {})}
    if q["op"] == "pairs":  # whether 2:4 products run here, else the error says why not
        import torch

        with torch.inference_mode(), torch.device("cuda"):
            layer = torch.nn.Sequential(torch.nn.Linear(128, 128).to(torch.bfloat16), torch.nn.Identity())
            semi_structured(layer)
            layer(torch.randn(128, 128, dtype=torch.bfloat16)).sum().item()
        return {}
    if q["op"] == "close":
        opened[q["id"]] = None
        forget()
        return {}
    f, n = opened[q["id"]], 0
    getattr(f, "before", lambda: None)()
    start = time.perf_counter()
    while n == 0 or time.perf_counter() - start < q["seconds"]:
        f()
        n += 1
    took = (time.perf_counter() - start) / n
    getattr(f, "after", lambda: None)()
    return {"seconds": took}


for line in sys.stdin:
    try:
        out = answer(json.loads(line))
    except Exception as e:  # reported, and the next question is answered
        out = {"error": f"{type(e).__name__}: {e}"[:500]}
    print(json.dumps(out), flush=True)
