package interp

import (
	"math"
	"slices"
)

// Other sizes of images.
func init() {
	one("Upsample", 7, func(c *call) *Tensor {
		x := c.x(0)
		var scales []float64
		if c.opset >= 9 {
			scales = reals(c.x(1))
		} else {
			for _, v := range c.floats("scales") {
				scales = append(scales, float64(v))
			}
		}
		if len(scales) != len(x.Shape) {
			fail("%d scales for %v", len(scales), x.Shape)
		}
		shape := make([]int, len(scales))
		for i, s := range scales {
			shape[i] = int(math.Floor(float64(x.Shape[i]) * s))
		}
		mode := c.text("mode", "nearest")
		if mode != "nearest" && mode != "linear" && mode != "bilinear" {
			fail("mode %q", mode)
		}
		if mode == "bilinear" {
			mode = "linear"
		}
		return c.resize(x, shape, scales, resizing{mode: mode, coordinate: "asymmetric", nearest: "floor"})
	})
	one("Resize", 10, func(c *call) *Tensor {
		x := c.x(0)
		n := len(x.Shape)
		r := resizing{
			mode: c.text("mode", "nearest"), coordinate: c.text("coordinate_transformation_mode", "half_pixel"), nearest: c.text("nearest_mode", "round_prefer_floor"),
			a: c.float("cubic_coeff_a", -0.75), exclude: c.int("exclude_outside", 0) != 0, extra: c.float("extrapolation_value", 0),
		}
		at := 2
		if c.opset < 11 {
			at, r.coordinate, r.nearest = 1, "asymmetric", "floor"
		}
		over := axes(c.ints("axes"), n)
		if l := c.ints("axes"); l != nil {
			over = nil
			for _, a := range l {
				over = append(over, axis(a, n))
			}
		}
		shape, scales := slices.Clone(x.Shape), slices.Repeat([]float64{1}, n)
		if t := c.opt(3); t != nil && t.Len() > 0 && at == 2 {
			size := t.ints()
			if len(size) != len(over) {
				fail("%d sizes for %d axes", len(size), len(over))
			}
			policy, f := c.text("keep_aspect_ratio_policy", "stretch"), 0.0
			for i, a := range over {
				s := float64(size[i]) / float64(x.Shape[a])
				if i == 0 || policy == "not_larger" && s < f || policy == "not_smaller" && s > f {
					f = s
				}
			}
			for i, a := range over {
				if shape[a] = size[i]; policy != "stretch" {
					shape[a] = int(math.Round(f * float64(x.Shape[a])))
				}
				if scales[a] = float64(shape[a]) / float64(x.Shape[a]); policy != "stretch" {
					scales[a] = f
				}
			}
		} else {
			s := reals(c.x(at))
			if len(s) != len(over) {
				fail("%d scales for %d axes", len(s), len(over))
			}
			for i, a := range over {
				scales[a] = s[i]
				shape[a] = int(math.Floor(float64(x.Shape[a]) * s[i]))
			}
		}
		if r.coordinate == "tf_crop_and_resize" {
			roi := reals(c.x(1))
			r.from, r.to = make([]float64, n), slices.Repeat([]float64{1}, n)
			for i, a := range over {
				r.from[a], r.to[a] = roi[i], roi[len(over)+i]
			}
		}
		if c.int("antialias", 0) != 0 {
			r.anti = true
		}
		return c.resize(x, shape, scales, r)
	})
}

func reals(t *Tensor) []float64 {
	l := make([]float64, t.Len())
	for i := range l {
		l[i] = t.at(i)
	}
	return l
}

type resizing struct {
	mode, coordinate, nearest string
	a, extra                  float64
	exclude, anti             bool
	from, to                  []float64 // of tf_crop_and_resize, in parts of the size
}

// tap is a source place with its weight.
type tap struct {
	at int
	w  float64
}

