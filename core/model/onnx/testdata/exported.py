"""Small networks of many architectures as PyTorch's exporters write them: python exported.py FOLDER [SEED] [NAME…].

For each of them FOLDER/NAME-ts-OPSET.onnx (TorchScript exporter) and NAME-dynamo-OPSET.onnx (the newer one), and
beside each .onnx a .json: n samples x, sequences of seq tokens (0 without), and what ONNX Runtime computes, y.
Made with torch 2.15, onnxscript 0.7, onnxruntime 1.32.
"""
import json
import os
import random
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
ort.set_default_logger_severity(3)
out = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
only = sys.argv[3:]
os.makedirs(out, exist_ok=True)
R = random.Random(seed)
few_bits = False


def odd(*l):
    return R.choice(l)


def numbers(t):
    return [float(np.format_float_positional(np.float32(v), unique=True)) for v in t.flatten()]


def randomise(m):
    """Statistics and affine parameters of norms that do something."""
    for k, b in m.named_buffers():
        if k.endswith("running_mean"):
            b.copy_(torch.randn_like(b) * .3)
        if k.endswith("running_var"):
            b.copy_(torch.rand_like(b) + .5)
    for k, p in m.named_parameters():
        if p.dim() == 1:
            p.data.add_(torch.randn_like(p) * .1)
        if few_bits:
            p.data.copy_(p.data.bfloat16().float())


def case(name, model, x, seq=0, opsets=(9, 11, 13, 14, 17), dynamo=(18, 20), free=True, change=None):
    if only and name not in only:
        return
    torch.manual_seed(seed + sum(map(ord, name)))
    model = model().eval()
    with torch.no_grad():
        randomise(model)
    x = x()
    made = []
    for kind, sets in (("ts", opsets), ("dynamo", dynamo)):
        for o in sets:
            path = os.path.join(out, f"{name}-{kind}-{o}.onnx")
            try:
                if kind == "ts":
                    torch.onnx.export(model, (x,), path, opset_version=o, dynamo=False, input_names=["input"], output_names=["logits"],
                                      dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}} if free else None)
                else:
                    torch.onnx.export(model, (x,), path, opset_version=o, dynamo=True, verbose=False, external_data=False,
                                      dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},) if free else None)
                if change:
                    change(path)
                s = ort.InferenceSession(path)
                y = s.run(None, {s.get_inputs()[0].name: x.numpy()})[0]
            except Exception as e:
                made.append(f"{kind}-{o}: {type(e).__name__} {str(e)[:60]!r}")
                for p in (path, path + ".data"):
                    if os.path.exists(p):
                        os.remove(p)
                continue
            d = float(np.abs(y - model(x).detach().numpy()).max())
            assert d < 1e-4, (name, kind, o, d)
            json.dump({"n": len(x), "seq": seq, "x": numbers(x.float()), "y": numbers(y)}, open(path + ".json", "w"))
    print(name, *made, flush=True)


def ids(v, n, t):
    return lambda: torch.randint(0, v, (n, t))


def img(c, h, w, n=3):
    return lambda: torch.randn(n, c, h, w)


class Fn(nn.Module):
    """A network whose forward is a function of it."""

    def __init__(self, f, **parts):
        super().__init__()
        for k, v in parts.items():
            setattr(self, k, v)
        self.f = f

    def forward(self, x):
        return self.f(self, x)


