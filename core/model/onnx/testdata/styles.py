"""Writes styles.json: small models in the ways exporters spell them, with the
outputs ONNX Runtime computes. Made with onnx 1.23.2, onnxruntime 1.32.0.

    python styles.py > styles.json
"""
import base64, json, sys
import numpy as np, onnx, onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

ort.set_default_logger_severity(3)
R = np.random.default_rng(7)
cases = []


class G:
    """A graph under construction. Constants become initializers, or Constant nodes."""

    def __init__(self, const_nodes=False):
        self.nodes, self.ini, self.k, self.const_nodes = [], [], 0, const_nodes

    def c(self, x, dtype=np.float32, name=None, typed=False):
        self.k += 1
        name = name or f"c{self.k}"
        x = np.array(x, dtype)
        t = h.make_tensor(name, nh.from_array(x).data_type, x.shape, x.flatten().tolist()) if typed else nh.from_array(x, name)
        if self.const_nodes:
            self.nodes.append(h.make_node("Constant", [], [name], value=t))
        else:
            self.ini.append(t)
        return name

    def i(self, x):
        return self.c(x, np.int64)

    def w(self, *shape, **kw):
        return self.c(R.normal(0, .5, shape).round(3), **kw)

    def op(self, op, *ins, out=None, **attrs):
        self.k += 1
        out = out or f"v{self.k}"
        self.nodes.append(h.make_node(op, list(ins), [out], name=f"n{self.k}", **attrs))
        return out

    def done(self, name, y, shape, opset=17, rank=2, batch="batch", n=2, ir=8, inputs_too=False):
        dim = [batch] + list(shape)
        ins = [h.make_tensor_value_info("x", T.FLOAT, dim)]
        if inputs_too:
            ins += [h.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in self.ini]
        g = h.make_graph(self.nodes, name, ins, [h.make_tensor_value_info(y, T.FLOAT, [batch] + [None] * (rank - 1))], self.ini)
        m = h.make_model(g, ir_version=ir, opset_imports=[h.make_opsetid("", opset)])
        onnx.checker.check_model(m)
        n = n if batch == "batch" else batch
        data = (R.normal(0, 2, [n] + list(shape))).round(3).astype(np.float32)
        out = ort.InferenceSession(m.SerializeToString()).run(None, {"x": data})[0]
        f = lambda a: [float(np.format_float_positional(v, unique=True)) for v in a.flatten()]
        cases.append(dict(name=name, model=base64.b64encode(m.SerializeToString()).decode(), n=n, x=f(data), y=f(out)))


# fully connected
g = G(); g.done("gemm transB 0", g.op("Gemm", "x", g.w(4, 3), g.w(3)), [4])
g = G(); g.done("gemm alpha beta", g.op("Gemm", "x", g.w(3, 4), g.w(1, 3), transB=1, alpha=.5, beta=2.), [4])
g = G(); g.done("gemm scalar bias", g.op("Gemm", "x", g.w(3, 4), g.c(.25), transB=1), [4])
g = G(); g.done("gemm no bias", g.op("Gemm", "x", g.w(3, 4), transB=1), [4])
g = G(); g.done("gemm typed values", g.op("Gemm", "x", g.w(3, 4, typed=True), g.w(3, typed=True), transB=1), [4])
g = G(); g.done("matmul", g.op("MatMul", "x", g.w(4, 3)), [4])
g = G(); g.done("matmul add", g.op("Add", g.op("MatMul", "x", g.w(4, 3)), g.w(3)), [4])
g = G(); g.done("matmul add left", g.op("Add", g.w(1, 3), g.op("MatMul", "x", g.w(4, 3))), [4])
g = G(); g.done("matmul of transpose", g.op("MatMul", "x", g.op("Transpose", g.w(3, 4), perm=[1, 0])), [4])
g = G(True); g.done("weights in constant nodes", g.op("Gemm", "x", g.w(4, 3), g.w(3)), [4])
g = G(); w = g.w(4, 4); g.done("shared weight", g.op("Gemm", g.op("Relu", g.op("Gemm", "x", w, transB=1)), w, transB=1), [4])
g = G(); w = g.w(4, 4); g.done("shared weight transposed", g.op("Gemm", g.op("Relu", g.op("Gemm", "x", w, transB=1)), w), [4])
g = G(); g.done("initializers as inputs", g.op("Gemm", "x", g.w(4, 3), g.w(3)), [4], ir=3, opset=9, inputs_too=True)

