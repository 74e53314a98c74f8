package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

const (
	graphScale = graph.Scale
	graphShift = graph.Shift
)

func graphEps(eps float64) graph.Attrs { return graph.Attrs{Eps: float32(eps)} }

// plain adds an op without parameters and constants.
func (im *importer) plain(n *Node, op string, in ...int) (int, error) {
	return im.add(n, op, graph.Attrs{}, nil, in...)
}

// oneConst splits the inputs of a node into a constant and what flows; the constant is
// nil when both flow.
func (im *importer) oneConst(n *Node) (c *array, cName, x string, first bool, err error) {
	if len(n.Inputs) != 2 {
		return nil, "", "", false, errors.New("needs two inputs: the file is damaged, export it again")
	}
	for k := range 2 {
		if a := im.consts[n.Inputs[k]]; a != nil {
			return a, n.Inputs[k], n.Inputs[1-k], k == 0, nil
		}
	}
	return nil, "", n.Inputs[0], false, nil
}

func add(im *importer, _ int, n *Node) error {
	c, name, other, _, err := im.oneConst(n)
	if err != nil {
		return err
	}
	if c == nil {
		for k := range 2 {
			if p := im.parts[n.Inputs[k]]; p != nil && p.kind == segments {
				return im.segment(n, n.Inputs[1-k], p.table, true)
			}
		}
		if done, err := im.rotation(n); done || err != nil {
			return err
		}
		return im.both(n, "add")
	}
	if p := im.parts[other]; p != nil {
		v, ok := im.scalar(name)
		switch {
		case p.kind == variance && ok && v > 0 && v < 1 && p.eps == 0:
			q := p.become(variance)
			q.eps = v
			return im.part(n, q)
		case p.kind == scores:
			return im.maskAdded(n, p, c)
		}
		return fmt.Errorf("adds %q to %s, which is not supported", name, p.kind)
	}
	if v, ok := im.scalar(name); ok {
		return im.shifted(n, other, 1, v)
	}
	return im.tableAdded(n, other, c)
}

