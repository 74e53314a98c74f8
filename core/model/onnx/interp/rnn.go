package interp

import (
	"math"
	"slices"
	"strings"

	"pare/core/model/onnx"
)

// Recurrent networks, in one direction or both.
func init() {
	op("RNN", 7, func(c *call) []*Tensor { return c.recurrent(1, []string{"Tanh"}) })
	op("GRU", 7, func(c *call) []*Tensor { return c.recurrent(3, []string{"Sigmoid", "Tanh"}) })
	op("LSTM", 7, func(c *call) []*Tensor { return c.recurrent(4, []string{"Sigmoid", "Tanh", "Tanh"}) })
}

// recurrent runs the cell with the given number of gates. x [T, B, I], w
// [dirs, gates·H, I], r [dirs, gates·H, H], b [dirs, 2·gates·H], lens [B], h0 (and c0 of
// LSTM) [dirs, B, H], peepholes p [dirs, 3·H].
func (c *call) recurrent(gates int, def []string) []*Tensor {
	x, w, r, bias, lens, h0 := c.x(0), c.x(1), c.x(2), c.opt(3), c.opt(4), c.opt(5)
	if c.int("layout", 0) != 0 {
		x = c.transpose(x, []int{1, 0, 2})
		if h0 != nil {
			h0 = c.transpose(h0, []int{1, 0, 2})
		}
	}
	steps, batch, in := x.Shape[0], x.Shape[1], x.Shape[2]
	dirs, hidden := w.Shape[0], r.Shape[2]
	if w.Shape[1] != gates*hidden || w.Shape[2] != in || r.Shape[1] != gates*hidden {
		fail("input %v, weights %v and %v", x.Shape, w.Shape, r.Shape)
	}
	direction := c.text("direction", "forward")
	if (dirs == 2) != (direction == "bidirectional") {
		fail("weights for %d directions, direction %q", dirs, direction)
	}
	acts := c.activations(def, dirs)
	clip := c.float("clip", math.Inf(1))
	squash := func(f func(float64) float64) func(float64) float64 {
		return func(v float64) float64 { return f(min(max(v, -clip), clip)) }
	}
	var c0, peep *Tensor
	if gates == 4 {
		if c0, peep = c.opt(6), c.opt(7); c0 != nil && c.int("layout", 0) != 0 {
			c0 = c.transpose(c0, []int{1, 0, 2})
		}
	}
	y := c.heap.make(x.Type, steps, dirs, batch, hidden)
	hn, cn := c.heap.make(x.Type, dirs, batch, hidden), c.heap.make(x.Type, dirs, batch, hidden)
	reset := c.int("linear_before_reset", 0) != 0
	couple := c.int("input_forget", 0) != 0
	for d := range dirs {
		back := direction == "reverse" || d == 1
		f := acts[d*len(def) : (d+1)*len(def)]
		for k := range f {
			f[k] = squash(f[k])
		}
		h, cell := make([]float64, hidden), make([]float64, hidden)
		wx, rh := make([]float64, gates*hidden), make([]float64, gates*hidden)
		bx := func(g int) float64 {
			if bias == nil {
				return 0
			}
			return bias.at(d*2*gates*hidden + g)
		}
		br := func(g int) float64 {
			if bias == nil {
				return 0
			}
			return bias.at(d*2*gates*hidden + gates*hidden + g)
		}
		pe := func(g, j int) float64 {
			if peep == nil {
				return 0
			}
			return peep.at(d*3*hidden + g*hidden + j)
		}
		for b := range batch {
			for j := range hidden {
				h[j], cell[j] = 0, 0
				if h0 != nil {
					h[j] = h0.at((d*batch+b)*hidden + j)
				}
				if c0 != nil {
					cell[j] = c0.at((d*batch+b)*hidden + j)
				}
			}
			n := steps
			if lens != nil {
				n = min(max(int(lens.at(b)), 0), steps)
			}
			for s := range n {
				t := s
				if back {
					t = n - 1 - s
				}
				for g := range wx {
					wx[g], rh[g] = bx(g), br(g)
					for k := range in {
						wx[g] += w.at((d*gates*hidden+g)*in+k) * x.at((t*batch+b)*in+k)
					}
					for k := range hidden {
						rh[g] += r.at((d*gates*hidden+g)*hidden+k) * h[k]
					}
				}
				next := make([]float64, hidden)
				switch gates {
				case 1:
					for j := range hidden {
						next[j] = f[0](wx[j] + rh[j])
					}
				case 3: // z, r, h
					gate := make([]float64, hidden)
					for j := range hidden {
						gate[j] = f[0](wx[hidden+j] + rh[hidden+j])
					}
					for j := range hidden {
						z := f[0](wx[j] + rh[j])
						q := wx[2*hidden+j]
						if reset {
							q += gate[j] * rh[2*hidden+j]
						} else {
							q += br(2*hidden + j)
							for k := range hidden {
								q += r.at((d*gates*hidden+2*hidden+j)*hidden+k) * gate[k] * h[k]
							}
						}
						next[j] = (1-z)*f[1](q) + z*h[j]
					}
				case 4: // i, o, f, c
					for j := range hidden {
						i := f[0](wx[j] + rh[j] + pe(0, j)*cell[j])
						forget := 1 - i
						if !couple {
							forget = f[0](wx[2*hidden+j] + rh[2*hidden+j] + pe(2, j)*cell[j])
						}
						cell[j] = forget*cell[j] + i*f[1](wx[3*hidden+j]+rh[3*hidden+j])
						o := f[0](wx[hidden+j] + rh[hidden+j] + pe(1, j)*cell[j])
						next[j] = o * f[2](cell[j])
					}
				}
				h = next
				for j, v := range h {
					y.put(((t*dirs+d)*batch+b)*hidden+j, v)
				}
			}
			for j := range hidden {
				hn.put((d*batch+b)*hidden+j, h[j])
				cn.put((d*batch+b)*hidden+j, cell[j])
			}
		}
	}
	out := []*Tensor{y, hn}
	if gates == 4 {
		out = append(out, cn)
	}
	if c.int("layout", 0) != 0 {
		out[0] = c.transpose(y, []int{2, 0, 1, 3})
		for i := 1; i < len(out); i++ {
			out[i] = c.transpose(out[i], []int{1, 0, 2})
		}
	}
	return out
}

// activations are the functions of all directions, by name.
func (c *call) activations(def []string, dirs int) []func(float64) float64 {
	names := slices.Repeat(def, dirs)
	if a := c.attr("activations", onnx.AttrStrings); a != nil {
		if len(a.Strings) != len(names) {
			fail("%d activations, need %d", len(a.Strings), len(names))
		}
		for i, s := range a.Strings {
			names[i] = string(s)
		}
	}
	if c.attr("activation_alpha", onnx.AttrFloats) != nil {
		fail("activations with constants are not supported")
	}
	var l []func(float64) float64
	for _, n := range names {
		switch strings.ToLower(n) {
		case "sigmoid":
			l = append(l, sigmoid)
		case "tanh":
			l = append(l, math.Tanh)
		case "relu":
			l = append(l, func(v float64) float64 { return max(v, 0) })
		default:
			fail("activation %q is not supported", n)
		}
	}
	return l
}
