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
var handlers = map[string]func(im *importer, i int, n *Node) error{
	"Gemm": gemm, "MatMul": matMul, "Conv": conv, "BatchNormalization": batchNorm,
	"Relu": unary("relu"), "Tanh": unary("tanh"), "HardSwish": unary("hardswish"), "Gelu": gelu, "Swish": swish, "Clip": clip,
	"MaxPool": pool("maxpool"), "AveragePool": pool("avgpool"), "GlobalAveragePool": globalAvg, "ReduceMean": reduceMean,
	"Flatten": flatten, "Reshape": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
	"Add": add, "Softmax": softmax, "Identity": drop, "Dropout": drop, "Cast": cast,
}

// arity is the most inputs an operator has. An input too many would be data
// that is silently not used.
var arity = map[string]int{
	"Gemm": 3, "MatMul": 2, "Conv": 3, "BatchNormalization": 5, "Clip": 3, "ReduceMean": 2, "Reshape": 2, "Squeeze": 2,
	"Unsqueeze": 2, "Add": 2, "Mul": 2, "Div": 2, "Dropout": 3,
}

// tooMany reports whether n has more inputs than its operator; 1 where arity
// does not say.
func (n *Node) tooMany() bool { return len(n.Inputs) > max(arity[n.Op], 1) }

// hints for operators that people meet and that will not be mapped alone.
var hints = map[string]string{
	"LogSoftmax":  "end the model at its logits, before log_softmax",
	"Sigmoid":     "only x·Sigmoid(x), SiLU, is",
	"HardSigmoid": "only x·HardSigmoid(x), HardSwish, is",
	"Erf":         "only the exact GELU, x·(Erf(x/√2)+1)/2, is",
	"LeakyRelu":   "train the model with ReLU",
	"Concat":      "networks with branches joined by addition are",
}

// unsupported says which operators can be read.
func unsupported(op string) error {
	hint := hints[op]
	if hint == "" {
		hint = "supported are " + strings.Join(slices.Sorted(maps.Keys(handlers)), ", ") + ", and SiLU, GELU and HardSwish as products; replace the layer in the model and export it again"
	}
	return errors.New("this operator is not supported: " + hint)
}

func unary(op string) func(*importer, int, *Node) error {
	return func(im *importer, _ int, n *Node) error {
		x, err := im.value(n.Inputs[0])
		if err != nil {
			return err
		}
		return im.append(n, op, graph.Attrs{}, nil, x.rank, x)
	}
}

func gelu(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	if kind := a.text("approximate", "none"); kind != "none" {
		return fmt.Errorf("approximate=%q is not supported: train the model with the exact GELU", kind)
	}
	if a.err != nil {
		return a.err
	}
	return unary("gelu")(im, i, n)
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
	case lo == 0 && (hi >= math.MaxFloat32):
		return unary("relu")(im, i, n)
	case lo == 0 && hi == 6 && known("relu6"):
		return unary("relu6")(im, i, n)
	}
	return fmt.Errorf("bounds %g and %g are not supported: train the model with ReLU in its place", lo, hi)
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
	if c := im.consts[n.input(2)]; c != nil && len(c.Dims) == 2 && c.Dims[0] != 1 {
		return fmt.Errorf("C = %q has shape %v: only one value for each output is supported", n.input(2), c.Dims)
	}
	return im.linear(i, n, transB == 0, alpha, n.input(2), beta)
}

func matMul(im *importer, i int, n *Node) error { return im.linear(i, n, true, 1, "", 1) }

// linear makes a fully connected layer. Without a bias of its own it takes in
// an Add of a constant vector that is its only reader.
func (im *importer) linear(i int, n *Node, transposed bool, alpha float32, bias string, beta float32) error {
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	if x.rank != 2 {
		return fmt.Errorf("its input has %d axes, need [batch, features]: only layers over vectors are supported", x.rank)
	}
	t, err := im.constTensor(n.input(1))
	if err != nil {
		return err
	}
	if len(t.Dims) != 2 {
		return fmt.Errorf("weight %q has shape %v, need two axes", n.Inputs[1], t.Dims)
	}
	w, err := im.weight(n.Inputs[1], transposed, alpha)
	if err != nil {
		return err
	}
	return im.withBias(i, n, "linear", graph.Attrs{}, w, bias, beta, x)
}

