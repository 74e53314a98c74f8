package onnx

import (
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
	"pare/core/tensor"
)

// prepare reads the shape of a sample and starts the model.
func (im *importer) prepare() error {
	t := im.in.Type
	if t == nil || !t.HasShape {
		return fmt.Errorf("input %q has no tensor shape: export it again with a fixed shape but for the batch", im.in.Name)
	}
	ids := t.Elem == Int64 || t.Elem == Int32
	if !ids && !t.Elem.isFloat() {
		return fmt.Errorf("input %q is %s, need floating point, or int64 or int32 for the ids of tokens", im.in.Name, t.Elem)
	}
	rank := len(t.Shape)
	switch {
	case ids && rank != 2:
		return fmt.Errorf("input %q of ids has %d axes, need [batch, tokens]", im.in.Name, rank)
	case rank < 2 || rank > 4:
		return fmt.Errorf("input %q has %d axes, need [batch, features], [batch, tokens, features] or [batch, channels, height, width]", im.in.Name, rank)
	}
	if im.batch = t.Shape[0].size(); im.batch < 0 {
		return fmt.Errorf("input %q: the batch is %s", im.in.Name, t.Shape[0])
	}
	if im.batch == 0 {
		im.batch = batchMark
	}
	seqAxis := 0
	if ids || rank == 3 && !im.readAsImage() {
		seqAxis = 1
	}
	sample := tensor.Shape{}
	open := ""
	for i, d := range t.Shape[1:] {
		n := d.size()
		if i+1 == seqAxis {
			var err error
			if n, err = im.seqLen(d); err != nil {
				return err
			}
			if d.size() == 0 {
				open = d.Param
				if open == "" {
					open = "sequence"
				}
			}
		}
		if n < 1 {
			return fmt.Errorf("input %q: axis %d is %s, need a fixed size: export it again with only the batch dynamic", im.in.Name, i+1, d)
		}
		sample = append(sample, int(n))
	}
	if err := sample.Check(); err != nil {
		return fmt.Errorf("input %q: %w", im.in.Name, err)
	}
	switch {
	case ids && im.types.Name != "":
		im.m = graph.NewSequence(im.g.Name, 2, sample[0])
		im.views[im.types.Name] = &view{dims: [][]atom{{im.b()}, atoms('t', sample[0])}, off: 1, mul: 1}
	case ids:
		im.m = graph.NewSequence(im.g.Name, 1, sample[0])
	case seqAxis > 0:
		im.m = graph.NewSequence(im.g.Name, sample[1], sample[0])
	case rank == 3: // [B, H, W]: one channel
		im.m = graph.New(im.g.Name, 1, sample[0], sample[1])
	default:
		sample = append(sample, 1, 1)
		im.m = graph.New(im.g.Name, sample[0], sample[1], sample[2])
	}
	if im.m.Name == unnamed {
		im.m.Name = ""
	}
	if p := t.Shape[0].Param; p != "N" {
		im.m.BatchAxis = p
	}
	im.m.SeqAxis = open
	v := im.whole(0, rank)
	if ids {
		v.dims = v.dims[:2]
	}
	im.views[im.in.Name] = v
	return im.fix()
}

// segments finds an input of ids that has one of segments beside it, of the same shape.
func (im *importer) segments() (ids ValueInfo, ok bool) {
	var in []ValueInfo
	for _, v := range im.g.Inputs {
		if _, fixed := im.o.Fixed[v.Name]; im.consts[v.Name] == nil && !fixed {
			in = append(in, v)
		}
	}
	if len(in) != 2 {
		return ids, false
	}
	if in[0].Name == Segments {
		in[0], in[1] = in[1], in[0]
	}
	for _, v := range in {
		if t := v.Type; t == nil || t.Elem != Int64 && t.Elem != Int32 || len(t.Shape) != 2 {
			return ids, false
		}
	}
	if in[1].Name != Segments || !slices.Equal(in[0].Type.Shape, in[1].Type.Shape) {
		return ids, false
	}
	im.types = in[1]
	return in[0], true
}

// seqLen is the length of sequences, in the file or chosen.
func (im *importer) seqLen(d Dim) (int64, error) {
	n := d.size()
	switch {
	case im.o.Seq < 0 || im.o.Seq >= math.MaxInt32:
		return 0, fmt.Errorf("a length of %d tokens is out of bounds", im.o.Seq)
	case n > 0 && im.o.Seq > 0 && int64(im.o.Seq) != n:
		return 0, fmt.Errorf("input %q holds sequences of %d tokens, not the %d that were chosen", im.in.Name, n, im.o.Seq)
	case n == 0 && im.o.Seq == 0:
		return 0, fmt.Errorf("input %q: the number of tokens, axis %s, is open: choose the length of sequences to train with", im.in.Name, d)
	case n == 0:
		return int64(im.o.Seq), nil
	}
	return n, nil
}

// readAsImage reports whether an input of three axes is used as an image of one channel:
// it gets a channel axis or is flattened. Else its axes are tokens and features.
func (im *importer) readAsImage() bool {
	for i := range im.g.Nodes {
		switch n := &im.g.Nodes[i]; n.Op {
		case "Unsqueeze", "Reshape", "Flatten", "Squeeze":
			if n.input(0) == im.in.Name {
				return true
			}
		}
	}
	return false
}

// fix makes constants of the inputs that were given a value.
func (im *importer) fix() error {
	for _, v := range im.g.Inputs {
		value, ok := im.o.Fixed[v.Name]
		if !ok || im.consts[v.Name] != nil {
			continue
		}
		if v.Type == nil || !v.Type.HasShape || len(v.Type.Shape) > 8 {
			return fmt.Errorf("input %q, which is to be %g everywhere, has no shape", v.Name, value)
		}
		dims := []int64{}
		for i, d := range v.Type.Shape {
			n := d.size()
			switch {
			case n == 0 && i == 0:
				n = im.batch
			case n == 0 && im.m.Input().Seq > 0:
				n = int64(im.m.Input().Seq)
			}
			if n < 1 {
				return fmt.Errorf("input %q: axis %d is %s, need a fixed size", v.Name, i, d)
			}
			dims = append(dims, n)
		}
		one := &array{typ: v.Type.Elem, i: []int64{int64(value)}}
		if v.Type.Elem.isFloat() {
			one.i, one.f = nil, []float64{value}
		}
		a, err := im.expand(one, dims)
		if err != nil {
			return fmt.Errorf("input %q: %w", v.Name, err)
		}
		a.name = v.Name
		im.consts[v.Name] = a
	}
	return nil
}