# activations
def dense(name, f, opset=17, **kw):
    g = G(**kw)
    x = g.op("Gemm", "x", g.w(4, 4), g.w(4))
    g.done(name, g.op("Gemm", f(g, x), g.w(4, 3), g.w(3)), [4], opset=opset, ir=10 if opset > 17 else 8)
erf1 = lambda g, x: g.op("Add", g.op("Erf", g.op("Div", x, g.c(2 ** .5))), g.c(1))
dense("gelu torch", lambda g, x: g.op("Mul", g.op("Mul", x, erf1(g, x)), g.c(.5)))
dense("gelu constant nodes", lambda g, x: g.op("Mul", g.op("Mul", x, erf1(g, x)), g.c(.5)), const_nodes=True)
dense("gelu half first", lambda g, x: g.op("Mul", g.op("Mul", g.c(.5), x), erf1(g, x)))
dense("gelu half on erf", lambda g, x: g.op("Mul", x, g.op("Mul", g.c(.5), erf1(g, x))))
dense("gelu over two", lambda g, x: g.op("Div", g.op("Mul", erf1(g, x), x), g.c(2)))
dense("gelu times root half", lambda g, x: g.op("Mul", g.op("Mul", x, g.op("Add", g.c(1), g.op("Erf", g.op("Mul", g.c(.5 ** .5), x)))), g.c(.5)))
dense("gelu operator", lambda g, x: g.op("Gelu", x), opset=20)
dense("silu", lambda g, x: g.op("Mul", g.op("Sigmoid", x), x))
dense("hardswish operator", lambda g, x: g.op("HardSwish", x))
dense("hardswish hardsigmoid", lambda g, x: g.op("Mul", x, g.op("HardSigmoid", x, alpha=1 / 6, beta=.5)), opset=13)
dense("hardswish clip", lambda g, x: g.op("Div", g.op("Mul", x, g.op("Clip", g.op("Add", x, g.c(3)), g.c(0), g.c(6))), g.c(6)), opset=13)
dense("tanh", lambda g, x: g.op("Tanh", x))
dense("clip as relu", lambda g, x: g.op("Clip", x, g.c(0)))
dense("clip attributes as relu", lambda g, x: g.op("Clip", x, min=0.), opset=9)
dense("dropout identity cast", lambda g, x: g.op("Cast", g.op("Identity", g.op("Dropout", x, g.c(.5))), to=T.FLOAT))
dense("dropout attribute", lambda g, x: g.op("Dropout", x, ratio=.5), opset=9)
dense("dead branch", lambda g, x: (g.op("Sin", x), g.op("Relu", x))[1])
dense("add", lambda g, x: g.op("Add", g.op("Relu", x), x))
dense("batchnorm 1d", lambda g, x: g.op("BatchNormalization", x, g.w(4), g.w(4), g.w(4), g.c([.5, 1, 2, 3]), epsilon=1e-3))
dense("batchnorm 9", lambda g, x: g.op("BatchNormalization", x, g.w(4), g.w(4), g.w(4), g.c([.5, 1, 2, 3]), momentum=.99), opset=9)
g = G(); g.done("softmax", g.op("Softmax", g.op("Gemm", "x", g.w(4, 3)), axis=-1), [4])
g = G(); g.done("softmax default 13", g.op("Softmax", g.op("Gemm", "x", g.w(4, 3))), [4], opset=13)
g = G(); g.done("softmax default 11", g.op("Softmax", g.op("Gemm", "x", g.w(4, 3))), [4], opset=11)

# images
def image(name, f, shape=(2, 7, 6), opset=17, **kw):
    g = G()
    g.done(name, g.op("Flatten", f(g, "x")), shape, opset=opset, **kw)
