package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"pare/core/graph"
)

// handlers map one operator each.
var handlers map[string]func(im *importer, i int, n *Node) error

func init() {
	handlers = map[string]func(im *importer, i int, n *Node) error{
		"Gemm": gemm, "MatMul": matMul, "Conv": conv, "BatchNormalization": batchNorm, "LayerNormalization": layerNorm,
		"RMSNormalization": rmsNorm, "SimplifiedLayerNormalization": rmsNorm,
		"Relu": unary("relu"), "Tanh": unary("tanh"), "HardSwish": unary("hardswish"), "Sigmoid": unary("sigmoid"), "Gelu": gelu,
		"Swish": swish, "Clip": clip, "HardSigmoid": constantAct("hardsigmoid", 0.2, 0.5), "LeakyRelu": constantAct("leakyrelu", 0.01, 0),
		"Elu": constantAct("elu", 1, 0), "MaxPool": pool("maxpool"), "AveragePool": pool("avgpool"), "GlobalAveragePool": globalPool,
		"GlobalMaxPool": globalPool, "ReduceMean": reduceMean, "ReduceMax": reduceMean, "Pad": padding,
		"Flatten": flatten, "Reshape": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Transpose": reorder, "Expand": expand, "Tile": tile,
		"Slice": slice, "Split": split, "Gather": gather, "Concat": concat, "Shape": shapeNode, "Size": shapeNode,
		"Add": add, "Sub": subtract, "Mul": mul, "Div": div, "Neg": neg, "Pow": pow, "Sqrt": sqrt, "Reciprocal": reciprocal,
		"Where": where, "Equal": equal, "IsNaN": isNaN, "Softmax": softmax, "Identity": drop, "Dropout": drop, "Cast": cast, "CastLike": cast,
	}
}

// arity is the most inputs an operator has; 1 where it does not say. An input too many
// would be data that is silently not used.
var arity = map[string]int{
	"Gemm": 3, "MatMul": 2, "Conv": 3, "BatchNormalization": 5, "Clip": 3, "ReduceMean": 2, "Reshape": 2, "Squeeze": 2,
	"Unsqueeze": 2, "Add": 2, "Sub": 2, "Mul": 2, "Div": 2, "Pow": 2, "Dropout": 3, "LayerNormalization": 3, "RMSNormalization": 2,
	"SimplifiedLayerNormalization": 2, "Pad": 4, "Expand": 2, "Slice": 5, "Split": 2, "Gather": 2, "Concat": math.MaxInt,
	"Where": 3, "CastLike": 2, "Tile": 2, "Range": 3, "Trilu": 2, "CumSum": 2, "Min": math.MaxInt, "Max": math.MaxInt,
	"Equal": 2, "Greater": 2, "GreaterOrEqual": 2, "Less": 2, "LessOrEqual": 2, "And": 2, "Or": 2, "Xor": 2, "Mod": 2,
	"GatherElements": 2, "GatherND": 2, "ReduceSum": 2, "ReduceProd": 2, "ReduceMax": 2, "ReduceMin": 2,
}

func (n *Node) tooMany() bool { return len(n.Inputs) > max(arity[n.Op], 1) }

// hints for operators that people meet and that will not be mapped alone.
var hints = map[string]string{
	"LogSoftmax": "end the model at its logits, before log_softmax",
	"Erf":        "only the exact GELU, x·(Erf(x/√2)+1)/2, is",
	"PRelu":      "train the model with LeakyReLU",
	"LSTM":       "recurrent networks can run, but not be trained here", "GRU": "recurrent networks can run, but not be trained here",
	"RNN": "recurrent networks can run, but not be trained here", "If": "branches can run, but not be trained here",
	"Loop": "loops can run, but not be trained here", "Scan": "loops can run, but not be trained here",
	"Resize": "it has no gradient here", "Upsample": "it has no gradient here", "ConvTranspose": "it has no gradient here",
	"InstanceNormalization": "train the model with batch norm or layer norm",
}

