package interp

import (
	"math"
	"sort"

	"pare/core/model/onnx"
)

// What detectors end in, and windows of signals.
func init() {
	one("NonMaxSuppression", 10, func(c *call) *Tensor {
		boxes, scores := c.x(0), c.x(1)
		number := func(i int, def float64) float64 {
			if t := c.opt(i); t != nil && t.Len() > 0 {
				return t.at(0)
			}
			return def
		}
		most, overlap, least := int(number(2, 0)), number(3, 0), number(4, math.Inf(-1))
		center := c.int("center_point_box", 0) != 0
		batch, classes, n := scores.Shape[0], scores.Shape[1], scores.Shape[2]
		corners := func(b, i int) (y1, x1, y2, x2 float64) {
			at := func(k int) float64 { return boxes.at((b*n+i)*4 + k) }
			if center {
				return at(1) - at(3)/2, at(0) - at(2)/2, at(1) + at(3)/2, at(0) + at(2)/2
			}
			return min(at(0), at(2)), min(at(1), at(3)), max(at(0), at(2)), max(at(1), at(3))
		}
		shared := func(b, i, j int) float64 { // intersection over union
			t, l, d, r := corners(b, i)
			t2, l2, d2, r2 := corners(b, j)
			in := max(0, min(d, d2)-max(t, t2)) * max(0, min(r, r2)-max(l, l2))
			all := (d-t)*(r-l) + (d2-t2)*(r2-l2) - in
			if all <= 0 {
				return 0
			}
			return in / all
		}
		var out []int64
		for b := range batch {
			for k := range classes {
				var order, kept []int
				score := func(i int) float64 { return scores.at((b*classes+k)*n + i) }
				for i := range n {
					if score(i) > least {
						order = append(order, i)
					}
				}
				sort.SliceStable(order, func(i, j int) bool { return score(order[i]) > score(order[j]) })
				for _, i := range order {
					if len(kept) >= most {
						break
					}
					free := true
					for _, j := range kept {
						free = free && shared(b, i, j) <= overlap
					}
					if free {
						kept = append(kept, i)
						out = append(out, int64(b), int64(k), int64(i))
					}
				}
			}
		}
		y := c.heap.make(onnx.Int64, len(out)/3, 3)
		copy(y.I, out)
		return y
	})
	for name, f := range map[string]func(t float64) float64{
		"HannWindow":     func(t float64) float64 { return 0.5 - 0.5*math.Cos(t) },
		"HammingWindow":  func(t float64) float64 { return 25./46 - 21./46*math.Cos(t) },
		"BlackmanWindow": func(t float64) float64 { return 0.42 - 0.5*math.Cos(t) + 0.08*math.Cos(2*t) },
	} {
		one(name, 17, func(c *call) *Tensor {
			n := int(c.x(0).at(0))
			y := c.heap.make(onnx.DataType(c.int("output_datatype", 1)), n)
			of := float64(n)
			if c.int("periodic", 1) == 0 {
				of--
			}
			for i := range n {
				y.put(i, f(2*math.Pi*float64(i)/of))
			}
			return y
		})
	}
}
