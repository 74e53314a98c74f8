package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// turned is Concat(−x₂, x₁) of the two halves of each head's channels; done says
// whether n is that.
func (im *importer) turned(n *Node) (done bool, err error) {
	if len(n.Inputs) != 2 {
		return false, nil
	}
	a, b := im.views[n.Inputs[0]], im.views[n.Inputs[1]]
	if a == nil || b == nil || a.id != b.id || a.mul != -b.mul || len(a.dims) != len(b.dims) {
		return false, nil
	}
	last := len(a.dims) - 1
	axis, err := axisOf(n, -1, len(a.dims))
	if err != nil {
		return false, err
	}
	half := shapeOfDims(a.dims)[last]
	if axis != last || !sameBut(a.dims, b.dims, -1) || !slices.Equal(joined(a.dims[last]), atoms('c', int(min(half, math.MaxInt32)))) || a.off != b.off+half {
		return false, nil
	}
	dims := slices.Clone(b.dims)
	dims[last] = atoms('c', int(2*half))
	return true, im.part(n, &part{kind: turned, rotated: true, x: b.with(dims), dims: dims})
}

// modulated is x, or its halves turned, times a table of cosines or sines.
func (im *importer) modulated(n *Node, name string, c *array) error {
	if p := im.parts[name]; p != nil {
		if p.kind != turned || p.table != nil {
			return fmt.Errorf("multiplies %s by a constant of shape %v, which is not supported", p.kind, im.show(c.dims))
		}
		q := p.become(turned)
		q.table = c
		return im.part(n, q)
	}
	x, err := im.view(name)
	if err != nil {
		return err
	}
	if im.m.Values[x.id].Seq > 1 && im.all(n.Outputs[0], "Add") {
		if _, _, err := im.angles(x, c); err == nil {
			return im.part(n, &part{kind: turned, x: x, table: c, dims: x.dims})
		}
	}
	if one, err := im.isOne(c); one || err != nil {
		return firstError(err, im.rename(n, name))
	}
	return fmt.Errorf("multiplies by a constant of shape %v, which is not supported: only by one number, and by the scale of a norm", im.show(c.dims))
}

func (im *importer) isOne(c *array) (bool, error) {
	x, err := im.numbers(c)
	return err == nil && !slices.ContainsFunc(x, func(v float64) bool { return v != 1 }), err
}

// angles reads a table over the tokens and the channels of a head, [T][D], that is the
// same for all samples and heads.
func (im *importer) angles(x *view, c *array) (table []float64, dim int, err error) {
	seq, last := im.m.Values[x.id].Seq, len(x.dims)-1
	d := shapeOfDims(x.dims)[last]
	bad := fmt.Errorf("multiplies by a constant of shape %v, which is no table over tokens and channels", im.show(c.dims))
	if len(c.dims) > len(x.dims) || !slices.Equal(joined(x.dims[last]), atoms('c', int(min(d, math.MaxInt32)))) || d%2 != 0 || len(c.dims) == 0 || c.dims[len(c.dims)-1] != d {
		return nil, 0, bad
	}
	for i, n := range c.dims[:len(c.dims)-1] {
		tokens := isAxis(x.dims[len(x.dims)-len(c.dims)+i], 't', seq)
		if tokens && n != int64(seq) || !tokens && im.phys(n) != 1 {
			return nil, 0, bad
		}
	}
	if table, err = im.numbers(c); err != nil || c.counts {
		return nil, 0, firstError(err, errPlaces)
	}
	if len(table) != seq*int(d) {
		return nil, 0, bad
	}
	return table, int(d), nil
}

// rotation is the sum of x·cos and x's halves turned times sin: done says whether n is
// that.
func (im *importer) rotation(n *Node) (done bool, err error) {
	a, b := im.parts[n.Inputs[0]], im.parts[n.Inputs[1]]
	if a == nil || b == nil || a.kind != turned || b.kind != turned {
		return false, nil
	}
	if a.rotated {
		a, b = b, a
	}
	if a.rotated || !b.rotated || a.table == nil || b.table == nil || !sameView(a.x, b.x) {
		return false, errors.New("adds halves of different rotations, which is not supported")
	}
	cos, d, err := im.angles(a.x, a.table)
	if err != nil {
		return false, err
	}
	sin, _, err := im.angles(b.x, b.table)
	if err != nil {
		return false, err
	}
	at, err := anglesOf(cos, sin, d)
	if err != nil {
		return false, err
	}
	x := a.x.with(a.x.dims)
	if err := im.settled(x); err != nil {
		return false, err
	}
	c := im.m.Values[x.id].C
	if c%d != 0 {
		return false, fmt.Errorf("turns heads of %d channels of %d, which is not supported", d, c)
	}
	at.Heads = c / d
	id, err := im.add(n, "rope", at, nil, x.id)
	if err != nil {
		return false, err
	}
	return true, im.put(n, id, x.dims)
}

// anglesOf finds the angles of rotary positions: channel i of a half turns by
// base^(−2i/d) for each token, or by an angle of its own where positions are scaled.
func anglesOf(cos, sin []float64, d int) (graph.Attrs, error) {
	half := d / 2
	if len(cos) < 2*d {
		return graph.Attrs{}, errors.New("turns sequences of one token, whose angles are not known")
	}
	a := graph.Attrs{Base: 10000}
	if half > 1 {
		f := math.Atan2(sin[d+half-1], cos[d+half-1])
		a.Base = math.Pow(f, -float64(d)/float64(2*(half-1)))
		if r := math.Round(a.Base); math.Abs(a.Base-r) < 1e-4*r {
			a.Base = r
		}
	}
	if a.Base > 1 && !math.IsInf(a.Base, 0) && turns(cos, sin, a.Angles(d)) {
		return a, nil
	}
	a = graph.Attrs{Freq: make([]float64, half)}
	for i := range a.Freq { // tables are of float32, and so are what they are made from
		a.Freq[i] = float64(float32(math.Atan2(sin[d+i], cos[d+i])))
	}
	if !turns(cos, sin, a.Freq) {
		return a, errors.New("turns by angles that do not grow from token to token as rotary positions do, which is not supported")
	}
	return a, nil
}

// turns reports whether tables [T, 2·half] hold multiples of angles.
func turns(cos, sin, angles []float64) bool {
	half := len(angles)
	for i := range cos {
		s, c := math.Sincos(float64(i/(2*half)) * angles[i%half])
		if !(math.Abs(s-sin[i])+math.Abs(c-cos[i]) < 1e-3) {
			return false
		}
	}
	return true
}
