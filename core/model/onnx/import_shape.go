package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// dims is the shape of a value as the file has it, anyBatch in front.
func (im *importer) dims(v val) []int64 {
	x := im.m.Values[v.id]
	all := []int64{anyBatch, int64(x.C), int64(x.H), int64(x.W)}
	switch v.rank {
	case 2:
		return all[:2]
	case 3: // [B, H, W]
		return []int64{anyBatch, all[2], all[3]}
	}
	return all
}

// shapeOf is a constant or computed list of integers.
func (im *importer) shapeOf(name string) ([]int64, error) {
	if s, ok := im.shapes[name]; ok {
		return s, nil
	}
	t := im.consts[name]
	if t == nil {
		return nil, fmt.Errorf("its argument %q is computed inside the model: export it with fixed shapes but for the batch", name)
	}
	if n, err := t.Len(); err != nil || n > 16 || len(t.Dims) > 1 {
		return nil, fmt.Errorf("its argument %q has shape %v, need a short list", name, t.Dims)
	}
	return t.Int()
}

// shapeArithmetic evaluates the nodes that x.view(x.size(0), -1) becomes, so
// that Reshape finds numbers. It reports whether it took the node.
func (im *importer) shapeArithmetic(n *Node) (bool, error) {
	if len(n.Inputs) == 0 || len(n.Outputs) == 0 {
		return false, nil
	}
	out := n.Outputs[0]
	if n.Op == "Shape" {
		x, err := im.value(n.Inputs[0])
		if err != nil {
			return true, err
		}
		a := attrs{n: n}
		d := im.dims(x)
		from, to := bound(a.int("start", 0), len(d)), bound(a.int("end", int64(len(d))), len(d))
		im.shapes[out] = slices.Clone(d[from:max(from, to)])
		return true, a.err
	}
	isShape := func(x string) bool { _, ok := im.shapes[x]; return ok }
	if !slices.ContainsFunc(n.Inputs, isShape) || n.Op == "Reshape" && !isShape(n.Inputs[0]) {
		return false, nil
	}
	var args [][]int64
	for _, x := range n.Inputs {
		if x == "" {
			args = append(args, nil)
			continue
		}
		s, err := im.shapeOf(x)
		if err != nil {
			return true, err
		}
		args = append(args, s)
	}
	switch n.Op {
	case "Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape":
		im.shapes[out] = args[0]
	case "Concat":
		im.shapes[out] = slices.Concat(args...)
		if len(im.shapes[out]) > 16 {
			return true, errors.New("makes a shape of more than 16 axes")
		}
	case "Gather":
		var s []int64
		for _, i := range args[min(1, len(args)-1)] {
			if i < 0 {
				i += int64(len(args[0]))
			}
			if i < 0 || i >= int64(len(args[0])) {
				return true, fmt.Errorf("takes axis %d of %d", i, len(args[0]))
			}
			s = append(s, args[0][i])
		}
		im.shapes[out] = s
	case "Mul":
		if len(args) != 2 || len(args[0]) != 1 || len(args[1]) != 1 || min(args[0][0], args[1][0]) < 1 || max(args[0][0], args[1][0]) > math.MaxInt32 {
			return true, errors.New("multiplies axes in a way that is not supported")
		}
		im.shapes[out] = []int64{args[0][0] * args[1][0]}
	case "Slice":
		if len(args) < 3 || len(args[1]) != 1 || len(args[2]) != 1 || len(args) > 4 && !slices.Equal(args[4], []int64{1}) {
			return true, errors.New("slices a shape in a way that is not supported")
		}
		from, to := bound(args[1][0], len(args[0])), bound(args[2][0], len(args[0]))
		im.shapes[out] = slices.Clone(args[0][from:max(from, to)])
	default:
		return true, errors.New("computes with shapes in a way that is not supported: export the model with fixed shapes but for the batch")
	}
	return true, nil
}

// bound turns an ONNX slice index into a position in 0…n.
func bound(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(min(max(i, 0), int64(n)))
}

// axes reads a list of axes, from input 1 or the attribute of older operator
// sets, as positions in 0…rank−1, sorted.
func (im *importer) axes(n *Node, rank int) ([]int64, error) {
	a := attrs{n: n}
	s := a.ints("axes")
	if a.err != nil {
		return nil, a.err
	}
	if name := n.input(1); name != "" {
		var err error
		if s, err = im.shapeOf(name); err != nil {
			return nil, err
		}
	}
	s = slices.Clone(s)
	for i := range s {
		if s[i] < 0 {
			s[i] += int64(rank)
		}
	}
	slices.Sort(s)
	return s, nil
}

