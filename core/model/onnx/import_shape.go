package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// axesOf are the axes of what stands under a name, whatever it is.
func (im *importer) axesOf(name string) ([][]atom, error) {
	if p := im.parts[name]; p != nil {
		return p.dims, nil
	}
	if p := im.pads[name]; p != nil {
		return nil, fmt.Errorf("asks for the shape of %q, which is padded", name)
	}
	v, err := im.view(name)
	if err != nil {
		return nil, err
	}
	return v.dims, nil
}

func shapeNode(im *importer, _ int, n *Node) error {
	dims, err := im.axesOf(n.Inputs[0])
	if err != nil {
		return err
	}
	a, err := im.shapeOf(n, shapeOfDims(dims))
	if err != nil {
		return err
	}
	a.name = n.Outputs[0]
	im.consts[n.Outputs[0]] = a
	return nil
}

// axes reads a list of axes and keepdims, from input 1 or the attributes of older
// operator sets, as positions in 0…rank−1, sorted. No list means all.
func (im *importer) axes(n *Node, rank int) (list []int64, keep bool, err error) {
	a := attrs{n: n}
	s := a.ints("axes")
	keep = a.int("keepdims", 1) != 0
	empty := a.int("noop_with_empty_axes", 0) != 0
	if a.err != nil {
		return nil, false, a.err
	}
	if name := n.input(1); name != "" {
		if s, err = im.list(name); err != nil {
			return nil, false, err
		}
	}
	s = slices.Clone(s)
	if len(s) == 0 && !empty {
		for i := range rank {
			s = append(s, int64(i))
		}
	}
	for i := range s {
		if s[i] < 0 {
			s[i] += int64(rank)
		}
		if s[i] < 0 || s[i] >= int64(rank) {
			return nil, false, fmt.Errorf("axis %d of %d: the file is damaged, export it again", s[i], rank)
		}
	}
	slices.Sort(s)
	if len(slices.Compact(slices.Clone(s))) != len(s) {
		return nil, false, fmt.Errorf("axes %v name one twice: the file is damaged, export it again", s)
	}
	return s, keep, nil
}

// target is the shape that Reshape, Flatten, Squeeze or Unsqueeze give to one.
func (im *importer) target(n *Node, from []int64) ([]int64, error) {
	switch n.Op {
	case "Flatten":
		a := attrs{n: n}
		axis := a.int("axis", 1)
		if axis < 0 {
			axis += int64(len(from))
		}
		if a.err != nil || axis < 0 || axis > int64(len(from)) {
			return nil, errors.Join(a.err, fmt.Errorf("axis = %d of %d axes", axis, len(from)))
		}
		lead, err := elements(from[:axis])
		if err != nil {
			return nil, err
		}
		rest, err := elements(from[axis:])
		return []int64{lead, rest}, err
	case "Squeeze":
		axes, _, err := im.axes(n, len(from))
		if err != nil {
			return nil, err
		}
		all := n.input(1) == "" && !n.has("axes")
		var to []int64
		for i, d := range from {
			switch cut := slices.Contains(axes, int64(i)); {
			case !cut || all && d != 1:
				to = append(to, d)
			case d != 1:
				return nil, fmt.Errorf("leaves out axis %d of %v, which is not 1", i, im.show(from))
			}
		}
		return to, nil
	case "Unsqueeze":
		a := attrs{n: n}
		k := len(a.ints("axes"))
		if name := n.input(1); name != "" {
			s, err := im.list(name)
			if err != nil {
				return nil, err
			}
			k = len(s)
		}
		if k == 0 || k > 64 || a.err != nil {
			return nil, errors.Join(a.err, errors.New("has no axes: the file is damaged, export it again"))
		}
		axes, _, err := im.axes(n, len(from)+k)
		if err != nil {
			return nil, err
		}
		var to []int64
		for i, k := 0, 0; i < len(from)+len(axes); i++ {
			if slices.Contains(axes, int64(i)) {
				to = append(to, 1)
			} else {
				to, k = append(to, from[k]), k+1
			}
		}
		return to, nil
	}
	s, err := im.list(n.input(1))
	if err != nil {
		return nil, err
	}
	a := attrs{n: n}
	copies := a.int("allowzero", 0) == 0
	if a.err != nil {
		return nil, a.err
	}
	return im.resolve(s, from, copies)
}

