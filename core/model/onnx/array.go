package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// array is a constant of the file: an initializer, a Constant node, or what follows
// from these and from the shapes of values. Weights stay where they lie in the file
// until somebody asks for their values.
type array struct {
	name string
	dims []int64 // in terms of the batch, see importer.phys
	typ  DataType
	t    *Tensor // as it lies in the file; nil for computed values
	f    []float64
	i    []int64 // of integers and Booleans

	top       *array // these are its first rows
	transpose *array // this is its transpose
	counts    bool   // holds the places of samples in the batch, which nobody may ask for
}

// batchMark stands for B in shapes when the file leaves the batch open. It is prime
// and larger than any axis, so that a multiple of it in a product of axes is known.
const batchMark = math.MaxInt32

// maxFolded bounds what constant folding may compute, beside a small factor of the
// file's size, in elements.
const maxFolded = 1 << 23

func (t DataType) isFloat() bool {
	switch t {
	case Float, Double, Float16, BFloat16:
		return true
	}
	return false
}

// phys is the length of an axis in memory: a constant is the same for every sample, so
// an open batch takes one place.
func (im *importer) phys(d int64) int64 {
	if im.batch == batchMark && d > 0 && d%batchMark == 0 {
		return d / batchMark
	}
	return d
}

// physical is the shape in memory.
func (im *importer) physical(dims []int64) []int64 {
	p := make([]int64, len(dims))
	for i, d := range dims {
		p[i] = im.phys(d)
	}
	return p
}

// room tests that a result of that shape may be computed, and takes it from what may
// be spent. It returns the number of elements.
func (im *importer) room(dims []int64) (int, error) {
	n := int64(1)
	for _, d := range im.physical(dims) {
		if d < 0 || d > 0 && n > maxFolded/d {
			return 0, fmt.Errorf("computes a constant of shape %v, which is too large", im.show(dims))
		}
		n *= d
	}
	return int(n), im.spend(n)
}

// spend keeps what is computed within a small factor of the file's size: a small file
// may ask for much.
func (im *importer) spend(values int64) error {
	if im.spent += values; im.spent > 8*im.size+maxFolded {
		return errors.New("computes too much from its constants: simplify it, e.g. with onnxsim")
	}
	return nil
}

// copied keeps the weights' copies within a small factor of the file: one initializer
// may be read in many ways, each of which costs a copy.
func (im *importer) copied(values int64) error {
	if im.copies += values; im.copies > 2*im.size+1<<20 {
		return errors.New("uses the same weights in too many different ways: export it without sharing them")
	}
	return nil
}

// fromTensor makes an array of a tensor of the file.
func fromTensor(name string, t *Tensor) *array {
	return &array{name: name, dims: t.Dims, typ: t.Type, t: t}
}

func (im *importer) ints(name string, v ...int64) *array {
	return &array{name: name, dims: []int64{int64(len(v))}, typ: Int64, i: v}
}

// count is the number of elements in memory, −1 if the shape makes no sense.
func (im *importer) count(a *array) int64 {
	n := int64(1)
	for _, d := range im.physical(a.dims) {
		if d < 0 || d > 0 && n > math.MaxInt64/d {
			return -1
		}
		n *= d
	}
	return n
}

// floats are the values of an array of floating point.
func (im *importer) floats(a *array) ([]float64, error) {
	if err := im.settle(a); err != nil {
		return nil, err
	}
	if a.f != nil || a.t == nil {
		if !a.typ.isFloat() {
			return nil, fmt.Errorf("%q is %s, needed as floating point", a.name, a.typ)
		}
		return a.f, nil
	}
	if err := im.spend(max(im.count(a), 0)); err != nil {
		return nil, err
	}
	x, err := a.t.Float32()
	if err != nil {
		return nil, err
	}
	f := make([]float64, len(x))
	for i, v := range x {
		f[i] = float64(v)
	}
	a.f = f
	return f, nil
}

// integers are the values of an array of integers or Booleans.
func (im *importer) integers(a *array) ([]int64, error) {
	if a.i != nil || a.t == nil {
		if a.typ.isFloat() {
			return nil, fmt.Errorf("%q is %s, needed as integers", a.name, a.typ)
		}
		return a.i, nil
	}
	if err := im.spend(max(im.count(a), 0)); err != nil {
		return nil, err
	}
	i, err := a.t.Int()
	if err == nil {
		a.i = i
	}
	return i, err
}

