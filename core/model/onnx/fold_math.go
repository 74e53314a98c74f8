package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// arithmetic are the operators that work element by element on constants. A true
// comparison is 1.
var arithmetic = map[string]func(a, b float64) float64{
	"Add": func(a, b float64) float64 { return a + b }, "Sub": func(a, b float64) float64 { return a - b },
	"Mul": func(a, b float64) float64 { return a * b }, "Div": func(a, b float64) float64 { return a / b },
	"Pow": math.Pow, "Mod": mod, "Min": math.Min, "Max": math.Max,
	"Equal":          func(a, b float64) float64 { return truth(a == b) },
	"Greater":        func(a, b float64) float64 { return truth(a > b) },
	"GreaterOrEqual": func(a, b float64) float64 { return truth(a >= b) },
	"Less":           func(a, b float64) float64 { return truth(a < b) },
	"LessOrEqual":    func(a, b float64) float64 { return truth(a <= b) },
	"And":            func(a, b float64) float64 { return truth(a != 0 && b != 0) },
	"Or":             func(a, b float64) float64 { return truth(a != 0 || b != 0) },
	"Xor":            func(a, b float64) float64 { return truth((a != 0) != (b != 0)) },
	"Not":            func(a, _ float64) float64 { return truth(a == 0) },
	"Neg":            func(a, _ float64) float64 { return -a }, "Abs": func(a, _ float64) float64 { return math.Abs(a) },
	"Sqrt": func(a, _ float64) float64 { return math.Sqrt(a) }, "Exp": func(a, _ float64) float64 { return math.Exp(a) },
	"Log": func(a, _ float64) float64 { return math.Log(a) }, "Reciprocal": func(a, _ float64) float64 { return 1 / a },
	"Sin": func(a, _ float64) float64 { return math.Sin(a) }, "Cos": func(a, _ float64) float64 { return math.Cos(a) },
	"Floor": func(a, _ float64) float64 { return math.Floor(a) }, "Ceil": func(a, _ float64) float64 { return math.Ceil(a) },
	"Tanh": func(a, _ float64) float64 { return math.Tanh(a) }, "Sigmoid": func(a, _ float64) float64 { return 1 / (1 + math.Exp(-a)) },
	"Relu":  func(a, _ float64) float64 { return math.Max(a, 0) },
	"IsNaN": func(a, _ float64) float64 { return truth(math.IsNaN(a)) },
}

// unaryFold are those of arithmetic that take one input.
var unaryFold = map[string]bool{
	"Not": true, "Neg": true, "Abs": true, "Sqrt": true, "Exp": true, "Log": true, "Reciprocal": true, "Sin": true, "Cos": true,
	"Floor": true, "Ceil": true, "Tanh": true, "Sigmoid": true, "Relu": true, "IsNaN": true,
}

