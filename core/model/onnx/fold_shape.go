package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

func foldExpand(im *importer, n *Node, in []*array) (*array, error) {
	to, err := im.list(n.input(1))
	if err != nil {
		return nil, err
	}
	return im.expand(in[0], to)
}

func (im *importer) expand(x *array, to []int64) (*array, error) {
	dims, err := broadcast(x.dims, to)
	if err != nil {
		return nil, err
	}
	if slices.Equal(dims, x.dims) {
		return x, nil
	}
	if err := im.settle(x); err != nil {
		return nil, err
	}
	w := walk(im.physical(x.dims), im.physical(dims))
	if slices.Equal(im.physical(dims), im.physical(x.dims)) || im.count(x) == im.count(&array{dims: dims}) {
		out := *x // the batch alone is new
		out.dims, out.transpose = dims, nil
		return &out, nil
	}
	return im.pick(x, dims, w.next)
}

func foldTile(im *importer, n *Node, in []*array) (*array, error) {
	x := in[0]
	times, err := im.list(n.input(1))
	if err != nil {
		return nil, err
	}
	if len(times) != len(x.dims) {
		return nil, fmt.Errorf("repeats %d axes %d times", len(x.dims), len(times))
	}
	dims := slices.Clone(x.dims)
	for i, k := range times {
		if k < 0 || k > 0 && dims[i] > math.MaxInt64/k {
			return nil, fmt.Errorf("repeats an axis %d times", k)
		}
		dims[i] *= k
	}
	from, to := im.physical(x.dims), im.physical(dims)
	at := make([]int64, len(to))
	return im.pick(x, dims, func() int64 {
		pos := int64(0)
		for i, k := range at {
			pos = pos*from[i] + k%from[i]
		}
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < to[i] {
				break
			}
			at[i] = 0
		}
		return pos
	})
}

func foldFill(im *importer, n *Node, _ []*array) (*array, error) {
	dims, err := im.list(n.input(0))
	if err != nil {
		return nil, err
	}
	a := attrs{n: n}
	value := &array{typ: Float, f: []float64{0}}
	if x := a.get("value", AttrTensor); x != nil && x.T != nil {
		t := *x.T
		t.Dims = nil
		value = fromTensor("value", &t)
	}
	if a.err != nil {
		return nil, a.err
	}
	return im.pick(value, slices.Clone(dims), func() int64 { return 0 })
}

func foldRange(im *importer, n *Node, in []*array) (*array, error) {
	if len(in) != 3 {
		return nil, errors.New("needs a start, a limit and a step")
	}
	var v [3]float64
	for i := range v {
		x, ok := im.scalar(n.input(i))
		if !ok {
			return nil, nil
		}
		v[i] = x
	}
	count := math.Ceil((v[1] - v[0]) / v[2])
	if im.batch == batchMark && v[0] == 0 && v[1] == batchMark && v[2] == 1 && !in[0].typ.isFloat() {
		return &array{dims: []int64{batchMark}, typ: in[0].typ, i: []int64{0}, counts: true}, nil
	}
	if !(count < maxFolded) { // NaN, too
		return nil, fmt.Errorf("from %g to %g by %g is too long", v[0], v[1], v[2])
	}
	size, err := im.room([]int64{int64(max(count, 0))})
	if err != nil {
		return nil, err
	}
	out := &array{dims: []int64{int64(size)}, typ: in[0].typ}
	for k := range size {
		if x := v[0] + float64(k)*v[2]; out.typ.isFloat() {
			out.f = append(out.f, x)
		} else {
			out.i = append(out.i, int64(x))
		}
	}
	if size == 0 {
		out.f, out.i = []float64{}, []int64{}
	}
	return out, nil
}

// axisOf reads an axis attribute as a position in 0…rank−1.
func axisOf(n *Node, def int64, rank int) (int, error) {
	a := attrs{n: n}
	axis := a.int("axis", def)
	if axis < 0 {
		axis += int64(rank)
	}
	if a.err == nil && (axis < 0 || axis >= int64(rank)) {
		a.err = fmt.Errorf("axis = %d of %d axes: the file is damaged, export it again", axis, rank)
	}
	return int(axis), a.err
}

func foldGather(im *importer, n *Node, in []*array) (*array, error) {
	if len(in) != 2 || in[1] == nil {
		return nil, nil
	}
	x := in[0]
	axis, err := axisOf(n, 0, len(x.dims))
	if err != nil {
		return nil, err
	}
	at, err := im.integers(in[1])
	if err != nil {
		return nil, err
	}
	p := im.physical(x.dims)
	rows := true // the first rows of a table, in order
	for k, i := range at {
		if i < 0 {
			i += p[axis]
		}
		if i < 0 || i >= p[axis] {
			return nil, fmt.Errorf("takes place %d of %d", at[k], p[axis])
		}
		rows = rows && i == int64(k)
	}
	inner, outer := int64(1), int64(1)
	for i, d := range p {
		if i < axis {
			outer *= d
		} else if i > axis {
			inner *= d
		}
	}
	if im.count(x) < 0 {
		return nil, errors.New("has a shape that makes no sense")
	}
	dims := slices.Concat(x.dims[:axis], in[1].dims, x.dims[axis+1:])
	k, total := int64(0), int64(len(at))
	out, err := im.pick(x, dims, func() int64 {
		i := at[k/inner%total]
		if i < 0 {
			i += p[axis]
		}
		pos := (k/(inner*total)*p[axis]+i)*inner + k%inner
		k++
		return pos
	})
	if out != nil && rows && axis == 0 && len(x.dims) == 2 {
		out.top = x
	}
	return out, err
}

