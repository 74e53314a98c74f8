package onnx

import (
	"errors"
	"math"

	"pare/core/graph"
)

// Activations that have no operator of their own at some operator set are
// written as products. A product is flattened into its factors, whatever the
// order and grouping the exporter chose:
//
//	SiLU       x · Sigmoid(x)
//	HardSwish  x · HardSigmoid(x; 1/6, 1/2)   or   x · Clip(x+3, 0, 6) / 6
//	GELU       x · (Erf(x/√2) + 1) / 2   or   x · (Tanh(√(2/π)·(x + 0.044715·x³)) + 1) / 2

// found is a pattern: op applied to the value named x.
type found struct{ op, x string }

// product is c times the factors; inner are the nodes it is made of, but the
// root.
type product struct {
	c       float64
	factors []string
	inner   []int
}

// match looks for a pattern that ends in node i and absorbs its other nodes.
func (im *importer) match(i int) {
	n := &im.g.Nodes[i]
	if n.Op != "Mul" && n.Op != "Div" || len(n.Outputs) == 0 {
		return
	}
	p := product{c: 1}
	if !im.multiply(&p, n, 0) || len(p.factors) != 2 {
		return
	}
	for k := range 2 {
		if op, ok := im.activation(&p, p.factors[k], p.factors[1-k]); ok {
			im.found[i] = found{op, p.factors[k]}
			for _, j := range p.inner {
				im.absorb[j] = true
			}
			return
		}
	}
}

// multiply takes node n apart into factors. A factor that only n reads and that
// is itself a product is taken apart too.
func (im *importer) multiply(p *product, n *Node, depth int) bool {
	if len(n.Inputs) != 2 || depth > 3 {
		return false
	}
	for k, x := range n.Inputs {
		if c, ok := im.scalar(x); ok {
			if n.Op == "Div" {
				if k == 0 || c == 0 {
					return false
				}
				c = 1 / c
			}
			p.c *= c
			continue
		}
		if n.Op == "Div" && k == 1 {
			return false
		}
		j, ok := im.only(x, "Mul")
		if !ok {
			j, ok = im.only(x, "Div")
		}
		sub := product{c: 1}
		if !ok || !im.multiply(&sub, &im.g.Nodes[j], depth+1) {
			p.factors = append(p.factors, x)
			continue
		}
		p.c *= sub.c
		p.factors = append(p.factors, sub.factors...)
		p.inner = append(append(p.inner, sub.inner...), j)
	}
	return true
}

// only returns the node that makes x when it is an op and nobody else reads x.
func (im *importer) only(x, op string) (int, bool) {
	i, ok := im.maker[x]
	if !ok || im.g.Nodes[i].Op != op || len(im.users[x]) != 1 || x == im.g.Outputs[0].Name || im.absorb[i] || im.g.Nodes[i].tooMany() {
		return 0, false
	}
	return i, true
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Abs(b) }

// activation tells whether p = c·x·g, with g made from x, is a known one.
func (im *importer) activation(p *product, x, g string) (string, bool) {
	if j, ok := im.only(g, "Sigmoid"); ok && near(p.c, 1) && im.g.Nodes[j].input(0) == x {
		p.inner = append(p.inner, j)
		return "silu", true
	}
	if j, ok := im.only(g, "HardSigmoid"); ok && near(p.c, 1) && im.g.Nodes[j].input(0) == x {
		a := attrs{n: &im.g.Nodes[j]}
		if near(float64(a.float("alpha", 0.2)), 1.0/6) && near(float64(a.float("beta", 0.5)), 0.5) && a.err == nil {
			p.inner = append(p.inner, j)
			return "hardswish", true
		}
	}
	if j, ok := im.only(g, "Clip"); ok && near(p.c, 1.0/6) {
		n := &im.g.Nodes[j]
		lo, hi, err := im.limits(n)
		if k, ok := im.plus(n.input(0), x, 3); ok && err == nil && lo == 0 && hi == 6 {
			p.inner = append(p.inner, j, k)
			return "hardswish", true
		}
	}
	for _, f := range []struct {
		fn, op string
		of     []float64
	}{{"Erf", "gelu", []float64{0, math.Sqrt2 / 2}}, {"Tanh", "gelu_tanh", []float64{0, geluArg, 0, 0.044715 * geluArg}}} {
		if inner, ok := im.onePlus(f.fn, f.of, g, x); ok && near(p.c, 0.5) {
			p.inner = append(p.inner, inner...)
			return f.op, true
		}
	}
	return "", false
}

