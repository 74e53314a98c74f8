package interp

import (
	"math"
	"slices"

	"pare/core/model/onnx"
)

// Windows that slide over axes behind batch and channels: convolutions and pools, in
// any number of dimensions.
func init() {
	one("Conv", 1, func(c *call) *Tensor { return c.conv(c.x(0), c.x(1), c.opt(2)) })
	one("ConvInteger", 10, func(c *call) *Tensor {
		w := c.shifted(c.x(1), nil, 0)
		if z := c.opt(3); z != nil {
			shape := make([]int, len(w.Shape))
			for i := range shape {
				shape[i] = 1
			}
			shape[0] = z.Len()
			w = c.arith(w, c.cast(z, onnx.Int32).view(shape...), nil, func(a, b int64) int64 { return a - b })
		}
		return c.conv(c.shifted(c.x(0), c.opt(2), 0), w, nil)
	})
	one("ConvTranspose", 1, func(c *call) *Tensor { return c.convTranspose() })
	op("MaxPool", 1, func(c *call) []*Tensor { return c.maxPool() })
	one("MaxUnpool", 9, func(c *call) *Tensor {
		x, at := c.x(0), c.x(1)
		small := slices.Clone(x.Shape) // places count in it
		k, s, p := c.ints("kernel_shape"), c.ints("strides"), c.ints("pads")
		for i := range k {
			st, pad := 1, 0
			if s != nil {
				st = s[i]
			}
			if p != nil {
				pad = p[i] + p[len(k)+i]
			}
			small[2+i] = (x.Shape[2+i]-1)*st - pad + k[i]
		}
		shape := small
		if t := c.opt(2); t != nil {
			shape = t.ints()
		}
		y := c.heap.make(x.Type, shape...)
		from, to := strides(small), strides(shape)
		for i, e := range at.I {
			e := place(int(e), volume(small))
			o := 0
			for a := range from {
				o += e / from[a] * to[a]
				e %= from[a]
			}
			copyElement(y, o, x, i)
		}
		return y
	})
	one("AveragePool", 1, func(c *call) *Tensor {
		all := c.int("count_include_pad", 0) != 0
		return c.pool(func(v []float64, size int) float64 {
			s := 0.0
			for _, x := range v {
				s += x
			}
			if all {
				return s / float64(size)
			}
			return s / float64(len(v))
		})
	})
	one("LpPool", 2, func(c *call) *Tensor {
		p := float64(c.int("p", 2))
		return c.pool(func(v []float64, _ int) float64 {
			s := 0.0
			for _, x := range v {
				s += math.Pow(math.Abs(x), p)
			}
			return math.Pow(s, 1/p)
		})
	})
	global := func(f func(c *call) func(v []float64) float64) func(c *call) *Tensor {
		return func(c *call) *Tensor {
			x := c.x(0)
			return c.reduce(x, axes(nil, len(x.Shape))[2:], true, f(c))
		}
	}
	one("GlobalAveragePool", 1, global(func(*call) func(v []float64) float64 {
		return func(v []float64) float64 {
			s := 0.0
			for _, x := range v {
				s += x
			}
			return s / float64(len(v))
		}
	}))
	one("GlobalMaxPool", 1, global(func(*call) func(v []float64) float64 { return func(v []float64) float64 { return slices.Max(v) } }))
	one("GlobalLpPool", 2, global(func(c *call) func(v []float64) float64 {
		p := float64(c.int("p", 2))
		return func(v []float64) float64 {
			s := 0.0
			for _, x := range v {
				s += math.Pow(math.Abs(x), p)
			}
			return math.Pow(s, 1/p)
		}
	}))
}

// window is the geometry of a kernel that slides.
type window struct {
	kernel, stride, dilation, lo, hi []int
	out                              []int
}