// withBias appends a layer with its bias, given or taken from a following Add.
func (im *importer) withBias(i int, n *Node, op string, a graph.Attrs, w int, bias string, beta float32, x val) error {
	params := []int{w}
	last := n
	if bias == "" {
		if j, name := im.addAfter(n, im.m.Params[w].Shape[0], x.rank); j > i {
			bias, last, beta = name, &im.g.Nodes[j], 1 // beta belongs to the layer's own bias
			im.absorb[j] = true
		}
	}
	if bias != "" {
		b, err := im.vector(bias, graph.Bias, im.m.Params[w].Shape[0], beta)
		if err != nil {
			return err
		}
		params = append(params, b)
	}
	if err := im.append(n, op, a, params, x.rank, x); err != nil {
		return err
	}
	im.vals[last.Outputs[0]] = im.vals[n.Outputs[0]]
	return nil
}

// addAfter finds an Add of n constants along the channel axis that alone reads
// the layer's output; −1 when there is none.
func (im *importer) addAfter(layer *Node, n, rank int) (int, string) {
	y := layer.Outputs[0]
	if len(im.users[y]) != 1 || y == im.g.Outputs[0].Name {
		return -1, ""
	}
	j := im.users[y][0]
	add := &im.g.Nodes[j]
	if add.Op != "Add" || len(add.Inputs) != 2 || len(add.Outputs) == 0 {
		return -1, ""
	}
	for k := range 2 {
		t := im.consts[add.Inputs[k]]
		if t == nil || add.Inputs[1-k] != y {
			continue
		}
		want := []int64{int64(n)} // aligned to the right: [N] or [C, 1, 1]
		for range rank - 2 {
			want = append(want, 1)
		}
		if slices.Equal(t.Dims, want) || slices.Equal(t.Dims, append([]int64{1}, want...)) {
			return j, add.Inputs[k]
		}
	}
	return -1, ""
}

func batchNorm(im *importer, _ int, n *Node) error {
	x, err := im.value(n.Inputs[0])
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
	if x.rank == 3 {
		return errors.New("normalises a tensor of 3 axes, which is not supported")
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
	return im.append(n, "batchnorm", graph.Attrs{Eps: eps, Momentum: m}, params, x.rank, x)
}

func globalAvg(im *importer, _ int, n *Node) error {
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	return im.append(n, "globalavgpool", graph.Attrs{}, nil, x.rank, x)
}

func add(im *importer, _ int, n *Node) error {
	a, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	b, err := im.value(n.input(1))
	if err != nil {
		return err
	}
	if a.rank != b.rank {
		return fmt.Errorf("adds tensors of %d and %d axes, which is not supported", a.rank, b.rank)
	}
	return im.append(n, "add", graph.Attrs{}, nil, a.rank, a, b)
}

func softmax(im *importer, _ int, n *Node) error {
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	def := int64(-1)
	if im.opset < 13 {
		def = 1
	}
	a := attrs{n: n}
	axis := a.int("axis", def)
	if a.err != nil {
		return a.err
	}
	if axis != 1 && axis != 1-int64(x.rank) {
		return fmt.Errorf("axis = %d of %d is not supported, only the classes (axis 1)", axis, x.rank)
	}
	return im.append(n, "softmax", graph.Attrs{}, nil, x.rank, x)
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
		if k == 1 && c.isTrue() {
			return errors.New("it is exported in training mode, where it drops at random: export the model in eval mode")
		}
	}
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	return im.alias(n, x)
}

// cast between floating-point types is left out: the model computes in float32.
func cast(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	to := DataType(a.int("to", 0))
	if a.err != nil {
		return a.err
	}
	switch to {
	case Float, Double, Float16, BFloat16:
		return drop(im, i, n)
	}
	return fmt.Errorf("to %s is not supported, only between floating-point types", to)
}
