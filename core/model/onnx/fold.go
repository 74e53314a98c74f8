package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Constant folding: nodes whose inputs are all known. Shape arithmetic is the bulk of
// it, then masks, tables of angles and weights that an exporter left transposed or in
// pieces.

// folders work out one operator each. They may leave the result to others by returning
// nil, nil.
var folders map[string]func(im *importer, n *Node, in []*array) (*array, error)

func init() {
	folders = map[string]func(im *importer, n *Node, in []*array) (*array, error){
		"Identity": foldSame, "Dropout": foldSame, "Cast": foldCast, "CastLike": foldCast, "Shape": foldShape, "Size": foldShape,
		"Reshape": foldReshape, "Flatten": foldReshape, "Squeeze": foldReshape, "Unsqueeze": foldReshape,
		"Transpose": foldTranspose, "Expand": foldExpand, "Tile": foldTile, "ConstantOfShape": foldFill, "Range": foldRange,
		"Gather": foldGather, "Slice": foldSlice, "Concat": foldConcat, "Trilu": foldTrilu, "Where": foldWhere,
		"CumSum": foldCumSum, "NonZero": foldNonZero, "GatherElements": foldGatherElements, "GatherND": foldGatherND, "MatMul": foldMatMul,
	}
	for op := range arithmetic {
		folders[op] = foldArithmetic
	}
	for op := range reductions {
		folders[op] = foldReduce
	}
}

// fold works out node n if all its inputs are known; done says whether it did.
func (im *importer) fold(n *Node) (done bool, err error) {
	if len(n.Outputs) == 0 || n.Outputs[0] == "" || n.Domain != "" && n.Domain != "ai.onnx" {
		return false, nil
	}
	if n.Op == "Constant" {
		t, err := constant(n)
		if err != nil {
			return false, err
		}
		im.consts[n.Outputs[0]] = fromTensor(n.Outputs[0], t)
		return true, nil
	}
	f := folders[n.Op]
	if f == nil || len(n.Inputs) == 0 {
		return false, nil
	}
	in := make([]*array, len(n.Inputs))
	for i, name := range n.Inputs {
		if in[i] = im.consts[name]; in[i] == nil && name != "" {
			return false, nil
		}
	}
	if in[0] == nil || n.tooMany() {
		return false, nil
	}
	counts := n.Op != "Shape" && n.Op != "Size" && slices.ContainsFunc(in, func(a *array) bool { return a != nil && a.counts })
	key := im.foldKey(n)
	out := im.folded[key]
	if out == nil {
		if out, err = f(im, n, in); err != nil || out == nil {
			return false, err
		}
		if im.count(out) > 256 { // the mask that each layer computes again
			im.folded[key] = out
		}
	}
	named := *out
	named.name = n.Outputs[0]
	named.counts = named.counts || counts
	if n.Op == "GatherND" && len(in[0].dims) > 0 && im.phys(in[0].dims[0]) != in[0].dims[0] {
		named.counts = in[0].counts // of a table that is the same for all samples
	}
	im.consts[n.Outputs[0]] = &named
	im.same[n.Outputs[0]] = key
	return true, nil
}

// foldKey is what a folded result depends on.
func (im *importer) foldKey(n *Node) string {
	key := n.Op
	for _, x := range n.Inputs {
		if k, ok := im.same[x]; ok && im.count(im.consts[x]) > 256 {
			x = k
		} else if a := im.consts[x]; a != nil && im.count(a) <= 16 && a.t == nil {
			x = fmt.Sprint(a.dims, a.i, a.f)
		}
		key += "(" + x + ")"
	}
	for i := range n.Attrs {
		a := &n.Attrs[i]
		key += fmt.Sprint(";", a.Name, a.F, a.I, a.Ints)
		if a.T != nil {
			key += fmt.Sprint(a.T.Type, a.T.Raw, a.T.Floats, a.T.Int64s, a.T.Int32s)
		}
	}
	if len(key) > 512 { // of no use: keep keys of keys short
		return n.Outputs[0]
	}
	return key
}

// constant is the value of a Constant node, whichever attribute holds it.
func constant(n *Node) (*Tensor, error) {
	for i := range n.Attrs {
		a := &n.Attrs[i]
		switch {
		case a.Name == "value" && a.Type == AttrTensor && a.T != nil:
			t := *a.T
			return &t, nil
		case a.Name == "value_float" && a.Type == AttrFloat:
			return &Tensor{Type: Float, Floats: []float32{a.F}}, nil
		case a.Name == "value_floats" && a.Type == AttrFloats:
			return &Tensor{Type: Float, Dims: []int64{int64(len(a.Floats))}, Floats: a.Floats}, nil
		case a.Name == "value_int" && a.Type == AttrInt:
			return &Tensor{Type: Int64, Int64s: []int64{a.I}}, nil
		case a.Name == "value_ints" && a.Type == AttrInts:
			return &Tensor{Type: Int64, Dims: []int64{int64(len(a.Ints))}, Int64s: a.Ints}, nil
		}
	}
	return nil, errors.New("holds no value this reader knows: export the model again")
}

func foldSame(_ *importer, _ *Node, in []*array) (*array, error) {
	if len(in) > 1 { // Dropout with arguments: the handler looks at them
		return nil, nil
	}
	return in[0], nil
}