# --- images
case("mlp", lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 7, 11), nn.ReLU(), nn.Linear(11, 9), nn.Tanh(), nn.Linear(9, 4)), img(2, 5, 7))
case("mlp-acts", lambda: nn.Sequential(nn.Linear(10, 12), nn.LeakyReLU(.1), nn.Linear(12, 8), nn.ELU(), nn.Linear(8, 9), nn.Sigmoid(), nn.Linear(9, 3)), lambda: torch.randn(4, 10))
case("mlp-acts2", lambda: nn.Sequential(nn.Linear(10, 12), nn.SiLU(), nn.Linear(12, 8), nn.GELU("tanh"), nn.Linear(8, 9), nn.Softplus(), nn.Linear(9, 3)), lambda: torch.randn(4, 10))
case("mlp-acts3", lambda: nn.Sequential(nn.Linear(10, 12), nn.Mish(), nn.Linear(12, 8), nn.SELU(), nn.Linear(8, 9), nn.ReLU6(), nn.Linear(9, 3)), lambda: torch.randn(4, 10))
case("mlp-acts4", lambda: nn.Sequential(nn.Linear(10, 12), nn.Hardtanh(-2, 2), nn.Linear(12, 8), nn.CELU(.7), nn.Linear(8, 9), nn.LogSigmoid(), nn.Linear(9, 3)), lambda: torch.randn(4, 10))
case("mlp-prelu", lambda: nn.Sequential(nn.Linear(10, 12), nn.PReLU(), nn.Linear(12, 8), nn.Hardsigmoid(), nn.Linear(8, 9), nn.Hardswish(), nn.Linear(9, 3)), lambda: torch.randn(4, 10))
case("mlp-bn", lambda: nn.Sequential(nn.Linear(10, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(.5), nn.Linear(12, 3)), lambda: torch.randn(4, 10))
case("mlp-ln", lambda: nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 12), nn.LayerNorm(12), nn.GELU(), nn.Linear(12, 3), nn.LogSoftmax(-1)), lambda: torch.randn(4, 10))
case("mlp-one", lambda: nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2)), lambda: torch.randn(4, 1))
case("mlp-skip", lambda: Fn(lambda s, x: s.c(torch.relu(s.a(x)) + torch.tanh(s.b(x)) * x), a=nn.Linear(7, 7), b=nn.Linear(7, 7, bias=False), c=nn.Linear(7, 3)), lambda: torch.randn(4, 7))
case("lenet", lambda: nn.Sequential(nn.Conv2d(1, 5, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 7, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(7 * 2 * 3, 9), nn.ReLU(), nn.Linear(9, 4)), img(1, 13, 16))
case("cnn-odd", lambda: nn.Sequential(nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(6), nn.ReLU6(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), img(3, 15, 11))
case("cnn-bn-first", lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 5, 3), nn.Hardswish(), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)), img(3, 9, 8))
case("depthwise", lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Hardswish(), nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.SiLU(), nn.Conv2d(8, 6, 1), nn.AvgPool2d(2), nn.ReLU6(), nn.Flatten(), nn.Linear(6 * 3 * 4, 4)), img(3, 12, 16))
case("grouped", lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 16, 3, groups=8), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3)), img(4, 9, 9))
case("dilated", lambda: nn.Sequential(nn.Conv2d(2, 4, 3, dilation=2, padding=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), img(2, 9, 9))
case("convt", lambda: nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)), img(2, 8, 8))
case("se", lambda: Fn(lambda s, x: s.o(torch.flatten(s.p(s.c(x) * torch.sigmoid(s.e(F.relu(s.q(s.p(s.c(x))))))), 1)), c=nn.Conv2d(3, 8, 3, 2, 1), p=nn.AdaptiveAvgPool2d(1), q=nn.Conv2d(8, 4, 1), e=nn.Conv2d(4, 8, 1), o=nn.Linear(8, 3)), img(3, 10, 10))
case("se-hard", lambda: Fn(lambda s, x: s.o(torch.flatten(s.p(s.c(x) * F.hardsigmoid(s.e(F.relu(s.q(s.p(s.c(x))))))), 1)), c=nn.Conv2d(3, 8, 3, 2, 1), p=nn.AdaptiveAvgPool2d(1), q=nn.Conv2d(8, 4, 1), e=nn.Conv2d(4, 8, 1), o=nn.Linear(8, 3)), img(3, 10, 10))