// geluArg is √(2/π).
var geluArg = math.Sqrt(2 / math.Pi)

// plus tells whether sum is y + c and returns the node.
func (im *importer) plus(sum, y string, c float64) (int, bool) {
	j, ok := im.only(sum, "Add")
	if !ok {
		return 0, false
	}
	n := &im.g.Nodes[j]
	for k := range 2 {
		if v, ok := im.scalar(n.input(k)); ok && near(v, c) && n.input(1-k) == y {
			return j, true
		}
	}
	return 0, false
}

// onePlus tells whether g = 1 + f(P(x)) with the polynomial P of those coefficients and
// returns its nodes.
func (im *importer) onePlus(f string, want []float64, g, x string) ([]int, bool) {
	add, ok := im.only(g, "Add")
	if !ok {
		return nil, false
	}
	for _, e := range im.g.Nodes[add].Inputs {
		j, ok := im.only(e, f)
		if !ok {
			continue
		}
		if _, ok := im.plus(g, e, 1); !ok {
			continue
		}
		p, inner, ok := im.polynomial(im.g.Nodes[j].input(0), x, 0)
		for i := range p {
			ok = ok && (i < len(want) && (near(p[i], want[i]) || p[i] == want[i]) || p[i] == 0)
		}
		if ok && len(p) >= len(want) {
			return append(inner, add, j), true
		}
	}
	return nil, false
}

// polynomial reads name as a polynomial in x: its coefficients, up to x³, and the nodes
// that make it, which nobody else may read.
func (im *importer) polynomial(name, x string, depth int) (p []float64, inner []int, ok bool) {
	if name == x {
		return []float64{0, 1}, nil, true
	}
	if c, ok := im.scalar(name); ok {
		return []float64{c}, nil, true
	}
	i, made := im.maker[name]
	if !made || depth > 5 {
		return nil, nil, false
	}
	n := &im.g.Nodes[i]
	if _, ok := im.only(name, n.Op); !ok || len(n.Inputs) != 2 {
		return nil, nil, false
	}
	a, in, ok := im.polynomial(n.Inputs[0], x, depth+1)
	if !ok {
		return nil, nil, false
	}
	b, more, ok := im.polynomial(n.Inputs[1], x, depth+1)
	if !ok {
		return nil, nil, false
	}
	inner = append(append(in, more...), i)
	times := func(a, b []float64) []float64 {
		c := make([]float64, len(a)+len(b)-1)
		for i, u := range a {
			for j, v := range b {
				c[i+j] += u * v
			}
		}
		return c
	}
	switch {
	case n.Op == "Add":
		p = make([]float64, max(len(a), len(b)))
		for i, v := range a {
			p[i] += v
		}
		for i, v := range b {
			p[i] += v
		}
	case n.Op == "Mul":
		p = times(a, b)
	case n.Op == "Div" && len(b) == 1 && b[0] != 0:
		p = times(a, []float64{1 / b[0]})
	case n.Op == "Pow" && len(b) == 1 && b[0] == 2:
		p = times(a, a)
	case n.Op == "Pow" && len(b) == 1 && b[0] == 3:
		p = times(times(a, a), a)
	}
	return p, inner, p != nil && len(p) <= 4
}

// limits reads the bounds of Clip: attributes before operator set 11, inputs
// since. Absent bounds are infinite.
func (im *importer) limits(n *Node) (lo, hi float64, err error) {
	a := attrs{n: n}
	lo, hi = math.Inf(-1), math.Inf(1)
	if n.has("min") {
		lo = float64(a.float("min", 0))
	}
	if n.has("max") {
		hi = float64(a.float("max", 0))
	}
	for k, at := range []*float64{&lo, &hi} {
		name := n.input(k + 1)
		if name == "" {
			continue
		}
		v, ok := im.scalar(name)
		if !ok {
			return 0, 0, errors.New("its bounds are computed inside the model")
		}
		*at = v
	}
	return lo, hi, a.err
}

// known reports whether the model graph has an op.
func known(op string) bool { return graph.OpOf(&graph.Node{Op: op}) != nil }
