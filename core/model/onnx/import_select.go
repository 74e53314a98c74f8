package onnx

import (
	"errors"
	"fmt"
	"slices"

	"pare/core/graph"
)

// taken is v with places from, from + step, … of one axis, n of them.
func (im *importer) taken(node *Node, v *view, axis int, s span) (*view, error) {
	d := joined(v.dims[axis])
	all := shapeOfDims([][]atom{d})[0]
	if s.from == 0 && s.step == 1 && s.n == all {
		return v, nil
	}
	if s.n < 1 {
		return nil, errors.New("takes nothing")
	}
	dims := slices.Clone(v.dims)
	if len(d) == 2 && s.step == 1 && d[0].ax == 'c' && d[1].ax == 'c' && s.from%d[1].n == 0 && s.n%d[1].n == 0 {
		// whole heads
		s.from, s.n = s.from/d[1].n, s.n/d[1].n
	} else if len(d) != 1 {
		return nil, errors.New("takes part of an axis that was joined from several, which is not supported")
	}
	a := d[0]
	switch a.ax {
	case 'c':
		if s.step < 1 {
			return nil, errors.New("reverses channels, which is not supported")
		}
		w := v.with(dims)
		w.off += s.from * a.stride
		w.cut = node
		rest := d[1:]
		if a = (atom{'c', s.n, a.stride * s.step}); a.n > 1 {
			rest = append([]atom{a}, rest...)
		}
		dims[axis] = joined(rest)
		return w, nil
	case 't':
		if s.n != 1 || a.stride != 1 || int(a.n) != im.m.Values[v.id].Seq {
			return nil, errors.New("takes some tokens of a sequence, which is not supported: only one can be taken")
		}
		return im.token(node, v, axis, int(s.from))
	case 'x':
		dims[axis] = nil
		if s.n > 1 {
			dims[axis] = []atom{{'x', s.n, 1}}
		}
		return v.with(dims), nil
	}
	return nil, errors.New("takes some samples of a batch or some pixels of an image, which is not supported")
}

// token takes one token of a sequence; the axis is left with length 1.
func (im *importer) token(node *Node, v *view, axis, at int) (*view, error) {
	if !known("token") {
		return nil, errors.New("takes one token of a sequence, which is not supported")
	}
	if err := im.settled(v); err != nil {
		return nil, err
	}
	id, err := im.add(node, "token", graph.Attrs{At: at}, nil, v.id)
	if err != nil {
		return nil, err
	}
	dims := slices.Clone(v.dims)
	dims[axis] = nil
	return &view{id: id, dims: dims, mul: 1}, nil
}

func slice(im *importer, _ int, n *Node) error {
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	spans, err := im.spans(n, shapeOfDims(v.dims))
	if err != nil {
		return err
	}
	for _, s := range spans {
		if v, err = im.taken(n, v, int(s.axis), s); err != nil {
			return err
		}
	}
	return im.alias(n, v)
}

func split(im *importer, _ int, n *Node) error {
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	axis, err := axisOf(n, 0, len(v.dims))
	if err != nil {
		return err
	}
	all := shapeOfDims(v.dims)[axis]
	a := attrs{n: n}
	sizes := a.ints("split")
	if n.input(1) != "" {
		if sizes, err = im.list(n.input(1)); err != nil {
			return err
		}
	}
	if a.err != nil {
		return a.err
	}
	if sizes == nil {
		k := int64(len(n.Outputs))
		for at := int64(0); at < all && len(sizes) < len(n.Outputs); at += (all + k - 1) / k {
			sizes = append(sizes, min((all+k-1)/k, all-at))
		}
	}
	if len(sizes) != len(n.Outputs) {
		return fmt.Errorf("has %d sizes for %d outputs: the file is damaged, export it again", len(sizes), len(n.Outputs))
	}
	from := int64(0)
	for i, size := range sizes {
		if size < 1 || size > all-from {
			return fmt.Errorf("splits an axis of %d into %v: the file is damaged, export it again", all, sizes)
		}
		if len(im.users[n.Outputs[i]]) > 0 || n.Outputs[i] == im.g.Outputs[0].Name {
			w, err := im.taken(n, v, axis, span{0, from, 1, size})
			if err != nil {
				return err
			}
			im.views[n.Outputs[i]] = w
		}
		from += size
	}
	if from != all {
		return fmt.Errorf("splits an axis of %d into %v: the file is damaged, export it again", all, sizes)
	}
	return nil
}

// gather looks ids up in a table, or takes one place of an axis.
func gather(im *importer, _ int, n *Node) error {
	if table := im.consts[n.Inputs[0]]; table != nil {
		return im.embedding(n, table)
	}
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	axis, err := axisOf(n, 0, len(v.dims))
	if err != nil {
		return err
	}
	at := im.consts[n.input(1)]
	if at == nil {
		return fmt.Errorf("takes the places %q, which depend on the data: only fixed ones are supported", n.input(1))
	}
	i, err := im.integers(at)
	if err != nil {
		return err
	}
	all := shapeOfDims(v.dims)[axis]
	for k, p := range i {
		if p < 0 {
			p += all
		}
		if p < 0 || p >= all || p != i[0]+int64(k) && !(i[0] < 0 && p == i[0]+all+int64(k)) {
			return fmt.Errorf("takes places %v of %d, which is not supported: only one or a run", i[:min(len(i), 8)], all)
		}
	}
	if len(i) == 0 || len(at.dims) > 1 {
		return errors.New("takes no places, or a table of them, which is not supported")
	}
	from := i[0]
	if from < 0 {
		from += all
	}
	w, err := im.taken(n, v, axis, span{int64(axis), from, 1, int64(len(i))})
	if err != nil {
		return err
	}
	if len(at.dims) == 0 {
		if !slices.ContainsFunc(w.dims[axis], func(a atom) bool { return a.n > 1 || a.ax == 'b' }) {
			w = w.with(slices.Delete(slices.Clone(w.dims), axis, axis+1))
		} else {
			return errors.New("takes one sample of the batch, which is not supported")
		}
	}
	return im.alias(n, w)
}