class Block(nn.Module):
    def __init__(self, i, o, s=1):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
        self.c, self.d = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.s = nn.Sequential() if s == 1 and i == o else nn.Sequential(nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        return F.relu(self.d(self.c(F.relu(self.b(self.a(x))))) + self.s(x))


case("resnet", lambda: nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), Block(6, 6), Block(6, 10, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 4)), img(3, 11, 9))
case("resnet-mean", lambda: Fn(lambda s, x: s.o(s.b(x).mean((2, 3))), b=nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU(), Block(6, 7, 2)), o=nn.Linear(7, 4)), img(3, 10, 10))
case("preact", lambda: Fn(lambda s, x: s.o(torch.flatten(F.adaptive_avg_pool2d(F.relu(s.n(s.b(F.relu(s.m(s.a(x)))) + s.a(x))), 1), 1)), a=nn.Conv2d(3, 6, 3, 1, 1), m=nn.BatchNorm2d(6), b=nn.Conv2d(6, 6, 3, 1, 1), n=nn.BatchNorm2d(6), o=nn.Linear(6, 3)), img(3, 8, 8))
case("dense", lambda: Fn(lambda s, x: s.o(torch.flatten(F.adaptive_avg_pool2d(torch.cat([s.a(x), F.relu(s.b(s.a(x)))], 1), 1), 1)), a=nn.Conv2d(3, 4, 3, 1, 1), b=nn.Conv2d(4, 5, 3, 1, 1), o=nn.Linear(9, 3)), img(3, 8, 8))
case("inception", lambda: Fn(lambda s, x: s.o(torch.flatten(F.max_pool2d(torch.cat([s.a(x), s.b(x), F.max_pool2d(x, 3, 1, 1)], 1), 2), 1)), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 5, 3, 1, 1), o=nn.Linear(12 * 16, 3)), img(3, 8, 8))
case("unet", lambda: Fn(lambda s, x: s.o(torch.cat([F.interpolate(s.b(F.max_pool2d(s.a(x), 2)), scale_factor=2), s.a(x)], 1)), a=nn.Conv2d(2, 4, 3, 1, 1), b=nn.Conv2d(4, 6, 3, 1, 1), o=nn.Conv2d(10, 2, 1)), img(2, 8, 8))
case("shuffle", lambda: Fn(lambda s, x: s.o(torch.flatten(F.adaptive_avg_pool2d(s.b(s.a(x).view(x.shape[0], 2, 3, 6, 6).transpose(1, 2).reshape(x.shape[0], 6, 6, 6)), 1), 1)), a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(6, 6, 3, groups=6), o=nn.Linear(6, 3)), img(3, 8, 8))
case("groupnorm", lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)), img(3, 8, 8))
case("instnorm", lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)), img(3, 8, 8))
case("pixelshuffle", lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.PixelShuffle(2), nn.Conv2d(2, 1, 1)), img(3, 6, 6))
case("conv1d", lambda: nn.Sequential(nn.Conv1d(3, 6, 5, 2, 2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)), lambda: torch.randn(3, 3, 24))
case("conv3d", lambda: nn.Sequential(nn.Conv3d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2)), lambda: torch.randn(2, 1, 5, 6, 7))
case("pad", lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), img(2, 7, 7))
case("zeropad", lambda: nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)), img(2, 7, 7))
case("normalize", lambda: Fn(lambda s, x: s.n((x / 255. - .5) / .25), n=nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))), img(2, 7, 7))
case("normalize-channels", lambda: Fn(lambda s, x: s.n((x - s.m) / s.d), m=nn.Buffer(torch.tensor([.4, .5]).view(1, 2, 1, 1)), d=nn.Buffer(torch.tensor([.2, .3]).view(1, 2, 1, 1)), n=nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))), img(2, 7, 7))
case("softmax-out", lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4), nn.Softmax(1)), lambda: torch.randn(3, 6))
case("gap-2", lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)), img(2, 8, 8))
case("fixed-batch", lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)), img(2, 8, 8), free=False)
case("layernorm2d", lambda: Fn(lambda s, x: s.o(s.n(s.a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).mean((-2, -1))), a=nn.Conv2d(3, 6, 2, 2), n=nn.LayerNorm(6), o=nn.Linear(6, 3)), img(3, 8, 8))


