package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// Blocks that a file holds in pieces are followed from their first node to their last:
// what the nodes between make is a part, which only the next node of the block may read.
//
//	LayerNorm  m = ReduceMean(x)   d = x − m   v = ReduceMean(d²)   d / √(v + eps) [· gamma] [+ beta]
//	RMSNorm    v = ReduceMean(x²)  x · 1/√(v + eps) [· gamma]
//	attention  s = q·kᵀ [· scale] [+ mask]   p = Softmax(s)   p·v
//	rotary     x·cos + Concat(−x₂, x₁)·sin
type part struct {
	kind kind
	dims [][]atom
	x    *view // what a norm is taken of, queries, what is turned

	centred bool    // of a square and what follows: the mean was taken out
	eps     float64 // of a deviation
	k       *view   // keys
	scale   float64 // of scores
	masked  []bool  // [T][T], nil: no score is left out
	table   *array  // of angles
	rotated bool
	pad     *int // scores of keys with this id are left out
	zeroed  bool // and so are their weights
}

// kind says what a part is, in words for errors.
type kind string

const (
	mean      kind = "a mean over features"
	centred   kind = "the difference from a mean over features"
	square    kind = "a square"
	variance  kind = "a mean of squares"
	deviation kind = "the root of a mean of squares"
	inverse   kind = "one over the root of a mean of squares"
	scores    kind = "the scores of attention"
	weighted  kind = "the softmax of attention"
	nans      kind = "a test for NaN"
	turned    kind = "half of a rotation"
	segments  kind = "rows for the segments of tokens"
	padKeys   kind = "a test for one id"
)

func (p *part) with(dims [][]atom) *part {
	q := *p
	q.dims = dims
	return &q
}

// become is p at its next step.
func (p *part) become(k kind) *part {
	q := *p
	q.kind = k
	return &q
}

// put2 makes p the output of n.
func (im *importer) part(n *Node, p *part) error {
	im.parts[n.Outputs[0]] = p
	return nil
}

// sameView reports whether two views show the same.
func sameView(a, b *view) bool {
	return a.id == b.id && a.off == b.off && a.mul == b.mul && len(a.dims) == len(b.dims) && sameBut(a.dims, b.dims, -1)
}

// overLast reports whether the axes that a reduction goes over are the last alone.
func overLast(axes []int64, rank int) bool { return len(axes) == 1 && axes[0] == int64(rank-1) }

// reduceMean is a mean over pixels, over tokens, or a step of a norm.
func reduceMean(im *importer, _ int, n *Node) error {
	dims, err := im.axesOf(n.Inputs[0])
	if err != nil {
		return err
	}
	axes, keep, err := im.axes(n, len(dims))
	if err != nil {
		return err
	}
	left := reduced(dims, axes, keep)
	if p := im.parts[n.Inputs[0]]; p != nil {
		if p.kind != square || n.Op != "ReduceMean" || !overLast(axes, len(dims)) {
			return fmt.Errorf("takes a mean of %s, which is not supported", p.kind)
		}
		return im.part(n, p.become(variance).with(left))
	}
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	x := im.m.Values[v.id]
	if _, c, ok := v.channels(); n.Op == "ReduceMean" && overLast(axes, len(dims)) && ok && isAxis(dims[len(dims)-1], 'c', int(c)) && c > 1 {
		if err := im.settled(v); err != nil {
			return err
		}
		return im.part(n, &part{kind: mean, x: v, dims: left})
	}
	var gone []atom
	for _, a := range axes {
		gone = append(gone, dims[a]...)
	}
	op := ""
	switch {
	case x.Seq == 0 && slices.Equal(joined(gone), slices.Concat(atoms('h', x.H), atoms('w', x.W))) && len(dims) > 2:
		op = "globalavgpool"
	case x.Seq > 0 && isAxis(gone, 't', x.Seq):
		op = "meantokens"
	}
	at := graph.Attrs{}
	if n.Op == "ReduceMax" {
		if op != "globalavgpool" {
			op = ""
		} else {
			op, at = "maxpool", allPixels(x)
		}
	}
	if op == "" || !known(op) || hasX(dims) {
		return fmt.Errorf("axes %v of %v are not supported, only over all pixels, all tokens or, of a mean, all features", axes, im.show(shapeOfDims(dims)))
	}
	if err := im.settled(v); err != nil {
		return err
	}
	id, err := im.add(n, op, at, nil, v.id)
	if err != nil {
		return err
	}
	return im.put(n, id, left)
}