// foldCast converts; the weights of a half-precision model stay as they are.
func foldCast(im *importer, n *Node, in []*array) (*array, error) {
	a := attrs{n: n}
	to := DataType(a.int("to", 0))
	if n.Op == "CastLike" {
		if len(in) != 2 || in[1] == nil {
			return nil, nil
		}
		to = in[1].typ
	}
	x := in[0]
	if a.err != nil {
		return nil, a.err
	}
	switch {
	case x.typ.isFloat() && to.isFloat():
		return x, nil
	case !x.typ.isFloat() && !to.isFloat() && to != Bool:
		out := *x
		if out.i, _ = im.integers(x); out.i == nil {
			return nil, nil
		}
		out.t, out.typ = nil, Int64
		return &out, nil
	case to != Bool && !to.isFloat() && to != Int64 && to != Int32:
		return nil, nil
	}
	v, err := im.numbers(x)
	if err != nil {
		return nil, err
	}
	if _, err := im.room(x.dims); err != nil {
		return nil, err
	}
	out := &array{dims: x.dims, typ: to}
	if to.isFloat() {
		out.f = v
		return out, nil
	}
	out.i = make([]int64, len(v))
	for k, f := range v {
		switch {
		case to == Bool && f != 0:
			out.i[k] = 1
		case to != Bool && math.Abs(f) < 1<<62:
			out.i[k] = int64(f)
		case to != Bool:
			return nil, fmt.Errorf("casts %g to %s", f, to)
		}
	}
	return out, nil
}

func foldShape(im *importer, n *Node, in []*array) (*array, error) { return im.shapeOf(n, in[0].dims) }

// shapeOf is Shape and Size of something of that shape.
func (im *importer) shapeOf(n *Node, d []int64) (*array, error) {
	if n.Op == "Size" {
		size := int64(1)
		for _, x := range d {
			if x > 0 && size > math.MaxInt64/x {
				return nil, errors.New("has too many elements")
			}
			size *= x
		}
		return &array{typ: Int64, i: []int64{size}}, nil
	}
	a := attrs{n: n}
	from, to := bound(a.int("start", 0), len(d)), bound(a.int("end", int64(len(d))), len(d))
	return im.ints("", slices.Clone(d[from:max(from, to)])...), a.err
}

// bound turns an ONNX slice index into a position in 0…n.
func bound(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(min(max(i, 0), int64(n)))
}

// foldReshape gives the same values another shape.
func foldReshape(im *importer, n *Node, in []*array) (*array, error) {
	to, err := im.target(n, in[0].dims)
	if err == nil {
		err = im.settle(in[0])
	}
	if err != nil {
		return nil, err
	}
	out := *in[0]
	out.dims, out.transpose = to, nil
	if im.count(&out) != im.count(in[0]) {
		return nil, fmt.Errorf("turns %v into %v", im.show(in[0].dims), im.show(to))
	}
	if out.t != nil { // the tensor is asked for by its own shape
		t := *out.t
		t.Dims = im.physical(to)
		out.t = &t
	}
	squeezed := func(d []int64) []int64 {
		return slices.DeleteFunc(slices.Clone(d), func(x int64) bool { return x == 1 })
	}
	if !slices.Equal(squeezed(to), squeezed(in[0].dims)) {
		out.top = nil
	}
	return &out, nil
}

func foldTranspose(im *importer, n *Node, in []*array) (*array, error) {
	x := in[0]
	perm, err := im.perm(n, len(x.dims))
	if err != nil {
		return nil, err
	}
	dims := make([]int64, len(perm))
	for i, p := range perm {
		dims[i] = x.dims[p]
	}
	if len(perm) == 2 && perm[0] == 1 && x.typ.isFloat() { // a weight: not before it is asked for
		if x.transpose != nil {
			return x.transpose, nil
		}
		return &array{dims: dims, typ: x.typ, transpose: x}, nil
	}
	p := im.physical(x.dims)
	if im.count(x) < 0 {
		return nil, errors.New("has a shape that makes no sense")
	}
	strides := make([]int64, len(p))
	s := int64(1)
	for i := len(p) - 1; i >= 0; i-- {
		strides[i] = s
		s *= p[i]
	}
	w := walker{dims: im.physical(dims), step: make([]int64, len(perm)), at: make([]int64, len(perm))}
	for i, p := range perm {
		w.step[i] = strides[p]
	}
	return im.pick(x, dims, w.next)
}

// perm is the permutation of a Transpose.
func (im *importer) perm(n *Node, rank int) ([]int64, error) {
	a := attrs{n: n}
	perm := a.ints("perm")
	if perm == nil {
		for i := rank - 1; i >= 0; i-- {
			perm = append(perm, int64(i))
		}
	}
	seen := make([]bool, rank)
	for _, p := range perm {
		if p < 0 || p >= int64(rank) || seen[p] || len(perm) != rank {
			return nil, fmt.Errorf("perm = %v does not order %d axes: the file is damaged, export it again", perm, rank)
		}
		seen[p] = true
	}
	return perm, a.err
}

// settle gives a lazily transposed array its values.
func (im *importer) settle(x *array) error {
	if x.transpose == nil || x.f != nil {
		return nil
	}
	from, err := im.floats(x.transpose)
	if err != nil {
		return err
	}
	if _, err := im.room(x.dims); err != nil {
		return err
	}
	d := im.physical(x.dims)
	if int64(len(from)) != d[0]*d[1] {
		return fmt.Errorf("%q holds %d values for shape %v", x.name, len(from), im.show(x.dims))
	}
	x.f = make([]float64, len(from))
	for r := range d[0] {
		for c := range d[1] {
			x.f[r*d[1]+c] = from[c*d[0]+r]
		}
	}
	return nil
}