class ConvNeXt(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.d, self.n, self.a, self.b, self.g = nn.Conv2d(c, c, 7, padding=3, groups=c), nn.LayerNorm(c), nn.Linear(c, 4 * c), nn.Linear(4 * c, c), nn.Parameter(torch.ones(c) * .3)

    def forward(self, x):
        y = self.b(F.gelu(self.a(self.n(self.d(x).permute(0, 2, 3, 1)))))
        return x + (self.g * y).permute(0, 3, 1, 2)


case("convnext", lambda: Fn(lambda s, x: s.o(s.n(s.b(s.a(x)).mean((-2, -1)))), a=nn.Conv2d(3, 6, 2, 2), b=ConvNeXt(6), n=nn.LayerNorm(6), o=nn.Linear(6, 3)), img(3, 16, 16))


# --- sequences
class Attn(nn.Module):
    def __init__(self, d, h, kind="sdpa", causal=False, kv=None):
        super().__init__()
        self.h, self.kv, self.kind, self.causal, self.d = h, kv or h, kind, causal, d // h
        self.q, self.k, self.v, self.o = nn.Linear(d, d), nn.Linear(d, self.kv * self.d), nn.Linear(d, self.kv * self.d), nn.Linear(d, d)

    def forward(self, x):
        B, T, C = x.shape
        q = self.q(x).view(B, T, self.h, self.d).transpose(1, 2)
        k = self.k(x).view(B, T, self.kv, self.d).transpose(1, 2)
        v = self.v(x).view(B, T, self.kv, self.d).transpose(1, 2)
        if self.kv != self.h:
            k, v = k.repeat_interleave(self.h // self.kv, 1), v.repeat_interleave(self.h // self.kv, 1)
        if self.kind == "sdpa":
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        else:
            a = q @ k.transpose(-2, -1) / self.d ** .5
            if self.causal:
                a = a.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
            y = a.softmax(-1) @ v
        return self.o(y.transpose(1, 2).reshape(B, T, C))


class Layer(nn.Module):
    def __init__(self, d, h, pre=True, act=F.gelu, **kw):
        super().__init__()
        self.a, self.n, self.m, self.u, self.w, self.pre, self.act = Attn(d, h, **kw), nn.LayerNorm(d), nn.LayerNorm(d), nn.Linear(d, 2 * d + 1), nn.Linear(2 * d + 1, d), pre, act

    def forward(self, x):
        f = lambda x: self.w(self.act(self.u(x)))
        if self.pre:
            x = x + self.a(self.n(x))
            return x + f(self.m(x))
        x = self.n(x + self.a(x))
        return self.m(x + f(x))


class Net(nn.Module):
    def __init__(self, v, d, h, t, out, head="cls", pos="table", layers=1, **kw):
        super().__init__()
        self.e, self.head, self.pos = nn.Embedding(v, d), head, pos
        if pos == "table":
            self.p = nn.Embedding(t, d)
        elif pos == "param":
            self.p = nn.Parameter(torch.randn(1, t, d))
        self.l, self.n, self.o = nn.Sequential(*[Layer(d, h, **kw) for _ in range(layers)]), nn.LayerNorm(d), nn.Linear(d, out)

    def forward(self, i):
        x = self.e(i)
        if self.pos == "table":
            x = x + self.p(torch.arange(i.shape[1]))
        elif self.pos == "param":
            x = x + self.p[:, :i.shape[1]]
        x = self.n(self.l(x))
        if self.head == "cls":
            x = x[:, 0]
        elif self.head == "mean":
            x = x.mean(1)
        elif self.head == "last":
            x = x[:, -1]
        return self.o(x)


T = odd(5, 6, 9)
case("encoder", lambda: Net(23, 12, 3, T, 4, layers=2), ids(23, 3, T), seq=T)
case("encoder-mean", lambda: Net(23, 10, 2, T, 4, head="mean", pre=False, kind="manual"), ids(23, 3, T), seq=T)
case("encoder-last", lambda: Net(23, 12, 2, T, 4, head="last", pos="param", act=F.relu), ids(23, 3, T), seq=T)
case("encoder-nopos", lambda: Net(23, 12, 2, T, 4, head="mean", pos="none", act=F.silu), ids(23, 3, T), seq=T)
case("gpt", lambda: Net(23, 12, 3, T, 23, head="all", causal=True), ids(23, 2, T), seq=T)
case("gpt-manual", lambda: Net(23, 12, 3, T, 23, head="all", causal=True, kind="manual", act=lambda x: F.gelu(x, approximate="tanh")), ids(23, 2, T), seq=T)
case("gqa", lambda: Net(23, 16, 4, T, 23, head="all", causal=True, kv=2), ids(23, 2, T), seq=T)
case("gqa-manual", lambda: Net(23, 16, 4, T, 23, head="all", causal=True, kv=1, kind="manual"), ids(23, 2, T), seq=T)
case("torch-encoder", lambda: Fn(lambda s, i: s.o(s.l(s.e(i)).mean(1)), e=nn.Embedding(19, 12), l=nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 3, 20, 0., batch_first=True, activation="gelu"), 2, enable_nested_tensor=False), o=nn.Linear(12, 4)), ids(19, 3, T), seq=T)
case("torch-encoder-pre", lambda: Fn(lambda s, i: s.o(s.l(s.e(i))[:, 0]), e=nn.Embedding(19, 12), l=nn.TransformerEncoder(nn.TransformerEncoderLayer(12, 2, 20, 0., batch_first=True, norm_first=True), 1, enable_nested_tensor=False), o=nn.Linear(12, 4)), ids(19, 3, T), seq=T)
case("mha", lambda: Fn(lambda s, i: s.o((lambda x: x + s.m(x, x, x, need_weights=False)[0])(s.e(i)).mean(1)), e=nn.Embedding(19, 12), m=nn.MultiheadAttention(12, 3, batch_first=True), o=nn.Linear(12, 4)), ids(19, 3, T), seq=T)
case("mha-weights", lambda: Fn(lambda s, i: s.o((lambda x: x + s.m(x, x, x)[0])(s.e(i)).mean(1)), e=nn.Embedding(19, 12), m=nn.MultiheadAttention(12, 3, batch_first=True), o=nn.Linear(12, 4)), ids(19, 3, T), seq=T)
case("bag", lambda: Fn(lambda s, i: s.o(F.relu(s.a(s.e(i).mean(1)))), e=nn.Embedding(19, 12), a=nn.Linear(12, 7), o=nn.Linear(7, 4)), ids(19, 3, T), seq=T)