func elements(d []int64) (int64, error) {
	n := int64(1)
	for _, x := range d {
		if x < 0 || x > 0 && n > math.MaxInt64/x {
			return 0, fmt.Errorf("shape %v has too many elements", d)
		}
		n *= x
	}
	return n, nil
}

// resolve fills in what a target shape leaves open.
func (im *importer) resolve(target, from []int64, zeroCopies bool) ([]int64, error) {
	size, err := elements(from)
	if err != nil {
		return nil, err
	}
	to := slices.Clone(target)
	open, rest := -1, int64(1)
	bad := fmt.Errorf("to %v does not fit %v", im.show(target), im.show(from))
	for i := range to {
		if to[i] == 0 && zeroCopies && i < len(from) {
			to[i] = from[i]
		}
		switch {
		case to[i] == -1 && open < 0:
			open = i
		case to[i] < 0 || to[i] > 0 && rest > math.MaxInt64/to[i]:
			return nil, bad
		default:
			rest *= to[i]
		}
	}
	if open >= 0 {
		if rest == 0 || size%rest != 0 {
			return nil, bad
		}
		to[open], rest = size/rest, size
	}
	if rest != size {
		if im.batch == batchMark && size%batchMark == 0 && rest%batchMark != 0 {
			return nil, fmt.Errorf("to %v does not keep the batch apart from samples of %d values: export the model with a dynamic batch", im.show(target), size/batchMark)
		}
		return nil, bad
	}
	return to, nil
}

// flatten and reshape of an image to [B, everything] is the op flatten; of the input to
// an image, another way to say what a sample is; all else changes only how the value is
// seen.
func flatten(im *importer, i int, n *Node) error {
	a := attrs{n: n}
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	if axis := a.int("axis", 1); a.err == nil && axis != 1 && axis != 1-int64(len(v.dims)) && im.m.Values[v.id].Seq == 0 {
		return fmt.Errorf("axis = %d is not supported, only 1", axis)
	}
	return reshape(im, i, n)
}

func reshape(im *importer, _ int, n *Node) error {
	if p := im.parts[n.Inputs[0]]; p != nil {
		to, err := im.target(n, shapeOfDims(p.dims))
		if err != nil {
			return err
		}
		dims, err := regroup(p.dims, to)
		if err != nil {
			return err
		}
		im.parts[n.Outputs[0]] = p.with(dims)
		return nil
	}
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	from := shapeOfDims(v.dims)
	to, err := im.target(n, from)
	if err != nil {
		return err
	}
	x := im.m.Values[v.id]
	if x.Seq == 0 && len(to) == 4 && im.reinterpret(n.Inputs[0], v, to) {
		return im.alias(n, im.whole(0, 4))
	}
	dims, err := regroup(v.dims, to)
	if err != nil {
		return err
	}
	if x.Seq > 0 || len(dims) != 2 || !isBatch(dims[0]) {
		return im.alias(n, v.with(dims))
	}
	v = v.with(dims)
	if err := im.settled(v); err != nil {
		return err
	}
	x = im.m.Values[v.id]
	if c := slices.Concat(atoms('c', x.C), atoms('h', x.H), atoms('w', x.W)); !slices.Equal(dims[1], joined(c)) {
		return fmt.Errorf("to %v puts the values of a sample into another order than channels, rows, columns, which is not supported", im.show(to))
	}
	id, err := im.add(n, "flatten", graph.Attrs{}, nil, v.id)
	if err != nil {
		return err
	}
	return im.put(n, id, im.whole(id, 2).dims)
}

