package picture

import "math"

// taps are the source pixels that make one of the result: from on, with weights that
// sum to 1.
type taps struct {
	from    int
	weights []float64
}

// triangle are the taps of an axis of n pixels that were m.
func triangle(n, m int) []taps {
	scale := float64(m) / float64(n)
	half := math.Max(scale, 1)
	out := make([]taps, n)
	for i := range out {
		centre := (float64(i) + 0.5) * scale
		lo, hi := max(0, int(centre-half+0.5)), min(m, int(centre+half+0.5))
		t := taps{from: lo, weights: make([]float64, hi-lo)}
		sum := 0.0
		for k := range t.weights {
			v := 1 - math.Abs((float64(lo+k)+0.5-centre)/half)
			t.weights[k] = math.Max(v, 0)
			sum += t.weights[k]
		}
		for k := range t.weights {
			t.weights[k] /= sum
		}
		out[i] = t
	}
	return out
}

// resize makes dst [h,w] of a channel of sh×sw pixels whose rows are stride apart. Each
// pass rounds to bytes, as Pillow's do.
func resize(dst []byte, h, w int, src []byte, sh, sw, stride int) {
	if sh == h && sw == w {
		for y := range h {
			copy(dst[y*w:(y+1)*w], src[y*stride:])
		}
		return
	}
	narrow := make([]byte, sh*w)
	for x, t := range triangle(w, sw) {
		for y := range sh {
			sum := 0.0
			for k, v := range src[y*stride+t.from:][:len(t.weights)] {
				sum += float64(float64(v) * t.weights[k])
			}
			narrow[y*w+x] = round(sum)
		}
	}
	for y, t := range triangle(h, sh) {
		for x := range w {
			sum := 0.0
			for k, f := range t.weights {
				sum += float64(float64(narrow[(t.from+k)*w+x]) * f)
			}
			dst[y*w+x] = round(sum)
		}
	}
}

func round(v float64) byte { return byte(math.Min(255, math.Floor(v+0.5))) }