class ViT(nn.Module):
    def __init__(self, c, hw, p, d, h, out):
        super().__init__()
        n = (hw[0] // p) * (hw[1] // p)
        self.p, self.c, self.e, self.l, self.n, self.o = nn.Conv2d(c, d, p, p), nn.Parameter(torch.randn(1, 1, d)), nn.Parameter(torch.randn(1, n + 1, d)), nn.Sequential(Layer(d, h), Layer(d, h)), nn.LayerNorm(d), nn.Linear(d, out)

    def forward(self, x):
        x = self.p(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.c.expand(x.shape[0], -1, -1), x], 1) + self.e
        return self.o(self.n(self.l(x))[:, 0])


case("vit", lambda: ViT(3, (8, 12), 4, 12, 3, 4), img(3, 8, 12))
case("vit-mean", lambda: Fn(lambda s, x: s.o(s.l(s.p(x).flatten(2).transpose(1, 2) + s.e).mean(1)), p=nn.Conv2d(3, 12, 4, 4), e=nn.Parameter(torch.randn(1, 6, 12)), l=Layer(12, 2), o=nn.Linear(12, 4)), img(3, 8, 12))


class ConvAttn(nn.Module):  # attention over the pixels of a convolution's output
    def __init__(self, c, h):
        super().__init__()
        self.c, self.n, self.a = nn.Conv2d(3, c, 3, 2, 1), nn.LayerNorm(c), Attn(c, h)
        self.o = nn.Linear(c, 3)

    def forward(self, x):
        x = self.c(x)
        B, C, H, W = x.shape
        y = x.flatten(2).transpose(1, 2)
        y = y + self.a(self.n(y))
        x = y.transpose(1, 2).reshape(B, C, H, W)
        return self.o(F.adaptive_avg_pool2d(x, 1).flatten(1))