// window reads the attributes for an input of the given spatial sizes.
func (c *call) window(in, kernel []int, ceil bool) window {
	n := len(in)
	ones := func(l []int) []int {
		if l == nil {
			l = slices.Repeat([]int{1}, n)
		}
		if len(l) != n {
			fail("%d numbers for %d axes", len(l), n)
		}
		for _, v := range l {
			if v < 1 {
				fail("sizes, strides and dilations must be at least 1")
			}
		}
		return l
	}
	w := window{kernel: ones(kernel), stride: ones(c.ints("strides")), dilation: ones(c.ints("dilations")), lo: make([]int, n), hi: make([]int, n), out: make([]int, n)}
	pads := c.ints("pads")
	if pads != nil && len(pads) != 2*n {
		fail("%d pads for %d axes", len(pads), n)
	}
	for i := range in {
		wide := (w.kernel[i]-1)*w.dilation[i] + 1
		if pads != nil {
			w.lo[i], w.hi[i] = pads[i], pads[n+i]
		}
		switch mode := c.text("auto_pad", "NOTSET"); mode {
		case "SAME_UPPER", "SAME_LOWER":
			w.out[i] = (in[i] + w.stride[i] - 1) / w.stride[i]
			all := max(0, (w.out[i]-1)*w.stride[i]+wide-in[i])
			w.lo[i], w.hi[i] = all/2, all-all/2
			if mode == "SAME_LOWER" {
				w.lo[i], w.hi[i] = w.hi[i], w.lo[i]
			}
			continue
		case "VALID":
			w.lo[i], w.hi[i] = 0, 0
		case "NOTSET", "":
		default:
			fail("auto_pad %q", mode)
		}
		room := in[i] + w.lo[i] + w.hi[i] - wide
		if room < 0 {
			fail("a window of %d on %d", wide, in[i]+w.lo[i]+w.hi[i])
		}
		if w.out[i] = room/w.stride[i] + 1; ceil && room%w.stride[i] != 0 {
			// The last window must begin inside the input or its padding in front.
			if w.out[i]*w.stride[i] < in[i]+w.lo[i] {
				w.out[i]++
			}
		}
	}
	return w
}

// conv is the sum over a window, by groups: the windows are laid out as a matrix
// (im2col), and the product does the rest.
func (c *call) conv(x, f, bias *Tensor) *Tensor {
	if len(x.Shape) < 3 || len(f.Shape) != len(x.Shape) {
		fail("input %v, weight %v", x.Shape, f.Shape)
	}
	in := x.Shape[2:]
	w := c.window(in, f.Shape[2:], false)
	groups := c.int("group", 1)
	b, ch, n := x.Shape[0], x.Shape[1], f.Shape[0]
	if groups < 1 || ch%groups != 0 || n%groups != 0 || f.Shape[1] != ch/groups {
		fail("input %v, weight %v, %d groups", x.Shape, f.Shape, groups)
	}
	cg, ng := ch/groups, n/groups
	y := c.heap.make(x.Type, append([]int{b, n}, w.out...)...)
	places, k, pixels := volume(w.out), cg*volume(w.kernel), volume(in)
	if y.Len() == 0 {
		return y
	}
	cols := c.heap.make(x.Type, k, places)
	st := strides(in)
	for s := range b {
		for g := range groups {
			for ci := range cg {
				base := ((s*groups+g)*cg + ci) * pixels
				each(w.kernel, func(ki int, kp []int) {
					row := (ci*volume(w.kernel) + ki) * places
					each(w.out, func(o int, op []int) {
						e := base
						for a := range op {
							p := op[a]*w.stride[a] - w.lo[a] + kp[a]*w.dilation[a]
							if p < 0 || p >= in[a] {
								zero(cols, row+o)
								return
							}
							e += p * st[a]
						}
						copyElement(cols, row+o, x, e)
					})
				})
			}
			c.gemm(ng, places, k, f, g*ng*k, cols, 0, y, (s*n+g*ng)*places)
		}
	}
	c.heap.left += cols.Len()
	if bias != nil {
		for i := range y.Len() {
			y.put(i, y.at(i)+bias.at(i/places%n))
		}
	}
	return y
}

func zero(t *Tensor, i int) {
	switch {
	case t.F != nil:
		t.F[i] = 0
	case t.D != nil:
		t.D[i] = 0
	case t.I != nil:
		t.I[i] = 0
	}
}