// reduced is what a reduction leaves of axes.
func reduced(dims [][]atom, axes []int64, keep bool) [][]atom {
	var left [][]atom
	for i, d := range dims {
		switch gone := slices.Contains(axes, int64(i)); {
		case !gone:
			left = append(left, d)
		case keep:
			left = append(left, nil)
		}
	}
	return left
}

// all reports whether every reader of a value is one of these operators.
func (im *importer) all(name string, ops ...string) bool {
	for _, i := range im.users[name] {
		if !slices.Contains(ops, im.g.Nodes[i].Op) {
			return false
		}
	}
	return len(im.users[name]) > 0
}

// squared is x·x: a step of a norm if only means are taken of it.
func (im *importer) squared(n *Node, name string) error {
	if p := im.parts[name]; p != nil {
		if p.kind != centred {
			return fmt.Errorf("squares %s, which is not supported", p.kind)
		}
		return im.part(n, p.become(square))
	}
	x, err := im.flow(name)
	if err != nil {
		return err
	}
	if im.all(n.Outputs[0], "ReduceMean") {
		return im.part(n, &part{kind: square, x: x, dims: x.dims})
	}
	id, err := im.plain(n, "mul", x.id, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

func pow(im *importer, _ int, n *Node) error {
	e, ok := im.scalar(n.input(1))
	p := im.parts[n.Inputs[0]]
	switch {
	case ok && e == 2:
		return im.squared(n, n.Inputs[0])
	case ok && e == 0.5 && p != nil:
		return im.root(n, p, deviation)
	case ok && e == -0.5 && p != nil:
		return im.root(n, p, inverse)
	case ok && e == 1:
		return im.rename(n, n.Inputs[0])
	}
	return fmt.Errorf("to the power %q is not supported, only squares and the steps of norms and GELU", n.input(1))
}

func sqrt(im *importer, _ int, n *Node) error { return im.root(n, im.parts[n.Inputs[0]], deviation) }

func (im *importer) root(n *Node, p *part, to kind) error {
	if p == nil || p.kind != variance {
		return fmt.Errorf("takes the root of %q, which is not a step of a norm: only such roots are supported", n.Inputs[0])
	}
	return im.part(n, p.become(to))
}

func reciprocal(im *importer, _ int, n *Node) error {
	p := im.parts[n.Inputs[0]]
	if p == nil || p.kind != deviation {
		return fmt.Errorf("divides by %q, which is not a step of a norm: only that is supported", n.Inputs[0])
	}
	return im.part(n, p.become(inverse))
}

// normed is x or x − mean times or over what makes it a norm; s is that.
func (im *importer) normed(n *Node, name string, s *part) (done bool, err error) {
	x, p := (*view)(nil), im.parts[name]
	if last := len(s.x.dims) - 1; !isAxis(s.x.dims[last], 'c', im.m.Values[s.x.id].C) {
		return false, errors.New("is a norm over some of the features (of each head?), which is not supported")
	}
	switch {
	case p != nil && p.kind == centred && s.centred:
		x = p.x
	case p == nil && !s.centred:
		if x, err = im.flow(name); err != nil {
			return false, err
		}
	}
	if x == nil || !sameView(x, s.x) || s.eps <= 0 {
		return false, nil
	}
	op := "rmsnorm"
	if s.centred {
		op = "layernorm"
	}
	return true, im.norm(n, op, x, "", "", s.eps)
}

// norm appends a norm over features, with the scale and shift that follow it if it has
// none of its own. A norm without them in the file gets a scale of one and a shift of
// zero.
func (im *importer) norm(n *Node, op string, x *view, gamma, beta string, eps float64) error {
	x = x.with(x.dims)
	v := im.m.Values[x.id]
	if v.H*v.W > 1 {
		var err error
		if x, err = im.pixelsAsTokens(n, x); err != nil {
			return err
		}
	}
	last := n
	if gamma == "" {
		gamma, last = im.follows(last, "Mul", v.C)
		if op == "layernorm" {
			beta, last = im.follows(last, "Add", v.C)
		}
	}
	name := n.Name
	if name == "" {
		name = n.Outputs[0]
	}
	var params []int
	for k, c := range []string{gamma, beta} {
		role, value, suffix := graphScale, float32(1), ".weight"
		if k == 1 {
			if op == "rmsnorm" {
				break
			}
			role, value, suffix = graphShift, 0, ".bias"
		}
		var p int
		var err error
		if c == "" {
			p, err = im.constant1(name+suffix, role, v.C, value)
		} else {
			p, err = im.vector(c, role, v.C, 1)
		}
		if err != nil {
			return err
		}
		params = append(params, p)
	}
	id, err := im.add(n, op, graphEps(eps), params, x.id)
	if err != nil {
		return err
	}
	return im.put(last, id, x.dims)
}

// follows finds a constant for each of c features that the only reader of n's output
// multiplies it with or adds to it, and takes that reader in.
func (im *importer) follows(n *Node, op string, c int) (string, *Node) {
	at := n
	var passed []int
	for {
		y := at.Outputs[0]
		if len(im.users[y]) != 1 || y == im.g.Outputs[0].Name {
			return "", n
		}
		j := im.users[y][0]
		next := &im.g.Nodes[j]
		if im.absorb[j] || len(next.Outputs) == 0 || next.Outputs[0] == "" {
			return "", n
		}
		passed = append(passed, j)
		if next.Op == "Cast" || next.Op == "Identity" {
			if len(passed) > 8 {
				return "", n
			}
			at = next
			continue
		}
		if next.Op != op || len(next.Inputs) != 2 {
			return "", n
		}
		for k := range 2 {
			if a := im.consts[next.Inputs[k]]; a != nil && next.Inputs[1-k] == y && perChannel(a.dims, c, 0) {
				for _, p := range passed {
					im.absorb[p] = true
				}
				return next.Inputs[k], next
			}
		}
		return "", n
	}
}

func layerNorm(im *importer, _ int, n *Node) error {
	x, err := im.flow(n.Inputs[0])
	if err != nil {
		return err
	}
	axis, err := axisOf(n, -1, len(x.dims))
	if err != nil {
		return err
	}
	a := attrs{n: n}
	eps := a.float("epsilon", 1e-5)
	if a.err != nil {
		return a.err
	}
	v := im.m.Values[x.id]
	if axis != len(x.dims)-1 || !isAxis(x.dims[axis], 'c', v.C) || !(eps > 0) || math.IsInf(float64(eps), 0) {
		return fmt.Errorf("axis = %d and epsilon = %g of a tensor of %d axes are not supported, only a norm over the features", axis, eps, len(x.dims))
	}
	return im.norm(n, "layernorm", x, n.input(1), n.input(2), float64(eps))
}

func rmsNorm(im *importer, i int, n *Node) error {
	x, err := im.flow(n.Inputs[0])
	if err != nil {
		return err
	}
	axis, err := axisOf(n, -1, len(x.dims))
	a := attrs{n: n}
	eps := a.float("epsilon", 1e-5)
	if a.err != nil || err != nil {
		return fmt.Errorf("axis or epsilon: %w", firstError(err, a.err))
	}
	v := im.m.Values[x.id]
	if axis != len(x.dims)-1 || !isAxis(x.dims[axis], 'c', v.C) || !(eps > 0) || math.IsInf(float64(eps), 0) {
		return fmt.Errorf("axis = %d and epsilon = %g of a tensor of %d axes are not supported, only a norm over the features", axis, eps, len(x.dims))
	}
	return im.norm(n, "rmsnorm", x, n.input(1), "", float64(eps))
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