case("conv-attention", lambda: ConvAttn(8, 2), img(3, 8, 8))
# --- run only
case("lstm", lambda: Fn(lambda s, x: s.o(s.r(x)[0][:, -1]), r=nn.LSTM(5, 7, batch_first=True), o=nn.Linear(7, 3)), lambda: torch.randn(3, 6, 5), opsets=(11, 14, 17), dynamo=(18,))
case("gru", lambda: Fn(lambda s, x: s.o(s.r(x)[0].mean(1)), r=nn.GRU(5, 7, 2, batch_first=True, bidirectional=True), o=nn.Linear(14, 3)), lambda: torch.randn(3, 6, 5), opsets=(11, 14, 17), dynamo=(18,))
case("rnn", lambda: Fn(lambda s, x: s.o(s.r(x)[1][0]), r=nn.RNN(5, 7, batch_first=True), o=nn.Linear(7, 3)), lambda: torch.randn(3, 6, 5), opsets=(11, 14, 17), dynamo=(18,))


# --- other ways to keep the weights
def half(kind):
    def f(path):
        m = onnx.load(path)
        for t in m.graph.initializer:
            if t.data_type == onnx.TensorProto.FLOAT and np.prod(t.dims) > 1:
                a = onnx.numpy_helper.to_array(t)
                name = t.name
                if kind == onnx.TensorProto.FLOAT16:
                    t.CopyFrom(onnx.numpy_helper.from_array(a.astype(np.float16), name + ".h"))
                else:
                    b = (a.view(np.uint32) >> 16).astype(np.uint16)
                    u = onnx.TensorProto(name=name + ".h", data_type=kind, dims=a.shape, raw_data=b.tobytes())
                    t.CopyFrom(u)
                m.graph.node.insert(0, onnx.helper.make_node("Cast", [name + ".h"], [name], to=onnx.TensorProto.FLOAT))
        onnx.save(m, path)
    return f


def constants(path):
    m = onnx.load(path)
    for t in list(m.graph.initializer):
        m.graph.node.insert(0, onnx.helper.make_node("Constant", [], [t.name], value=t))
    del m.graph.initializer[:]
    onnx.save(m, path)


def external(path):
    m = onnx.load(path)
    onnx.save(m, path, save_as_external_data=True, location=os.path.basename(path) + ".data", size_threshold=16)


small = lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))


case("constants", small, img(2, 8, 8), opsets=(9, 13, 17), dynamo=(18,), change=constants)
case("external", small, img(2, 8, 8), opsets=(13, 17), dynamo=(18,), change=external)


few_bits = True  # weights that float16 and bfloat16 both hold
two = lambda: nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))
case("half-weights", two, lambda: torch.randn(3, 6), opsets=(13, 17), dynamo=(18,), change=half(onnx.TensorProto.FLOAT16))
case("bfloat-weights", two, lambda: torch.randn(3, 6), opsets=(13, 17), dynamo=(18,), change=half(onnx.TensorProto.BFLOAT16))