func (c *call) convTranspose() *Tensor {
	x, f, bias := c.x(0), c.x(1), c.opt(2)
	in, kernel := x.Shape[2:], f.Shape[2:]
	n := len(in)
	list := func(name string, def int) []int {
		if l := c.ints(name); l != nil {
			if len(l) != n {
				fail("%s has %d numbers for %d axes", name, len(l), n)
			}
			return l
		}
		return slices.Repeat([]int{def}, n)
	}
	stride, dilation, extra := list("strides", 1), list("dilations", 1), list("output_padding", 0)
	lo, out := make([]int, n), make([]int, n)
	pads, want := c.ints("pads"), c.ints("output_shape")
	auto := c.text("auto_pad", "NOTSET")
	for i := range in {
		full := stride[i]*(in[i]-1) + extra[i] + (kernel[i]-1)*dilation[i] + 1
		switch {
		case want != nil:
			out[i] = want[len(want)-n+i]
		case auto == "SAME_UPPER" || auto == "SAME_LOWER":
			out[i] = in[i] * stride[i]
		default:
			hi := 0
			if pads != nil {
				lo[i], hi = pads[i], pads[n+i]
			}
			out[i] = full - lo[i] - hi
			continue
		}
		all := max(0, full-out[i])
		if lo[i] = all / 2; auto == "SAME_LOWER" {
			lo[i] = all - all/2
		}
	}
	groups := c.int("group", 1)
	b, ch, ng := x.Shape[0], x.Shape[1], f.Shape[1]
	if groups < 1 || ch%groups != 0 || f.Shape[0] != ch {
		fail("input %v, weight %v, %d groups", x.Shape, f.Shape, groups)
	}
	cg := ch / groups
	y := c.heap.make(x.Type, append([]int{b, ng * groups}, out...)...)
	st, pixels, places, taps := strides(out), volume(in), volume(out), volume(kernel)
	for s := range b {
		for ci := range ch {
			for no := range ng {
				to := (s*ng*groups + ci/cg*ng + no) * places
				each(in, func(i int, ip []int) {
					v := x.at((s*ch+ci)*pixels + i)
					each(kernel, func(k int, kp []int) {
						e := to
						for a := range kp {
							p := ip[a]*stride[a] + kp[a]*dilation[a] - lo[a]
							if p < 0 || p >= out[a] {
								return
							}
							e += p * st[a]
						}
						y.put(e, y.at(e)+v*f.at((ci*ng+no)*taps+k))
					})
				})
			}
		}
	}
	if bias != nil {
		for i := range y.Len() {
			y.put(i, y.at(i)+bias.at(i/places%(ng*groups)))
		}
	}
	return y
}

// inside calls f for the places of the input that window o covers, and returns how
// many places the window has that are input or padding.
func (w window) inside(in, st, o []int, f func(e int)) (size int) {
	each(w.kernel, func(_ int, kp []int) {
		e, pad := 0, false
		for a := range kp {
			p := o[a]*w.stride[a] - w.lo[a] + kp[a]*w.dilation[a]
			if p >= in[a]+w.hi[a] {
				return // beyond the padding: where ceil_mode adds a window
			}
			pad = pad || p < 0 || p >= in[a]
			e += p * st[a]
		}
		if size++; !pad {
			f(e)
		}
	})
	return size
}

// pool applies f to what each window sees of the input.
func (c *call) pool(f func(v []float64, size int) float64) *Tensor {
	x := c.x(0)
	in := x.Shape[2:]
	w := c.window(in, c.ints("kernel_shape"), c.int("ceil_mode", 0) != 0)
	y := c.heap.make(x.Type, append(slices.Clone(x.Shape[:2]), w.out...)...)
	st, pixels, places := strides(in), volume(in), volume(w.out)
	var v []float64
	for p := range volume(x.Shape[:2]) {
		each(w.out, func(o int, at []int) {
			v = v[:0]
			size := w.inside(in, st, at, func(e int) { v = append(v, x.at(p*pixels+e)) })
			y.put(p*places+o, f(v, size))
		})
	}
	return y
}

func (c *call) maxPool() []*Tensor {
	x := c.x(0)
	in := x.Shape[2:]
	w := c.window(in, c.ints("kernel_shape"), c.int("ceil_mode", 0) != 0)
	shape := append(slices.Clone(x.Shape[:2]), w.out...)
	y, ids := c.heap.make(x.Type, shape...), c.heap.make(onnx.Int64, shape...)
	st, pixels, places := strides(in), volume(in), volume(w.out)
	columns := c.int("storage_order", 0) != 0
	for p := range volume(x.Shape[:2]) {
		each(w.out, func(o int, at []int) {
			best := -1
			w.inside(in, st, at, func(e int) {
				if best < 0 || x.at(p*pixels+e) > x.at(p*pixels+best) {
					best = e
				}
			})
			if best < 0 {
				fail("a window sees padding alone")
			}
			copyElement(y, p*places+o, x, p*pixels+best)
			if columns && len(in) == 2 {
				best = best%in[1]*in[0] + best/in[1]
			}
			ids.I[p*places+o] = int64(p*pixels + best)
		})
	}
	return []*Tensor{y, ids}
}
