package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// foldNonZero finds what is not zero: exporters of old operator sets count with it.
func foldNonZero(im *importer, _ *Node, in []*array) (*array, error) {
	x, err := im.numbers(in[0])
	if err != nil {
		return nil, err
	}
	p := im.physical(in[0].dims)
	if !slices.Equal(p, in[0].dims) || len(p) == 0 {
		return nil, errors.New("looks for samples of the batch")
	}
	var at []int64
	for i, v := range x {
		if v != 0 {
			at = append(at, int64(i))
		}
	}
	out := &array{dims: []int64{int64(len(p)), int64(len(at))}, typ: Int64}
	if _, err := im.room(out.dims); err != nil {
		return nil, err
	}
	out.i = make([]int64, 0, len(p)*len(at))
	inner := int64(len(x))
	for _, d := range p {
		inner /= max(d, 1)
		for _, i := range at {
			out.i = append(out.i, i/inner%d)
		}
	}
	return out, nil
}

// foldGatherElements takes one element for each place of its second input.
func foldGatherElements(im *importer, n *Node, in []*array) (*array, error) {
	if len(in) != 2 || in[1] == nil || len(in[0].dims) != len(in[1].dims) {
		return nil, nil
	}
	x, p, q := in[0], im.physical(in[0].dims), im.physical(in[1].dims)
	axis, err := axisOf(n, 0, len(p))
	if err != nil {
		return nil, err
	}
	at, err := im.integers(in[1])
	if err != nil {
		return nil, err
	}
	for i := range p {
		if i != axis && q[i] > p[i] {
			return nil, errors.New("takes elements from outside of its input: the file is damaged, export it again")
		}
	}
	strides, s := make([]int64, len(p)), int64(1)
	for i := len(p) - 1; i >= 0; i-- {
		strides[i], s = s, s*p[i]
	}
	w := walker{dims: q, step: slices.Clone(strides), at: make([]int64, len(q))}
	w.step[axis] = 0
	for _, i := range at {
		if i < -p[axis] || i >= p[axis] {
			return nil, fmt.Errorf("takes place %d of %d", i, p[axis])
		}
	}
	k := 0
	return im.pick(x, in[1].dims, func() int64 {
		i := at[k]
		if i < 0 {
			i += p[axis]
		}
		k++
		return w.next() + i*strides[axis]
	})
}

// foldGatherND takes what stands at places of several axes at once.
func foldGatherND(im *importer, n *Node, in []*array) (*array, error) {
	a := attrs{n: n}
	if len(in) != 2 || in[1] == nil || len(in[1].dims) == 0 || a.int("batch_dims", 0) != 0 {
		return nil, a.err
	}
	x, p, q := in[0], im.physical(in[0].dims), in[1].dims
	k := int(q[len(q)-1])
	if k < 1 || k > len(p) {
		return nil, fmt.Errorf("takes places of %d of %d axes: the file is damaged, export it again", k, len(p))
	}
	at, err := im.integers(in[1])
	if err != nil {
		return nil, err
	}
	inner := int64(1)
	for _, d := range p[k:] {
		inner *= d
	}
	starts := make([]int64, len(at)/k)
	for i := range starts {
		for j := range k {
			t := at[i*k+j]
			if t < 0 {
				t += p[j]
			}
			if t < 0 || t >= p[j] {
				return nil, fmt.Errorf("takes place %d of %d", at[i*k+j], p[j])
			}
			starts[i] = starts[i]*p[j] + t
		}
	}
	e := int64(-1)
	return im.pick(x, slices.Concat(q[:len(q)-1], x.dims[k:]), func() int64 {
		e++
		return starts[e/inner]*inner + e%inner
	})
}