// truths give Booleans whatever they are given.
var truths = map[string]bool{
	"Equal": true, "Greater": true, "GreaterOrEqual": true, "Less": true, "LessOrEqual": true, "And": true, "Or": true, "Xor": true,
	"Not": true, "IsNaN": true,
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// mod is Mod with fmod = 0: the sign of the divisor.
func mod(a, b float64) float64 { return a - b*math.Floor(a/b) }

func foldArithmetic(im *importer, n *Node, in []*array) (*array, error) {
	f := arithmetic[n.Op]
	one := unaryFold[n.Op]
	if one != (len(in) == 1) && n.Op != "Min" && n.Op != "Max" {
		return nil, nil
	}
	if n.Op == "Mod" {
		a := attrs{n: n}
		fmod := a.int("fmod", 0) // the sign of the dividend, not of the divisor
		if a.err != nil || in[0].typ.isFloat() || fmod != 0 {
			return nil, a.err
		}
	}
	out := in[0]
	if len(in) == 1 {
		if !one {
			return out, nil
		}
		return im.elementwise(n.Op, f, out, out)
	}
	for _, x := range in[1:] {
		if x == nil {
			return nil, nil
		}
		var err error
		if out, err = im.elementwise(n.Op, f, out, x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// elementwise computes f of two arrays that are broadcast to each other. Integers are
// exact: shapes are products of axes, which may hold the mark of the batch.
func (im *importer) elementwise(op string, f func(a, b float64) float64, x, y *array) (*array, error) {
	dims, err := broadcast(x.dims, y.dims)
	if err != nil {
		return nil, err
	}
	n, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	if im.count(x) < 0 || im.count(y) < 0 {
		return nil, errors.New("has a shape that makes no sense")
	}
	wx, wy := walk(im.physical(x.dims), im.physical(dims)), walk(im.physical(y.dims), im.physical(dims))
	out := &array{dims: dims, typ: x.typ}
	if x.typ.isFloat() {
		a, err := im.floats(x)
		if err != nil {
			return nil, err
		}
		b, err := im.numbers(y)
		if err != nil {
			return nil, err
		}
		out.f = make([]float64, n)
		for k := range out.f {
			out.f[k] = f(a[wx.next()], b[wy.next()])
		}
	} else {
		a, err := im.integers(x)
		if err != nil {
			return nil, err
		}
		b, err := im.integers(y)
		if err != nil {
			return nil, err
		}
		out.i = make([]int64, n)
		for k := range out.i {
			if out.i[k], err = exactly(op, f, a[wx.next()], b[wy.next()]); err != nil {
				return nil, err
			}
		}
	}
	if truths[op] {
		out.typ = Bool
		for _, v := range out.f {
			out.i = append(out.i, int64(v))
		}
		if out.f = nil; out.i == nil {
			out.i = []int64{}
		}
	}
	return out, nil
}

// exactly computes f of two integers.
func exactly(op string, f func(a, b float64) float64, a, b int64) (int64, error) {
	const most = math.MaxInt64 / 4
	small := func(x int64) bool { return x > -most && x < most }
	switch {
	case op == "Equal":
		return int64(truth(a == b)), nil
	case op == "Min":
		return min(a, b), nil
	case op == "Max":
		return max(a, b), nil
	case op == "Add" && small(a) && small(b):
		return a + b, nil
	case op == "Sub" && small(a) && small(b):
		return a - b, nil
	case op == "Mul":
		if a == 0 || b == 0 {
			return 0, nil
		}
		if c := a * b; small(a) && small(b) && c/b == a {
			return c, nil
		}
	case op == "Div" && b != 0 && small(a):
		return a / b, nil
	case op == "Mod" && b != 0 && small(a) && small(b):
		return ((a % b) + b) % b, nil
	case truths[op]:
		return int64(f(float64(a), float64(b))), nil
	case op == "Neg" && small(a):
		return -a, nil
	case op == "Abs" && small(a):
		return max(a, -a), nil
	case op == "Pow" || op == "Floor" || op == "Ceil" || op == "Relu":
		if v := f(float64(a), float64(b)); math.Abs(v) < 1<<52 {
			return int64(v), nil
		}
	}
	return 0, fmt.Errorf("of %d and %d is not a number that a shape may hold", a, b)
}

// reductions of constants over axes.
var reductions = map[string]func(sum, x float64) float64{
	"ReduceSum": func(s, x float64) float64 { return s + x }, "ReduceProd": func(s, x float64) float64 { return s * x },
	"ReduceMax": math.Max, "ReduceMin": math.Min, "ReduceMean": func(s, x float64) float64 { return s + x },
}

func foldReduce(im *importer, n *Node, in []*array) (*array, error) {
	x := in[0]
	axes, keep, err := im.axes(n, len(x.dims))
	if err != nil {
		return nil, err
	}
	v, err := im.numbers(x)
	if err != nil || len(v) == 0 {
		return nil, err
	}
	p := im.physical(x.dims)
	over := make([]bool, len(p))
	for _, a := range axes {
		if over[a] = true; p[a] != x.dims[a] {
			return nil, errors.New("goes over the samples of the batch")
		}
	}
	small, dims := make([]int64, len(p)), []int64{}
	size := int64(1)
	for i, d := range p {
		small[i] = d
		if over[i] {
			small[i] = 1
		}
		size *= small[i]
		if !over[i] {
			dims = append(dims, x.dims[i])
		} else if keep {
			dims = append(dims, 1)
		}
	}
	if err := im.spend(size); err != nil {
		return nil, err
	}
	sum, first := make([]float64, size), make([]bool, size)
	w := walk(small, p)
	for _, e := range v {
		if k := w.next(); first[k] {
			sum[k] = reductions[n.Op](sum[k], e)
		} else {
			sum[k], first[k] = e, true
		}
	}
	out := &array{dims: dims, typ: x.typ, f: sum}
	if n.Op == "ReduceMean" {
		for k := range sum {
			sum[k] *= float64(size) / float64(len(v))
		}
	}
	if !x.typ.isFloat() {
		out.f, out.i = nil, make([]int64, size)
		for k, s := range sum {
			if math.Abs(s) >= 1<<52 {
				return nil, errors.New("gives a number too large for a shape")
			}
			out.i[k] = int64(s)
		}
	}
	return out, nil
}

// foldTrilu keeps a triangle and sets the rest to zero.
func foldTrilu(im *importer, n *Node, in []*array) (*array, error) {
	x, k := in[0], 0.0
	if n.input(1) != "" {
		var ok bool
		if k, ok = im.scalar(n.input(1)); !ok {
			return nil, nil
		}
	}
	a := attrs{n: n}
	upper := a.int("upper", 1) != 0
	p := im.physical(x.dims)
	if a.err != nil || len(p) < 2 {
		return nil, a.err
	}
	size, err := im.room(x.dims)
	if err != nil {
		return nil, err
	}
	rows, cols := p[len(p)-2], p[len(p)-1]
	out := &array{dims: x.dims, typ: x.typ}
	kept := func(e int) bool {
		d := float64(int64(e)%cols - int64(e)/cols%rows)
		return upper && d >= k || !upper && d <= k
	}
	if x.typ.isFloat() {
		v, err := im.floats(x)
		if err != nil {
			return nil, err
		}
		out.f = make([]float64, size)
		for e := range out.f {
			if kept(e) {
				out.f[e] = v[e]
			}
		}
		return out, nil
	}
	v, err := im.integers(x)
	if err != nil {
		return nil, err
	}
	out.i = make([]int64, size)
	for e := range out.i {
		if kept(e) {
			out.i[e] = v[e]
		}
	}
	return out, nil
}

func foldWhere(im *importer, _ *Node, in []*array) (*array, error) {
	if len(in) != 3 || in[1] == nil || in[2] == nil || in[1].typ.isFloat() != in[2].typ.isFloat() {
		return nil, nil
	}
	dims, err := broadcast(in[0].dims, in[1].dims, in[2].dims)
	if err != nil {
		return nil, err
	}
	size, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	c, err := im.integers(in[0])
	if err != nil {
		return nil, err
	}
	to := im.physical(dims)
	wc, wx, wy := walk(im.physical(in[0].dims), to), walk(im.physical(in[1].dims), to), walk(im.physical(in[2].dims), to)
	out := &array{dims: dims, typ: in[1].typ}
	if out.typ.isFloat() {
		x, err := im.floats(in[1])
		if err != nil {
			return nil, err
		}
		y, err := im.floats(in[2])
		if err != nil {
			return nil, err
		}
		out.f = make([]float64, size)
		for k := range out.f {
			i, j := wx.next(), wy.next()
			if out.f[k] = y[j]; c[wc.next()] != 0 {
				out.f[k] = x[i]
			}
		}
		return out, nil
	}
	x, err := im.integers(in[1])
	if err != nil {
		return nil, err
	}
	y, err := im.integers(in[2])
	if err != nil {
		return nil, err
	}
	out.i = make([]int64, size)
	for k := range out.i {
		i, j := wx.next(), wy.next()
		if out.i[k] = y[j]; c[wc.next()] != 0 {
			out.i[k] = x[i]
		}
	}
	return out, nil
}

// foldCumSum counts places: exporters make positions of ones that way.
func foldCumSum(im *importer, n *Node, in []*array) (*array, error) {
	x := in[0]
	axis, ok := im.scalar(n.input(1))
	if axis < 0 {
		axis += float64(len(x.dims))
	}
	a := attrs{n: n}
	if !ok || a.int("exclusive", 0) != 0 || a.int("reverse", 0) != 0 || !(axis >= 0 && axis < float64(len(x.dims))) {
		return nil, a.err
	}
	v, err := im.numbers(x)
	if err != nil {
		return nil, err
	}
	if _, err := im.room(x.dims); err != nil {
		return nil, err
	}
	p, inner := im.physical(x.dims), int64(1)
	for _, d := range p[int(axis)+1:] {
		inner *= d
	}
	sum := slices.Clone(v)
	for k := range sum {
		if int64(k)/inner%p[int(axis)] > 0 {
			sum[k] += sum[int64(k)-inner]
		}
	}
	out := &array{dims: x.dims, typ: x.typ, f: sum}
	if !x.typ.isFloat() {
		out.f, out.i = nil, make([]int64, len(sum))
		for k, s := range sum {
			if math.Abs(s) >= 1<<52 {
				return nil, errors.New("gives a number too large for a place")
			}
			out.i[k] = int64(s)
		}
	}
	return out, nil
}

// foldMatMul multiplies small matrices: places by frequencies, for rotary positions.
func foldMatMul(im *importer, n *Node, in []*array) (*array, error) {
	if len(in) != 2 || in[1] == nil || !in[0].typ.isFloat() || !in[1].typ.isFloat() {
		return nil, nil
	}
	x, y := in[0], in[1]
	a, b := len(x.dims), len(y.dims)
	if a < 2 || b < 2 || x.dims[a-1] != y.dims[b-2] {
		return nil, nil
	}
	lead, err := broadcast(x.dims[:a-2], y.dims[:b-2])
	if err != nil {
		return nil, err
	}
	rows, inner, cols := im.phys(x.dims[a-2]), im.phys(x.dims[a-1]), im.phys(y.dims[b-1])
	dims := append(append([]int64{}, lead...), x.dims[a-2], y.dims[b-1])
	size, err := im.room(dims)
	if err != nil {
		return nil, err
	}
	if err := im.spend(int64(size) * min(inner, maxFolded)); err != nil {
		return nil, err
	}
	u, err := im.floats(x)
	if err != nil {
		return nil, err
	}
	v, err := im.floats(y)
	if err != nil {
		return nil, err
	}
	out := &array{dims: dims, typ: x.typ, f: make([]float64, size)}
	to := im.physical(lead)
	wx, wy := walk(im.physical(x.dims[:a-2]), to), walk(im.physical(y.dims[:b-2]), to)
	for m := int64(0); m*rows*cols < int64(size); m++ {
		p, q := wx.next()*rows*inner, wy.next()*inner*cols
		for r := range rows {
			for c := range cols {
				sum := 0.0
				for i := range inner {
					sum += u[p+r*inner+i] * v[q+i*cols+c]
				}
				out.f[m*rows*cols+r*cols+c] = sum
			}
		}
	}
	return out, nil
}