// span is one axis of a Slice.
type span struct{ axis, from, step, n int64 }

// spans reads the arguments of a Slice, attributes before operator set 10.
func (im *importer) spans(n *Node, dims []int64) ([]span, error) {
	a := attrs{n: n}
	lists := [4][]int64{a.ints("starts"), a.ints("ends"), a.ints("axes")}
	if a.err != nil {
		return nil, a.err
	}
	for i := 1; i < len(n.Inputs) && i < 5; i++ {
		if n.Inputs[i] == "" {
			continue
		}
		var err error
		if lists[i-1], err = im.list(n.Inputs[i]); err != nil {
			return nil, err
		}
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if len(starts) != len(ends) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, errors.New("has lists of different lengths: the file is damaged, export it again")
	}
	var out []span
	seen := map[int64]bool{}
	for k, from := range starts {
		axis, step, to := int64(k), int64(1), ends[k]
		if axes != nil {
			axis = axes[k]
		}
		if steps != nil {
			step = steps[k]
		}
		if axis < 0 {
			axis += int64(len(dims))
		}
		if axis < 0 || axis >= int64(len(dims)) || seen[axis] || step == 0 || step == math.MinInt64 {
			return nil, fmt.Errorf("axis %d of %d with step %d: the file is damaged, export it again", axis, len(dims), step)
		}
		seen[axis] = true
		d := dims[axis]
		clamp := func(i, lo, hi int64) int64 {
			if i < 0 {
				i = max(i+d, -1) // no overflow: d is positive
			}
			return min(max(i, lo), hi)
		}
		if step > 0 {
			from, to = clamp(from, 0, d), clamp(to, 0, d)
			out = append(out, span{axis, from, step, max(0, (to-from+step-1)/step)})
			if step > d {
				out[len(out)-1].n = min(out[len(out)-1].n, 1)
			}
			continue
		}
		if step < -d {
			step = -d - 1
		}
		from = clamp(from, 0, d-1)
		if to < 0 && to+d < 0 {
			to = -1
		} else {
			to = clamp(to, -1, d-1)
		}
		out = append(out, span{axis, from, step, max(0, (from-to-step-1)/-step)})
	}
	return out, nil
}

func foldSlice(im *importer, n *Node, in []*array) (*array, error) {
	x := in[0]
	spans, err := im.spans(n, x.dims)
	if err != nil {
		return nil, err
	}
	if im.count(x) < 0 {
		return nil, errors.New("has a shape that makes no sense")
	}
	dims, p := slices.Clone(x.dims), im.physical(x.dims)
	from, step := make([]int64, len(dims)), slices.Repeat([]int64{1}, len(dims))
	whole, rows := true, true
	for _, s := range spans {
		if s.from == 0 && s.step == 1 && s.n == dims[s.axis] {
			continue
		}
		if p[s.axis] != dims[s.axis] && s.n != 1 {
			return nil, errors.New("takes some samples of the batch")
		}
		whole, rows = false, rows && s.axis == 0 && s.from == 0 && s.step == 1
		if p[s.axis] == dims[s.axis] {
			from[s.axis], step[s.axis] = s.from, s.step
		}
		dims[s.axis] = s.n
	}
	if whole {
		return x, nil
	}
	strides := slices.Clone(p)
	s := int64(1)
	for i := len(p) - 1; i >= 0; i-- {
		strides[i] = s
		s *= p[i]
	}
	w := walker{dims: im.physical(dims), step: make([]int64, len(p)), at: make([]int64, len(p))}
	for i := range p {
		w.pos += from[i] * strides[i]
		w.step[i] = step[i] * strides[i]
	}
	out, err := im.pick(x, dims, w.next)
	if out != nil && rows && len(x.dims) == 2 {
		out.top = x
	}
	return out, err
}

func foldConcat(im *importer, n *Node, in []*array) (*array, error) {
	axis, err := axisOf(n, 0, len(in[0].dims))
	if err != nil {
		return nil, err
	}
	dims, typ := slices.Clone(in[0].dims), in[0].typ
	dims[axis] = 0
	for _, x := range in {
		if x == nil || len(x.dims) != len(dims) || x.typ.isFloat() != typ.isFloat() || (x.typ == Bool) != (typ == Bool) || im.count(x) < 0 {
			return nil, errors.New("joins constants that do not fit together: the file is damaged, export it again")
		}
		for i, d := range x.dims {
			if i != axis && d != dims[i] {
				return nil, errors.New("joins constants that do not fit together: the file is damaged, export it again")
			}
		}
		dims[axis] += im.phys(x.dims[axis])
	}
	size, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	outer := int64(1)
	for _, d := range im.physical(dims[:axis]) {
		outer *= d
	}
	out := &array{dims: dims, typ: typ}
	if typ.isFloat() {
		out.f = make([]float64, 0, size)
	} else {
		if out.i = make([]int64, 0, size); typ != Bool {
			out.typ = Int64
		}
	}
	for o := range outer {
		for _, x := range in {
			k := im.count(x) / max(outer, 1)
			if typ.isFloat() {
				f, err := im.floats(x)
				if err != nil {
					return nil, err
				}
				out.f = append(out.f, f[o*k:(o+1)*k]...)
				continue
			}
			v, err := im.integers(x)
			if err != nil {
				return nil, err
			}
			out.i = append(out.i, v[o*k:(o+1)*k]...)
		}
	}
	return out, nil
}