// embedding looks the ids of the input up in a table.
func (im *importer) embedding(n *Node, table *array) error {
	ids, err := im.view(n.input(1))
	if err != nil {
		return err
	}
	a := attrs{n: n}
	axis := a.int("axis", 0)
	x := im.m.Values[ids.id]
	switch {
	case a.err != nil:
		return a.err
	case len(table.dims) != 2 || axis != 0 && axis != -2 || !table.typ.isFloat():
		return fmt.Errorf("looks ids up in %q of shape %v along axis %d, need a table [ids, features] and axis 0", n.Inputs[0], im.show(table.dims), axis)
	case ids.id != 0 || x.Seq == 0 || x.C > 2 || ids.mul != 1 || im.in.Type.Elem.isFloat():
		return errors.New("looks up something else than the ids of the input, which is not supported")
	case ids.off > 0:
		return im.part(n, &part{kind: segments, x: ids, table: table, dims: append(slices.Clone(ids.dims), atoms('c', int(table.dims[1])))})
	}
	p, err := im.table(table)
	if err != nil {
		return err
	}
	id, err := im.add(n, "embedding", graph.Attrs{}, []int{p}, ids.id)
	if err != nil {
		return err
	}
	dims := append(slices.Clone(ids.dims), atoms('c', im.m.Values[id].C))
	return im.put(n, id, dims)
}

// concat puts channels side by side; of two halves of heads, one negative, it turns
// them; of a constant and pixels it puts a token in front.
func concat(im *importer, _ int, n *Node) error {
	if done, err := im.turned(n); done || err != nil {
		return err
	}
	if len(n.Inputs) == 1 {
		return im.rename(n, n.Inputs[0])
	}
	if im.consts[n.Inputs[0]] != nil {
		return im.classToken(n)
	}
	var in []int
	var dims [][]atom
	axis, channels := 0, 0
	for k, name := range n.Inputs {
		v, err := im.flow(name)
		if err != nil {
			return err
		}
		x := im.m.Values[v.id]
		if k == 0 {
			if axis, err = axisOf(n, 1, len(v.dims)); err != nil {
				return err
			}
			dims = slices.Clone(v.dims)
		}
		if len(v.dims) != len(dims) || !isAxis(v.dims[axis], 'c', x.C) || !sameBut(v.dims, dims, axis) || hasX(v.dims) {
			return errors.New("joins tensors along another axis than their channels, or of different shapes, which is not supported")
		}
		if first := im.m.Values[max(append(in, v.id)[0], 0)]; first.Seq != x.Seq || first.H != x.H || first.W != x.W {
			return fmt.Errorf("joins %v and %v, which is not supported", first, x)
		}
		in, channels = append(in, v.id), channels+x.C
	}
	id, err := im.add(n, "concat", graph.Attrs{}, nil, in...)
	if err != nil {
		return err
	}
	dims[axis] = atoms('c', channels)
	return im.put(n, id, dims)
}

// sameBut reports whether two tensors have the same axes but for one.
func sameBut(a, b [][]atom, but int) bool {
	for i := range a {
		if i != but && !slices.Equal(joined(a[i]), joined(b[i])) {
			return false
		}
	}
	return true
}

// classToken puts a learned token in front of the pixels of an image: Concat of [B, 1, C]
// and [B, pixels, C].
func (im *importer) classToken(n *Node) error {
	if len(n.Inputs) != 2 || !known("tokens") {
		return errors.New("joins the data with a constant, which is not supported")
	}
	v, err := im.flow(n.Inputs[1])
	if err != nil {
		return err
	}
	axis, err := axisOf(n, 1, len(v.dims))
	if err != nil {
		return err
	}
	x, c := im.m.Values[v.id], im.consts[n.Inputs[0]]
	pixels := slices.Concat(atoms('h', x.H), atoms('w', x.W))
	if len(v.dims) != 3 || axis != 1 || x.Seq > 0 || !isBatch(v.dims[0]) || !slices.Equal(joined(v.dims[1]), pixels) || !isAxis(v.dims[2], 'c', x.C) ||
		len(c.dims) != 3 || c.dims[1] != 1 || im.count(c) != int64(x.C) {
		return errors.New("joins the data with a constant, which is only supported for a class token in front of the pixels of an image")
	}
	p, err := im.vector(n.Inputs[0], graph.Shift, x.C, 1)
	if err != nil {
		return err
	}
	id, err := im.add(n, "tokens", graph.Attrs{}, []int{p}, v.id)
	if err != nil {
		return err
	}
	return im.put(n, id, im.whole(id, 3).dims)
}