// unsupported says which operators can be read.
func unsupported(op string) error {
	hint := hints[op]
	if hint == "" {
		hint = "supported are " + strings.Join(slices.Sorted(maps.Keys(handlers)), ", ") + ", and what follows from constants; replace the layer in the model and export it again"
	}
	return errors.New("this operator is not supported: " + hint)
}

func unary(op string) func(*importer, int, *Node) error {
	return func(im *importer, _ int, n *Node) error { return im.unary(n, op, graph.Attrs{}, n.Inputs[0]) }
}

// unary appends an op that works element by element: it sees the axes as they are.
func (im *importer) unary(n *Node, op string, a graph.Attrs, name string) error {
	x, err := im.flow(name)
	if err != nil {
		return err
	}
	id, err := im.add(n, op, a, nil, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

func constantAct(op string, alpha, beta float32) func(*importer, int, *Node) error {
	return func(im *importer, _ int, n *Node) error {
		a := attrs{n: n}
		at := graph.Attrs{Alpha: a.float("alpha", alpha)}
		if beta != 0 {
			at.Beta = a.float("beta", beta)
		}
		if a.err != nil {
			return a.err
		}
		return im.unary(n, op, at, n.Inputs[0])
	}
}

func gelu(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	op := map[string]string{"none": "gelu", "tanh": "gelu_tanh"}[a.text("approximate", "none")]
	if op == "" && a.err == nil {
		a.err = fmt.Errorf("approximate=%q is not known", a.text("approximate", "none"))
	}
	if a.err != nil {
		return a.err
	}
	return unary(op)(im, i, n)
}

func swish(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	if alpha := a.float("alpha", 1); alpha != 1 {
		return fmt.Errorf("alpha = %g is not supported, only 1 (SiLU)", alpha)
	}
	if a.err != nil {
		return a.err
	}
	return unary("silu")(im, i, n)
}

func clip(im *importer, i int, n *Node) error {
	lo, hi, err := im.limits(n)
	if err != nil {
		return err
	}
	switch {
	case lo == 0 && hi >= math.MaxFloat32:
		return unary("relu")(im, i, n)
	case lo < hi:
		bound := func(v float64) float32 { return float32(min(max(v, -math.MaxFloat32), math.MaxFloat32)) }
		return im.unary(n, "clip", graph.Attrs{Alpha: bound(lo), Beta: bound(hi)}, n.Inputs[0])
	}
	return fmt.Errorf("bounds %g and %g make no sense", lo, hi)
}

// gemm: y = alpha·x·B (+ beta·C), B as [N, K] with transB, else [K, N].
func gemm(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	transA, transB := a.int("transA", 0), a.int("transB", 0)
	alpha, beta := a.float("alpha", 1), a.float("beta", 1)
	if a.err != nil {
		return a.err
	}
	if transA != 0 {
		return errors.New("transA is not supported: transpose the weight instead")
	}
	if c := im.consts[n.input(2)]; c != nil && len(c.dims) == 2 && c.dims[0] != 1 {
		return fmt.Errorf("C = %q has shape %v: only one value for each output is supported", n.input(2), im.show(c.dims))
	}
	return im.linear(i, n, transB == 0, alpha, n.input(2), beta)
}

// matMul is a layer when its second factor is a weight, and else a part of attention.
func matMul(im *importer, i int, n *Node) error {
	if im.consts[n.input(1)] == nil {
		return im.product(n)
	}
	return im.linear(i, n, true, 1, "", 1)
}

// linear makes a fully connected layer. Without a bias of its own it takes in
// an Add of a constant vector that is its only reader.
func (im *importer) linear(i int, n *Node, transposed bool, alpha float32, bias string, beta float32) error {
	x, err := im.rows(n, n.Inputs[0])
	if err != nil {
		return err
	}
	if n.Op == "Gemm" && len(x.dims) != 2 {
		return fmt.Errorf("its input has %d axes, need [batch, features]", len(x.dims))
	}
	t, err := im.constArray(n.input(1))
	if err != nil {
		return err
	}
	if len(t.dims) != 2 {
		return fmt.Errorf("weight %q has shape %v, need two axes", n.Inputs[1], im.show(t.dims))
	}
	out := int(t.dims[0])
	if transposed {
		out = int(t.dims[1])
	}
	last := n
	if bias == "" {
		if j, name := im.addAfter(n, out, 0); j > i {
			bias, last, beta = name, &im.g.Nodes[j], 1 // beta belongs to the layer's own bias
			im.absorb[j] = true
		}
	}
	w, err := im.matrix(n.Inputs[1], transposed, alpha, bias)
	if err != nil {
		return err
	}
	dims := slices.Clone(x.dims)
	dims[len(dims)-1] = atoms('c', im.m.Params[w].Shape[0])
	return im.layer(n, last, "linear", graph.Attrs{}, w, bias, beta, x, dims)
}

// layer appends a layer whose result is the output of node last.
func (im *importer) layer(n, last *Node, op string, a graph.Attrs, w int, bias string, beta float32, x *view, dims [][]atom) error {
	params := []int{w}
	if bias != "" {
		b, err := im.vector(bias, graph.Bias, im.m.Params[w].Shape[0], beta)
		if err != nil {
			return err
		}
		params = append(params, b)
	}
	id, err := im.add(n, op, a, params, x.id)
	if err != nil {
		return err
	}
	if dims == nil {
		dims = im.whole(id, len(x.dims)).dims
	}
	return im.put(last, id, dims)
}

// addAfter finds an Add of n constants along the channels that alone reads the layer's
// output; pixels is the number of axes behind them. −1 when there is none.
func (im *importer) addAfter(layer *Node, n, pixels int) (int, string) {
	y := layer.Outputs[0]
	if len(im.users[y]) != 1 || y == im.g.Outputs[0].Name {
		return -1, ""
	}
	j := im.users[y][0]
	add := &im.g.Nodes[j]
	if add.Op != "Add" || len(add.Inputs) != 2 || len(add.Outputs) == 0 || im.absorb[j] {
		return -1, ""
	}
	for k := range 2 {
		if a := im.consts[add.Inputs[k]]; a != nil && add.Inputs[1-k] == y && perChannel(a.dims, n, pixels) {
			return j, add.Inputs[k]
		}
	}
	return -1, ""
}

// perChannel reports whether a constant of that shape has a value for each of n
// channels and is the same for all samples, tokens and pixels.
func perChannel(dims []int64, n, pixels int) bool {
	want := append([]int64{int64(n)}, slices.Repeat([]int64{1}, pixels)...) // aligned to the right: [N] or [C, 1, 1]
	at := len(dims) - len(want)
	if at < 0 || !slices.Equal(dims[at:], want) {
		return false
	}
	for _, d := range dims[:at] {
		if d != 1 {
			return false
		}
	}
	return true
}

func batchNorm(im *importer, _ int, n *Node) error {
	x, err := im.flow(n.Inputs[0])
	if err != nil {
		return err
	}
	a := attrs{n: n}
	eps, momentum, training := a.float("epsilon", 1e-5), a.float("momentum", 0.9), a.int("training_mode", 0)
	if a.err != nil {
		return a.err
	}
	if !(eps > 0) || math.IsInf(float64(eps), 0) || !(momentum >= 0 && momentum <= 1) {
		return fmt.Errorf("epsilon = %g and momentum = %g make no sense: the file is damaged, export it again", eps, momentum)
	}
	if training != 0 {
		return errors.New("is in training mode: export the model after model.eval()")
	}
	switch len(x.dims) {
	case 4:
		x, err = im.image(n.Inputs[0])
	case 2:
		x, err = im.rows(n, n.Inputs[0])
	default:
		err = fmt.Errorf("normalises a tensor of %d axes, which is not supported", len(x.dims))
	}
	if err != nil {
		return err
	}
	params := make([]int, 4)
	for k, role := range []graph.Role{graph.Scale, graph.Shift, graph.Running, graph.Running} {
		if params[k], err = im.vector(n.input(k+1), role, im.m.Values[x.id].C, 1); err != nil {
			return err
		}
	}
	for _, v := range im.m.Params[params[3]].Data {
		if v < 0 {
			return fmt.Errorf("variance %q holds %g: the weights are damaged", n.input(4), v)
		}
	}
	// ONNX keeps momentum·old, the graph's momentum is the share of the new.
	// Rounding to 6 decimals gives back the 0.1 that 1−0.9f blurs.
	m := float32(math.Round((1-float64(momentum))*1e6) / 1e6)
	id, err := im.add(n, "batchnorm", graph.Attrs{Eps: eps, Momentum: m}, params, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

// softmax of scores is a part of attention, of the classes the last op of a model.
func softmax(im *importer, _ int, n *Node) error {
	a := attrs{n: n}
	def := int64(-1)
	if im.opset < 13 {
		def = 1
	}
	axis := a.int("axis", def)
	if a.err != nil {
		return a.err
	}
	if p := im.parts[n.Inputs[0]]; p != nil && p.kind == scores {
		return im.softmaxOfScores(n, p, axis)
	}
	x, err := im.flow(n.Inputs[0])
	if err != nil {
		return err
	}
	last := len(x.dims) - 1
	for last > 1 && len(x.dims[last]) == 0 {
		last--
	}
	if axis != int64(last) && axis != int64(last-len(x.dims)) || im.opset < 13 && axis != int64(last) {
		return fmt.Errorf("axis = %d of %d is not supported, only the classes", axis, len(x.dims))
	}
	if v := im.m.Values[x.id]; v.H*v.W > 1 || !isAxis(x.dims[last], 'c', v.C) {
		return fmt.Errorf("axis = %d of %d is not supported, only the classes", axis, len(x.dims))
	}
	id, err := im.add(n, "softmax", graph.Attrs{}, nil, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

// drop leaves out what does nothing at inference.
func drop(im *importer, _ int, n *Node) error {
	for k, name := range n.Inputs[1:] { // Dropout's ratio and training_mode
		if name == "" {
			continue
		}
		c := im.consts[name]
		if c == nil {
			return fmt.Errorf("its argument %q is computed inside the model", name)
		}
		if v, ok := im.scalar(name); k == 1 && ok && v != 0 {
			return errors.New("it is exported in training mode, where it drops at random: export the model in eval mode")
		}
	}
	return im.rename(n, n.Inputs[0])
}

// rename gives what flows under a name the name of n's output, too.
func (im *importer) rename(n *Node, name string) error {
	if a := im.consts[name]; a != nil {
		b := *a
		b.name = n.Outputs[0]
		im.consts[n.Outputs[0]] = &b
		return nil
	}
	if p := im.parts[name]; p != nil {
		im.parts[n.Outputs[0]] = p
		return nil
	}
	x, err := im.view(name)
	if err != nil {
		return err
	}
	return im.alias(n, x)
}

// cast between floating-point types is left out: the model computes in float32. So is
// one between the integers that ids come in.
func cast(im *importer, _ int, n *Node) error {
	a := attrs{n: n}
	to := DataType(a.int("to", 0))
	if a.err != nil || n.Op == "CastLike" && im.consts[n.Inputs[0]] == nil {
		if n.Op == "CastLike" {
			return im.rename(n, n.Inputs[0])
		}
		return a.err
	}
	v := im.views[n.Inputs[0]]
	ids := v != nil && v.id == 0 && !im.in.Type.Elem.isFloat()
	switch {
	case to.isFloat() && !ids, ids && (to == Int64 || to == Int32):
		return im.rename(n, n.Inputs[0])
	case v == nil && im.parts[n.Inputs[0]] == nil:
		_, err := im.view(n.Inputs[0])
		return err
	}
	return fmt.Errorf("to %s is not supported, only between floating-point types", to)
}