// numbers are the values of any array as float64.
func (im *importer) numbers(a *array) ([]float64, error) {
	if a.typ.isFloat() {
		return im.floats(a)
	}
	i, err := im.integers(a)
	if err != nil {
		return nil, err
	}
	f := make([]float64, len(i))
	for k, v := range i {
		f[k] = float64(v)
	}
	return f, nil
}

// scalar is the value of a constant of one element.
func (im *importer) scalar(name string) (float64, bool) {
	a := im.consts[name]
	if a == nil || im.count(a) != 1 || a.counts {
		return 0, false
	}
	x, err := im.numbers(a)
	if err != nil || len(x) != 1 {
		return 0, false
	}
	return x[0], true
}

// errPlaces: what an array holds depends on a sample's place in the batch.
var errPlaces = errors.New("depends on the places of samples in the batch, which is not supported")

// list is a constant or computed short list of integers.
func (im *importer) list(name string) ([]int64, error) {
	a := im.consts[name]
	switch {
	case a == nil && name == "":
		return nil, errors.New("a required input is missing: the file is damaged, export it again")
	case a == nil:
		return nil, fmt.Errorf("its argument %q depends on the data: only shapes that follow from the model's input are supported", name)
	case a.counts:
		return nil, errPlaces
	case len(a.dims) > 1 || im.count(a) < 0 || im.count(a) > 64:
		return nil, fmt.Errorf("its argument %q has shape %v, need a short list", name, im.show(a.dims))
	}
	return im.integers(a)
}

// show writes a shape for people: B for the batch.
func (im *importer) show(dims []int64) []string {
	s := make([]string, len(dims))
	for i, d := range dims {
		switch p := im.phys(d); {
		case p == d:
			s[i] = fmt.Sprint(d)
		case p == 1:
			s[i] = "B"
		default:
			s[i] = fmt.Sprintf("%d·B", p)
		}
	}
	return s
}

// broadcast is the common shape of several, by ONNX's rule.
func broadcast(shapes ...[]int64) ([]int64, error) {
	var out []int64
	for _, s := range shapes {
		if len(s) > len(out) {
			out = append(slices.Repeat([]int64{1}, len(s)-len(out)), out...)
		}
		for i, d := range s {
			at := len(out) - len(s) + i
			switch {
			case out[at] == 1:
				out[at] = d
			case d != 1 && d != out[at]:
				return nil, fmt.Errorf("shapes %v do not fit together", shapes)
			}
		}
	}
	return out, nil
}

// walker steps through an array that is broadcast to a larger shape.
type walker struct {
	dims, step, at []int64
	pos            int64
}

// walk prepares steps of an array of shape from through shape to; both in memory.
func walk(from, to []int64) walker {
	w := walker{dims: to, step: make([]int64, len(to)), at: make([]int64, len(to))}
	n := int64(1)
	for i := len(from) - 1; i >= 0; i-- {
		if from[i] != 1 {
			w.step[len(to)-len(from)+i] = n
		}
		n *= from[i]
	}
	return w
}

// next is the place of the current element; it goes on to the one after it.
func (w *walker) next() int64 {
	pos := w.pos
	for i := len(w.dims) - 1; i >= 0; i-- {
		w.at[i]++
		w.pos += w.step[i]
		if w.at[i] < w.dims[i] {
			break
		}
		w.pos -= w.step[i] * w.dims[i]
		w.at[i] = 0
	}
	return pos
}

// pick makes an array of dims whose elements are those of a at the places that at
// gives, in order.
func (im *importer) pick(a *array, dims []int64, at func() int64) (*array, error) {
	n, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	out := &array{dims: dims, typ: a.typ, counts: a.counts}
	if a.typ.isFloat() {
		from, err := im.floats(a)
		if err != nil {
			return nil, err
		}
		out.f = make([]float64, n)
		for k := range out.f {
			out.f[k] = from[at()]
		}
		return out, nil
	}
	from, err := im.integers(a)
	if err != nil {
		return nil, err
	}
	out.i = make([]int64, n)
	for k := range out.i {
		out.i[k] = from[at()]
	}
	return out, nil
}