// reinterpret changes the shape of a sample to [C, H, W] when x is the input
// and this is its only reader: the bytes stay the same.
func (im *importer) reinterpret(name string, v *view, to []int64) bool {
	readers := 0
	for _, i := range im.users[name] {
		if im.g.Nodes[i].Op != "Shape" {
			readers++
		}
	}
	if v.id != 0 || readers != 1 || len(im.m.Nodes) != 0 || to[0] != im.batch || max(to[1], to[2], to[3]) >= math.MaxInt32 || min(to[1], to[2], to[3]) < 1 {
		return false
	}
	x := im.m.Values[0]
	if to[1]*to[2]*to[3] != int64(x.Len()) || int64(x.Len()) != to[1]*(to[2]*to[3]) {
		return false
	}
	im.m.Values[0] = graph.Value{C: int(to[1]), H: int(to[2]), W: int(to[3])}
	return true
}

func squeeze(im *importer, i int, n *Node) error   { return im.respace(n) }
func unsqueeze(im *importer, i int, n *Node) error { return im.respace(n) }

// respace takes axes of length 1 away or puts them in.
func (im *importer) respace(n *Node) error {
	dims, err := im.axesOf(n.Inputs[0])
	if err != nil {
		return err
	}
	to, err := im.target(n, shapeOfDims(dims))
	if err != nil {
		return err
	}
	out, err := regroup(dims, to)
	if err != nil {
		return err
	}
	return im.seenAs(n, out)
}

// seenAs makes n's output its input with other axes.
func (im *importer) seenAs(n *Node, dims [][]atom) error {
	if p := im.parts[n.Inputs[0]]; p != nil {
		im.parts[n.Outputs[0]] = p.with(dims)
		return nil
	}
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	return im.alias(n, v.with(dims))
}

func reorder(im *importer, _ int, n *Node) error {
	from, err := im.axesOf(n.Inputs[0])
	if err != nil {
		return err
	}
	perm, err := im.perm(n, len(from))
	if err != nil {
		return err
	}
	dims := make([][]atom, len(perm))
	for i, p := range perm {
		dims[i] = from[p]
	}
	return im.seenAs(n, dims)
}

// expand makes copies along axes of length 1: keys and values that several heads of
// queries share.
func expand(im *importer, _ int, n *Node) error {
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	to, err := im.list(n.input(1))
	if err != nil {
		return err
	}
	from := shapeOfDims(v.dims)
	all, err := broadcast(from, to)
	if err != nil {
		return err
	}
	lead := len(all) - len(from)
	dims := make([][]atom, len(all))
	for i, d := range all {
		if i >= lead {
			dims[i] = v.dims[i-lead]
		}
		if i < lead || d != from[i-lead] {
			if d < 1 || d >= batchMark {
				return fmt.Errorf("makes %d copies, which is not supported", d)
			}
			if d > 1 {
				dims[i] = []atom{{'x', d, 1}}
			}
		}
	}
	return im.alias(n, v.with(dims))
}

// tile makes copies along axes of one element, as Expand does.
func tile(im *importer, _ int, n *Node) error {
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	times, err := im.list(n.input(1))
	if err != nil {
		return err
	}
	if len(times) != len(v.dims) {
		return fmt.Errorf("repeats %d axes of %d: the file is damaged, export it again", len(times), len(v.dims))
	}
	dims := slices.Clone(v.dims)
	for i, d := range times {
		switch {
		case d == 1:
		case d < 1 || d >= batchMark || len(v.dims[i]) > 0:
			return fmt.Errorf("repeats axis %d of %v %d times, which is not supported: only axes of one element", i, im.show(shapeOfDims(v.dims)), d)
		default:
			dims[i] = []atom{{'x', d, 1}}
		}
	}
	return im.alias(n, v.with(dims))
}