image("conv asymmetric", lambda g, x: g.op("Conv", x, g.w(3, 2, 3, 2), g.w(3), pads=[2, 0, 1, 1], strides=[2, 1]))
image("conv groups", lambda g, x: g.op("Conv", x, g.w(4, 1, 3, 3), g.w(4), group=2, pads=[1, 1, 1, 1]))
image("conv same upper", lambda g, x: g.op("Conv", x, g.w(3, 2, 4, 3), auto_pad="SAME_UPPER", strides=[2, 2]))
image("conv same lower", lambda g, x: g.op("Conv", x, g.w(3, 2, 4, 3), auto_pad="SAME_LOWER", strides=[2, 2]))
image("conv valid", lambda g, x: g.op("Conv", x, g.w(3, 2, 4, 3), auto_pad="VALID", kernel_shape=[4, 3], dilations=[1, 1]))
image("conv add channels", lambda g, x: g.op("Add", g.op("Conv", x, g.w(3, 2, 3, 3)), g.w(1, 3, 1, 1)))
image("conv add channels 3d", lambda g, x: g.op("Add", g.w(3, 1, 1), g.op("Conv", x, g.w(3, 2, 3, 3))))
image("batchnorm 2d", lambda g, x: g.op("BatchNormalization", x, g.w(2), g.w(2), g.w(2), g.c([.5, 2])))
image("maxpool pads", lambda g, x: g.op("MaxPool", x, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 2]))
image("maxpool same", lambda g, x: g.op("MaxPool", x, kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 2]))
image("maxpool harmless ceil", lambda g, x: g.op("MaxPool", x, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1))
image("avgpool counts pads", lambda g, x: g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1))
image("avgpool leaves pads out", lambda g, x: g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 0, 1], strides=[2, 1]))
image("global average", lambda g, x: g.op("GlobalAveragePool", x))
image("mean attribute", lambda g, x: g.op("ReduceMean", x, axes=[2, 3]))
image("mean last axes", lambda g, x: g.op("ReduceMean", x, axes=[-1, -2]))
image("mean input", lambda g, x: g.op("ReduceMean", x, g.i([2, 3])), opset=18, ir=9)
image("mean without axes kept", lambda g, x: g.op("ReduceMean", x, axes=[2, 3], keepdims=0))
image("squeeze", lambda g, x: g.op("Squeeze", g.op("GlobalAveragePool", x), g.i([2, 3])))
image("squeeze attribute", lambda g, x: g.op("Squeeze", g.op("GlobalAveragePool", x), axes=[3, 2]), opset=11)
image("residual", lambda g, x: g.op("Relu", g.op("Add", g.op("Conv", x, g.w(2, 2, 1, 1)), x)))

# shapes
def shaped(name, f, shape=(2, 3, 2), **kw):
    g = G()
    y = f(g, "x")
    g.done(name, g.op("Gemm", y, g.w(12, 3), g.w(3)), shape, **kw)
size = lambda g, x, i: g.op("Gather", g.op("Shape", x), g.i(i), axis=0)
shaped("reshape 0 -1", lambda g, x: g.op("Reshape", x, g.i([0, -1])))
shaped("reshape -1 size", lambda g, x: g.op("Reshape", x, g.i([-1, 12])))
shaped("reshape fixed batch", lambda g, x: g.op("Reshape", x, g.i([3, -1])), batch=3)
shaped("reshape in place", lambda g, x: g.op("Flatten", g.op("Reshape", x, g.i([-1, 2, 3, 2]))))
shaped("flatten negative axis", lambda g, x: g.op("Flatten", x, axis=-3))
shaped("view size 0", lambda g, x: g.op("Reshape", x, g.op("Concat", g.op("Unsqueeze", size(g, x, 0), g.i([0])), g.i([-1]), axis=0)))
shaped("view size 0 old", lambda g, x: g.op("Reshape", x, g.op("Concat", g.op("Unsqueeze", size(g, x, 0), axes=[0]), g.i([-1]), axis=0)), opset=11)
shaped("view product", lambda g, x: g.op("Reshape", x, g.op("Concat", g.i([-1]), g.op("Unsqueeze", g.op("Mul", g.op("Mul", size(g, x, 1), size(g, x, 2)), size(g, x, 3)), g.i([0])), axis=0)))
shaped("view slice", lambda g, x: g.op("Reshape", x, g.op("Concat", g.op("Slice", g.op("Shape", x), g.i([0]), g.i([1])), g.i([12]), axis=0)))
shaped("view cast", lambda g, x: g.op("Reshape", x, g.op("Cast", g.op("Concat", g.op("Shape", x, start=0, end=1), g.i([-1]), axis=0), to=T.INT64)))
g = G(); g.done("input as images", g.op("Flatten", g.op("Conv", g.op("Reshape", "x", g.i([-1, 2, 3, 2])), g.w(2, 2, 2, 2))), [12])
g = G(); g.done("input without channels", g.op("Flatten", g.op("Conv", g.op("Unsqueeze", "x", g.i([1])), g.w(2, 1, 2, 2))), [3, 4])
g = G(); g.done("input without channels flattened", g.op("Gemm", g.op("Flatten", "x"), g.w(12, 3)), [3, 4])

json.dump(cases, sys.stdout, separators=(",", ":"))
