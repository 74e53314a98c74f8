"""The models of `pare bench` in plain PyTorch: GPT-2, BERT, Llama, and adapters on them.

Written for speed as a user of PyTorch would: fused attention, norms and AdamW of the
library, nothing by hand. Matrices are uniform with a variance of 0.02 squared, as ours.
"""


def shaped(name, sizes):
    """A model, its vocabulary and its classes (0: a score for each id at each token)."""
    if name == "gpt":
        layers, width, heads, vocabulary, tokens, hidden, dim = sizes
        return gpt(layers, width, heads, vocabulary, tokens, hidden, dim), vocabulary, 0
    if name == "bert":
        return bert(*sizes), sizes[5], sizes[8]
    if name == "llama":
        return llama(*sizes), sizes[5], 0
    raise ValueError(f"no model {name}")


def card_net(name, sizes):
    import torch.nn as nn

    model, vocabulary, classes = shaped(name, sizes)
    for p in model.parameters():
        if p.dim() == 2:
            nn.init.uniform_(p, -0.02 * 3**0.5, 0.02 * 3**0.5)
    return model, vocabulary, classes


def attend(q, k, v, heads, causal):
    """Attention of [batch, tokens, heads * dim]."""
    from torch.nn import functional

    q, k, v = (y.view(*y.shape[:2], heads, -1).transpose(1, 2) for y in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def gpt(layers, width, heads, vocabulary, tokens, hidden=None, dim=None):
    """GPT-2's architecture with a tied head, as zoo.GPT builds it."""
    import torch
    import torch.nn as nn
    from torch.nn import functional

    hidden, dim = hidden or 4 * width, dim or width // heads

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * heads * dim), nn.Linear(heads * dim, width)
            self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))

        def forward(self, x):
            x = x + self.proj(attend(*self.qkv(self.norm1(x)).split(heads * dim, 2), heads, True))
            return x + self.mlp(self.norm2(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
            self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(layers))), nn.LayerNorm(width)

        def forward(self, ids):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
            return functional.linear(self.norm(self.blocks(x)), self.wte.weight).flatten(0, 1)

    return Net()


def bert(layers, width, heads, dim, hidden, vocabulary, places, segments, classes):
    """BERT with a classifier on the first token, as BertForSequenceClassification; no padding."""
    import torch
    import torch.nn as nn

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.key, self.value = (nn.Linear(width, heads * dim) for _ in range(3))
            self.dense, self.norm1 = nn.Linear(heads * dim, width), nn.LayerNorm(width, eps=1e-12)
            self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
            self.norm2 = nn.LayerNorm(width, eps=1e-12)

        def forward(self, x):
            x = self.norm1(x + self.dense(attend(self.query(x), self.key(x), self.value(x), heads, False)))
            return self.norm2(x + self.mlp(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places, self.segments = nn.Embedding(vocabulary, width), nn.Embedding(places, width), nn.Embedding(segments, width)
            self.norm = nn.LayerNorm(width, eps=1e-12)
            self.layers = nn.Sequential(*(Layer() for _ in range(layers)))
            self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, classes)

        def forward(self, ids):
            x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device)) + self.segments.weight[0]
            return self.classifier(self.pooler(self.layers(self.norm(x))[:, 0]).tanh())

    return Net()


def llama(layers, width, heads, dim, hidden, vocabulary):
    """Llama with as many keys as queries and a head of its own, as LlamaForCausalLM."""
    import torch
    import torch.nn as nn
    from torch.nn import functional

    def linear(k, n):
        return nn.Linear(k, n, bias=False)

    def turn(x, cos, sin):
        a, b = x.view(*x.shape[:2], heads, 2, dim // 2).unbind(3)
        return torch.stack((a * cos - b * sin, b * cos + a * sin), 3).flatten(2)

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.RMSNorm(width, eps=1e-5), nn.RMSNorm(width, eps=1e-5)
            self.q_proj, self.k_proj, self.v_proj = (linear(width, heads * dim) for _ in range(3))
            self.o_proj = linear(heads * dim, width)
            self.gate_proj, self.up_proj, self.down_proj = linear(width, hidden), linear(width, hidden), linear(hidden, width)

        def forward(self, x, cos, sin):
            h = self.norm1(x)
            q, k = turn(self.q_proj(h), cos, sin), turn(self.k_proj(h), cos, sin)
            x = x + self.o_proj(attend(q, k, self.v_proj(h), heads, True))
            h = self.norm2(x)
            return x + self.down_proj(functional.silu(self.gate_proj(h)) * self.up_proj(h))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.norm, self.head = nn.Embedding(vocabulary, width), nn.RMSNorm(width, eps=1e-5), linear(width, vocabulary)
            self.layers = nn.ModuleList(Layer() for _ in range(layers))

        def forward(self, ids):
            x = self.embed(ids)
            at = torch.arange(ids.shape[1], device=ids.device)[:, None] * 10000.0 ** (-torch.arange(0, dim, 2, device=ids.device) / dim)
            low = torch.get_autocast_dtype(ids.device.type) if torch.is_autocast_enabled(ids.device.type) else x.dtype
            cos, sin = at.cos().to(low)[:, None], at.sin().to(low)[:, None]
            for layer in self.layers:
                x = layer(x, cos, sin)
            return self.head(self.norm(x)).flatten(0, 1)

    return Net()


def semi_structured(model):
    """All layers but the head or classifier 2:4, as torch.sparse has them, by cuSPARSELt where it is found."""
    import torch
    import torch.nn as nn
    from torch.sparse import to_sparse_semi_structured

    keep = torch.tensor([1, 1, 0, 0], dtype=torch.bool, device=next(model.parameters()).device)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and name not in ("head", "classifier") and "lora_" not in name:
            w = layer.weight.detach()
            layer.weight = nn.Parameter(to_sparse_semi_structured(w * keep.repeat(w.shape[1] // 4)), requires_grad=False)


def adapt(model, lora):
    """Freezes all but new adapters, and the layers to be kept, as PEFT 0.21 does.

    y = W x + (alpha / rank) B (A x), peft/tuners/lora/layer.py: A and B are float32 and
    the input is cast to their type, whatever the base is; autocast casts it back.
    """
    if not lora:
        return
    import torch
    import torch.nn as nn

    class Adapted(nn.Module):
        def __init__(self, base):
            super().__init__()
            where = base.weight.device
            self.base, self.scaling = base, lora["alpha"] / lora["rank"]
            self.lora_A = nn.Linear(base.in_features, lora["rank"], bias=False, device=where)
            self.lora_B = nn.Linear(lora["rank"], base.out_features, bias=False, device=where)
            nn.init.zeros_(self.lora_B.weight)

        def forward(self, x):
            result = self.base(x)
            low = result.dtype
            x = x.to(self.lora_A.weight.dtype)
            return (result + self.lora_B(self.lora_A(x)) * self.scaling).to(low)

    ends = {{"c_attn": "qkv"}.get(end, end) for end in (a.split(".")[-1] for a in lora["adapted"])}
    if lora["half"]:
        model.to(torch.bfloat16)
    for p in model.parameters():
        p.requires_grad_(False)
    for name in lora["kept"] or []:
        model.get_submodule(name).float().requires_grad_(True)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if name in ends:
                setattr(parent, name, Adapted(child))