// shifted is mul·x + c for constants.
func (im *importer) shifted(n *Node, name string, mul, c float64) error {
	x, err := im.view(name)
	if err != nil {
		return err
	}
	if c == 0 {
		return im.scaled(n, name, mul)
	}
	y := x.with(x.dims)
	y.mul, mul = 1, mul*x.mul
	if err := im.settled(y); err != nil {
		return err
	}
	a := graph.Attrs{Alpha: float32(mul), Beta: float32(c)}
	id, err := im.add(n, "affine", a, nil, y.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

// scaled is mul·x for a constant: the factor waits for whoever needs the product.
// Attention takes it in.
func (im *importer) scaled(n *Node, name string, mul float64) error {
	if p := im.parts[name]; p != nil {
		if p.kind != scores || p.masked != nil || !(mul > 0) || math.IsInf(mul, 0) {
			return fmt.Errorf("multiplies %s by %g, which is not supported", p.kind, mul)
		}
		q := p.become(scores)
		q.scale *= mul
		return im.part(n, q)
	}
	x, err := im.view(name)
	if err != nil {
		return err
	}
	y := x.with(x.dims)
	if y.mul, y.muled = x.mul*mul, n; math.IsNaN(y.mul) || math.Abs(y.mul) > math.MaxFloat32 {
		return fmt.Errorf("multiplies by %g", mul)
	}
	return im.alias(n, y)
}

// tableAdded adds a learned vector for each place of a sequence.
func (im *importer) tableAdded(n *Node, name string, c *array) error {
	x, err := im.flow(name)
	if err != nil {
		return err
	}
	v := im.m.Values[x.id]
	if c.top != nil && v.Seq > 0 && len(c.dims) == 1 && len(c.top.dims) == 2 {
		return im.segment(n, name, c.top, false)
	}
	if last := len(x.dims) - 1; v.H*v.W > 1 && len(c.dims) > 1 && isAxis(x.dims[last], 'c', v.C) && known("tokens") {
		if x, err = im.pixelsAsTokens(n, x); err != nil {
			return err
		}
		v = im.m.Values[x.id]
	}
	ok := v.Seq > 0 && len(c.dims) <= len(x.dims) && !hasX(x.dims)
	places := false
	for i, d := range c.dims {
		if !ok {
			break
		}
		switch a := x.dims[len(x.dims)-len(c.dims)+i]; {
		case isAxis(a, 't', v.Seq) && d == int64(v.Seq):
			places, ok = true, true
		case isAxis(a, 'c', v.C):
			ok = d == int64(v.C) && (places || v.Seq == 1)
		default:
			ok = im.phys(d) == 1
		}
	}
	if !ok {
		if zero, err := im.isZero(c); zero || err != nil {
			return firstError(err, im.rename(n, name))
		}
		return fmt.Errorf("%q is a constant of shape %v where the data should flow: constants can be added behind a layer without a bias, or to each place of a sequence", c.name, im.show(c.dims))
	}
	p, err := im.table(im.placesOf(c, v))
	if err != nil {
		return err
	}
	id, err := im.add(n, "positions", graph.Attrs{}, []int{p}, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

// segment adds to each token the row of a table that its segment names, or the first.
func (im *importer) segment(n *Node, name string, table *array, named bool) error {
	x, err := im.flow(name)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(x.dims, im.whole(x.id, 3).dims, slices.Equal) {
		return errors.New("adds rows for segments to something else than [batch, tokens, features], which is not supported")
	}
	p, err := im.table(table)
	if err != nil {
		return err
	}
	in := []int{x.id}
	if named {
		in = append(in, 0)
	}
	id, err := im.add(n, "segment", graph.Attrs{}, []int{p}, in...)
	if err != nil {
		return err
	}
	return im.put(n, id, x.dims)
}

// placesOf gives a table of places two axes.
func (im *importer) placesOf(c *array, v graph.Value) *array {
	if c.top != nil {
		return c.top
	}
	out := *c
	out.dims = []int64{int64(v.Seq), int64(v.C)}
	if out.t != nil {
		t := *out.t
		t.Dims = out.dims
		out.t = &t
	}
	return &out
}

func (im *importer) isZero(c *array) (bool, error) {
	x, err := im.numbers(c)
	return err == nil && !slices.ContainsFunc(x, func(v float64) bool { return v != 0 }), err
}

func subtract(im *importer, _ int, n *Node) error {
	c, name, other, first, err := im.oneConst(n)
	if err != nil {
		return err
	}
	if c != nil {
		v, ok := im.scalar(name)
		switch {
		case ok && first:
			return im.shifted(n, other, -1, v)
		case ok:
			return im.shifted(n, other, 1, -v)
		}
		return fmt.Errorf("subtracts a constant of shape %v, which is not supported: only one number", im.show(c.dims))
	}
	if p := im.parts[n.Inputs[1]]; p != nil && p.kind == mean {
		x, err := im.flow(n.Inputs[0])
		if err != nil {
			return err
		}
		if !sameView(x, p.x) {
			return errors.New("subtracts a mean of something else, which is not supported")
		}
		return im.part(n, &part{kind: centred, centred: true, x: x, dims: x.dims})
	}
	y, err := im.view(n.Inputs[1])
	if err != nil {
		return err
	}
	minus := y.with(y.dims)
	minus.mul, minus.muled = -y.mul, n
	return im.joins(n, "add", n.Inputs[0], minus)
}

func neg(im *importer, _ int, n *Node) error { return im.scaled(n, n.Inputs[0], -1) }

func mul(im *importer, _ int, n *Node) error {
	c, name, other, _, err := im.oneConst(n)
	if err != nil {
		return err
	}
	if c != nil {
		if v, ok := im.scalar(name); ok {
			return im.scaled(n, other, v)
		}
		return im.modulated(n, other, c)
	}
	if n.Inputs[0] == n.Inputs[1] {
		return im.squared(n, n.Inputs[0])
	}
	for k := range 2 {
		if p := im.parts[n.Inputs[k]]; p != nil && p.kind == inverse {
			done, err := im.normed(n, n.Inputs[1-k], p)
			if !done && err == nil {
				err = fmt.Errorf("multiplies by %s of something else, which is not supported", p.kind)
			}
			return err
		}
	}
	return im.both(n, "mul")
}

func div(im *importer, _ int, n *Node) error {
	c, name, other, first, err := im.oneConst(n)
	if err != nil {
		return err
	}
	if c != nil {
		v, ok := im.scalar(name)
		switch {
		case ok && !first && v != 0:
			return im.scaled(n, other, 1/v)
		case ok && first && v == 1 && im.parts[other] != nil && im.parts[other].kind == deviation:
			return im.part(n, im.parts[other].become(inverse))
		}
		return fmt.Errorf("by %q of shape %v is not supported, only by one number that is not zero", name, im.show(c.dims))
	}
	if p := im.parts[n.Inputs[1]]; p != nil && p.kind == deviation {
		done, err := im.normed(n, n.Inputs[0], p)
		if !done && err == nil {
			err = fmt.Errorf("divides by %s of something else, which is not supported", p.kind)
		}
		return err
	}
	return errors.New("divides by a value that depends on the data, which is only supported in norms")
}

// both joins two values that flow.
func (im *importer) both(n *Node, op string) error {
	y, err := im.view(n.Inputs[1])
	if err != nil {
		return err
	}
	return im.joins(n, op, n.Inputs[0], y)
}

// joins adds or multiplies element by element; a product may also be of an image and one
// factor for each of its channels.
func (im *importer) joins(n *Node, op, name string, y *view) error {
	x, err := im.flow(name)
	if err == nil {
		err = im.settled(y)
	}
	if err != nil {
		return err
	}
	if len(x.dims) != len(y.dims) {
		return fmt.Errorf("joins tensors of %d and %d axes, which is not supported", len(x.dims), len(y.dims))
	}
	a, b := im.m.Values[x.id], im.m.Values[y.id]
	if a.Seq > 0 != (b.Seq > 0) && a.Len() == b.Len() && known("tokens") { // the pixels of an image are the other's tokens
		if a.Seq > 0 {
			y, err = im.pixelsAsTokens(n, y)
		} else {
			x, err = im.pixelsAsTokens(n, x)
		}
		if err != nil {
			return err
		}
		a, b = im.m.Values[x.id], im.m.Values[y.id]
	}
	dims := x.dims
	switch {
	case a == b && sameBut(x.dims, y.dims, -1):
	case op == "mul" && gates(x, y, a, b):
		op = "gate"
	case op == "mul" && gates(y, x, b, a):
		op, x, y, dims = "gate", y, x, y.dims
	default:
		return fmt.Errorf("joins tensors of shape %v and %v, which is not supported", im.show(shapeOfDims(x.dims)), im.show(shapeOfDims(y.dims)))
	}
	id, err := im.plain(n, op, x.id, y.id)
	if err != nil {
		return err
	}
	return im.put(n, id, dims)
}

// gates reports whether s has one factor for each channel of the image x.
func gates(x, s *view, a, b graph.Value) bool {
	if a.Seq > 0 || b.Seq > 0 || a.C != b.C || b.H*b.W != 1 || hasX(x.dims) || hasX(s.dims) {
		return false
	}
	for i := range x.dims {
		d := joined(s.dims[i])
		if len(d) > 0 && !slices.Equal(d, joined(x.dims[i])) {
			return false
		}
	}
	return true
}