// reduceMean over all pixels is global average pooling.
func reduceMean(im *importer, _ int, n *Node) error {
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	axes, err := im.axes(n, 4)
	if err != nil {
		return err
	}
	if !slices.Equal(axes, []int64{2, 3}) {
		return fmt.Errorf("axes %v are not supported, only the mean over all pixels (axes 2 and 3)", axes)
	}
	a := attrs{n: n}
	rank := 4
	if a.int("keepdims", 1) == 0 {
		rank = 2
	}
	if a.err != nil {
		return a.err
	}
	return im.append(n, "globalavgpool", graph.Attrs{}, nil, rank, x)
}

func flatten(im *importer, _ int, n *Node) error {
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	a := attrs{n: n}
	axis := a.int("axis", 1)
	if a.err != nil {
		return a.err
	}
	if axis != 1 && axis != 1-int64(x.rank) {
		return fmt.Errorf("axis = %d is not supported, only 1", axis)
	}
	return im.append(n, "flatten", graph.Attrs{}, nil, 2, x)
}

// reshape to [B, everything] is flatten; to the shape the value has, nothing;
// of the input, another way to say what a sample is.
func reshape(im *importer, _ int, n *Node) error {
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	target, err := im.shapeOf(n.input(1))
	if err != nil {
		return err
	}
	a := attrs{n: n}
	zeroCopies := a.int("allowzero", 0) == 0
	if a.err != nil {
		return a.err
	}
	from := im.dims(x)
	to, err := im.resolve(target, from, zeroCopies, int64(im.m.Values[x.id].Len()))
	if err != nil {
		return err
	}
	switch {
	case len(to) == 2:
		return im.append(n, "flatten", graph.Attrs{}, nil, 2, x)
	case slices.Equal(to, from):
		return im.alias(n, x)
	case len(to) == 4 && im.reinterpret(n.Inputs[0], x, to):
		return im.alias(n, val{x.id, 4})
	}
	return fmt.Errorf("to %v is not supported, only to [batch, features]", target)
}

// resolve fills in what a target shape leaves open and checks that it keeps the
// batch apart: B, 0, −1 or the input's fixed batch may stand for it.
func (im *importer) resolve(target, from []int64, zeroCopies bool, size int64) ([]int64, error) {
	bad := fmt.Errorf("to %v does not keep the batch apart from samples of %d values: export the model with a dynamic batch", target, size)
	if len(target) < 2 {
		return nil, bad
	}
	to := slices.Clone(target)
	open, rest := -1, int64(1)
	for i := range to {
		if to[i] == 0 && zeroCopies && i < len(from) {
			to[i] = from[i]
		}
		if i == 0 {
			if to[0] != anyBatch && to[0] != -1 && (to[0] < 1 || to[0] != im.batch) {
				return nil, bad
			}
			continue
		}
		switch {
		case to[i] == -1 && open < 0:
			open = i
		case to[i] < 1 || to[i] > size || rest > size/to[i]:
			return nil, bad
		default:
			rest *= to[i]
		}
	}
	if open > 0 {
		if to[0] == -1 || size%rest != 0 {
			return nil, bad
		}
		to[open], rest = size/rest, size
	}
	if rest != size {
		return nil, bad
	}
	to[0] = anyBatch
	return to, nil
}

// reinterpret changes the shape of a sample to [C, H, W] when x is the input
// and this is its only reader: the bytes stay the same.
func (im *importer) reinterpret(name string, x val, to []int64) bool {
	readers := 0
	for _, i := range im.users[name] {
		if im.g.Nodes[i].Op != "Shape" {
			readers++
		}
	}
	if x.id != 0 || readers != 1 || len(im.m.Nodes) != 0 {
		return false
	}
	im.m.Values[0] = graph.Value{C: int(to[1]), H: int(to[2]), W: int(to[3])}
	return true
}

// squeeze of pixel axes of size one changes nothing but the rank.
func squeeze(im *importer, _ int, n *Node) error {
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	axes, err := im.axes(n, 4)
	if err != nil {
		return err
	}
	v := im.m.Values[x.id]
	if !slices.Equal(axes, []int64{2, 3}) || v.H != 1 || v.W != 1 {
		return fmt.Errorf("axes %v of %d×%d×%d are not supported, only 2 and 3 of one pixel", axes, v.C, v.H, v.W)
	}
	return im.alias(n, val{x.id, 2})
}

// unsqueeze gives an input [B, H, W] its channel axis.
func unsqueeze(im *importer, _ int, n *Node) error {
	x, err := im.value(n.Inputs[0])
	if err != nil {
		return err
	}
	axes, err := im.axes(n, x.rank+1)
	if err != nil {
		return err
	}
	v := im.m.Values[x.id]
	if x.rank != 3 || !slices.Equal(axes, []int64{1}) || v.C != 1 {
		return fmt.Errorf("axes %v are not supported, only a channel axis for [batch, height, width]", axes)
	}
	return im.alias(n, val{x.id, 4})
}