// resize computes each axis after the other.
func (c *call) resize(x *Tensor, shape []int, scales []float64, r resizing) *Tensor {
	outside := make([]map[int]bool, len(shape))
	y := x
	for a := range shape {
		if shape[a] == y.Shape[a] && scales[a] == 1 && r.from == nil {
			continue
		}
		if shape[a] < 0 || y.Shape[a] == 0 {
			fail("axis %d from %d to %d", a, y.Shape[a], shape[a])
		}
		taps := make([][]tap, shape[a])
		outside[a] = map[int]bool{}
		for i := range taps {
			var out bool
			if taps[i], out = r.taps(i, a, y.Shape[a], shape[a], scales[a]); out {
				outside[a][i] = true
			}
		}
		to := slices.Clone(y.Shape)
		to[a] = shape[a]
		z := c.heap.make(x.Type, to...)
		outer, n, inner := around(y.Shape, a)
		for o := range outer {
			for i, ts := range taps {
				for in := range inner {
					e := (o*shape[a]+i)*inner + in
					if r.mode == "nearest" {
						copyElement(z, e, y, (o*n+ts[0].at)*inner+in)
						continue
					}
					s := 0.0
					for _, t := range ts {
						s += t.w * y.at((o*n+t.at)*inner+in)
					}
					z.put(e, s)
				}
			}
		}
		y = z
	}
	if r.from != nil {
		y = c.copyOf(y)
		each(y.Shape, func(i int, p []int) {
			for a, v := range p {
				if outside[a][v] {
					y.put(i, r.extra)
					return
				}
			}
		})
	}
	return y
}

// taps are where output i of an axis comes from.
func (r resizing) taps(i, a, in, out int, scale float64) (l []tap, outside bool) {
	x, n, m := float64(i), float64(in), float64(out)
	switch r.coordinate {
	case "asymmetric":
		x /= scale
	case "align_corners":
		if m = scale * n; out == 1 {
			x = 0
		} else {
			x = x * (n - 1) / (m - 1)
		}
	case "pytorch_half_pixel":
		if out == 1 {
			x = 0
		} else {
			x = (x+0.5)/scale - 0.5
		}
	case "half_pixel":
		x = (x+0.5)/scale - 0.5
	case "half_pixel_symmetric":
		adjust := m / (scale * n)
		x = n/2*(1-adjust) + (x+0.5)/scale - 0.5
	case "tf_half_pixel_for_nn":
		x = (x + 0.5) / scale
	case "tf_crop_and_resize":
		if out > 1 {
			x = r.from[a]*(n-1) + x*(r.to[a]-r.from[a])*(n-1)/(m-1)
		} else {
			x = (r.from[a] + r.to[a]) / 2 * (n - 1)
		}
		outside = x < 0 || x > n-1
	default:
		fail("coordinate_transformation_mode %q", r.coordinate)
	}
	clampAt := func(k int) int { return min(max(k, 0), in-1) }
	if r.mode == "nearest" {
		k := 0.0
		switch r.nearest {
		case "round_prefer_floor":
			k = math.Ceil(x - 0.5)
		case "round_prefer_ceil":
			k = math.Floor(x + 0.5)
		case "floor":
			k = math.Floor(x)
		case "ceil":
			k = math.Ceil(x)
		default:
			fail("nearest_mode %q", r.nearest)
		}
		return []tap{{clampAt(int(k)), 1}}, outside
	}
	wide, f := 1.0, func(d float64) float64 { return max(0, 1-math.Abs(d)) }
	switch r.mode {
	case "linear":
	case "cubic":
		wide = 2
		f = func(d float64) float64 {
			d = math.Abs(d)
			switch {
			case d <= 1:
				return ((r.a+2)*d-(r.a+3))*d*d + 1
			case d < 2:
				return ((r.a*d-5*r.a)*d+8*r.a)*d - 4*r.a
			}
			return 0
		}
	default:
		fail("mode %q", r.mode)
	}
	shrink := 1.0
	if r.anti && scale < 1 {
		shrink = scale
	}
	sum := 0.0
	for k := int(math.Floor(x-wide/shrink)) + 0; k <= int(math.Ceil(x+wide/shrink)); k++ {
		w := f((float64(k) - x) * shrink)
		if w == 0 || r.exclude && (k < 0 || k >= in) {
			continue
		}
		l = append(l, tap{clampAt(k), w})
		sum += w
	}
	if r.exclude || r.anti {
		for j := range l {
			l[j].w /= sum
		}
	}
	return l, outside
}
