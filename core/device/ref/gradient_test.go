package ref_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

// op is one operation with its gradient, as a planner would emit it.
type op struct {
	name    string
	c, h, w int // input
	kink    bool
	build   func(n *net, r *rand.Rand) (y int, back func(dy int) (dx int))
}

// TestGradients compares every backward kernel with central differences of the
// forward kernel: L = Σ y·dy has the gradients dx and dw.
func TestGradients(t *testing.T) {
	for _, o := range ops() {
		t.Run(o.name, func(t *testing.T) {
			const batch, rows = 5, 3 // a batch that is not full
			r := rand.New(rand.NewPCG(1, 2))
			n := newNet(t, batch, o.c, o.h, o.w)
			n.p.Seed = 9
			y, back := o.build(n, r)
			n.p.Output = y
			n.p.InGrad = back(n.seed(y))
			b, e := n.compile()
			defer e.Close()
			x := noise(r, rows*o.c*o.h*o.w)
			if o.kink { // stay away from corners, where differences mean nothing
				for i := range x {
					x[i] = float32(i*7919%101)/10 - 5.05
				}
			}
			size := n.p.Vals[y].Size(1, 1)
			dy := noise(r, rows*size)
			out, dx := make([]float32, rows*size), make([]float32, len(x))
			loss := func() float64 {
				if _, err := e.Run(&device.Step{X: x, N: rows, Index: 3, OutGrad: dy, Out: out, InGrad: dx}); err != nil {
					t.Fatal(err)
				}
				l := 0.0
				for i := range out {
					l += float64(out[i]) * float64(dy[i])
				}
				return l
			}
			// Richardson's combination of two central differences: the error
			// falls with the fourth power of h.
			slope := func(set func(d float32)) float64 {
				const h = 1.0 / 32
				d := func(h float32) float64 {
					set(h)
					up := loss()
					set(-h)
					return (up - loss()) / float64(2*h)
				}
				s := (4*d(h/2) - d(h)) / 3
				set(0)
				return s
			}
			equal := func(what string, got float32, want float64) {
				t.Helper()
				if math.Abs(float64(got)-want) > 2e-4*math.Max(1, math.Abs(want)) {
					t.Errorf("%s = %g, differences say %g", what, got, want)
				}
			}
			loss()
			wantDX := append([]float32(nil), dx...)
			grads := make([][]float32, len(n.ws))
			for i, w := range n.ws {
				if w.Train {
					grads[i] = grad(t, b, i)
				}
			}
			for i := range x {
				x0 := x[i]
				equal(fmt.Sprintf("dx[%d]", i), wantDX[i], slope(func(d float32) { x[i] = x0 + d }))
			}
			for k, w := range n.ws {
				if !w.Train {
					continue
				}
				v := get(t, b, k)
				for i := range v {
					v0 := v[i]
					s := slope(func(d float32) {
						v[i] = v0 + d
						if err := b.Set(k, v); err != nil {
							t.Fatal(err)
						}
					})
					if !w.Mask.Kept(i) && (s != 0 || grads[k][i] != 0) {
						t.Errorf("d%s[%d] = %g at a masked place, differences say %g", w.Name, i, grads[k][i], s)
					}
					equal(fmt.Sprintf("d%s[%d]", w.Name, i), grads[k][i], s)
				}
			}
		})
	}
}

func ops() []op {
	list := []op{
		{name: "flatten", c: 3, h: 2, w: 2, build: func(n *net, _ *rand.Rand) (int, func(int) int) {
			y := n.val("y", 12, 1, 1)
			n.call("flatten", device.Call{Kernel: device.Flatten, In: []int{0}, Out: []int{y}})
			return y, func(dy int) int {
				dx := n.like("dx", 0)
				n.call("flatten", device.Call{Kernel: device.FlattenDX, In: []int{dy}, Out: []int{dx}})
				return dx
			}
		}},
		{name: "dropout", c: 4, h: 2, w: 2, build: func(n *net, _ *rand.Rand) (int, func(int) int) {
			y := n.like("y", 0)
			n.call("drop", device.Call{Kernel: device.Dropout, In: []int{0}, Out: []int{y}, S: [2]float32{0.4}, Key: 77})
			return y, func(dy int) int {
				dx := n.like("dx", 0)
				n.call("drop", device.Call{Kernel: device.DropoutDX, In: []int{dy}, Out: []int{dx}, S: [2]float32{0.4}, Key: 77})
				return dx
			}
		}},
		// y = x + tanh(x): a value with two readers, so Copy and Accum.
		{name: "residual", c: 3, h: 1, w: 2, build: func(n *net, _ *rand.Rand) (int, func(int) int) {
			f, y := n.like("f", 0), n.like("y", 0)
			n.call("tanh", device.Call{Kernel: device.ActFn, Act: device.Tanh, In: []int{0}, Out: []int{f}})
			n.call("add", device.Call{Kernel: device.Add, In: []int{0, f}, Out: []int{y}})
			return y, func(dy int) int {
				dx, df := n.like("dx", 0), n.like("df", 0)
				n.call("add", device.Call{Kernel: device.Copy, In: []int{dy}, Out: []int{dx}})
				n.call("tanh", device.Call{Kernel: device.ActDX, Act: device.Tanh, In: []int{f, dy}, Out: []int{df}})
				n.call("tanh", device.Call{Kernel: device.Accum, In: []int{df}, Out: []int{dx}})
				return dx
			}
		}},
		{name: "norm", c: 3, h: 2, w: 2, build: normOp},
		{name: "norm of vectors", c: 4, h: 1, w: 1, build: normOp},
	}
	for _, f := range []device.Act{device.NoAct, device.ReLU, device.GELU, device.SiLU, device.HardSwish, device.Tanh} {
		list = append(list, op{name: f.String(), c: 5, h: 2, w: 3, kink: true, build: func(n *net, _ *rand.Rand) (int, func(int) int) {
			y := n.like("y", 0)
			n.call("act", device.Call{Kernel: device.ActFn, Act: f, In: []int{0}, Out: []int{y}})
			return y, func(dy int) int {
				from, dx := 0, n.like("dx", 0)
				if f.FromOutput() {
					from = y
				}
				n.call("act", device.Call{Kernel: device.ActDX, Act: f, In: []int{from, dy}, Out: []int{dx}})
				return dx
			}
		}})
	}
	for _, c := range []struct {
		name   string
		mask   bool
		format tensor.Format
		bias   bool
		act    device.Act
	}{
		{"linear", false, tensor.Dense, true, device.NoAct},
		{"linear without bias", false, tensor.Dense, false, device.NoAct},
		{"linear masked", true, tensor.Dense, true, device.NoAct},
		{"linear blocks", true, tensor.Block4, true, device.NoAct},
		{"linear fused tanh", false, tensor.Dense, true, device.Tanh},
	} {
		list = append(list, op{name: c.name, c: 7, h: 1, w: 1, build: func(n *net, r *rand.Rand) (int, func(int) int) {
			w := n.matrix("w", 6, 7, noise(r, 42)...)
			n.ws[w].Format = c.format
			if c.mask {
				n.ws[w].Mask = half(r, 42)
			}
			return product(n, r, c.bias, c.act, w, nil, n.val("y", 6, 1, 1))
		}})
	}
	for _, c := range convs() {
		list = append(list, op{name: c.name, c: c.c, h: c.h, w: c.w, build: func(n *net, r *rand.Rand) (int, func(int) int) {
			shape := tensor.Shape{c.n, c.c / c.win.Groups, c.win.KH, c.win.KW}
			d := device.Weight{Name: "w", Shape: shape, Matrix: true, Conv: true, Groups: c.win.Groups, Format: c.format, Train: true}
			if c.mask {
				d.Mask = half(r, shape.Len())
			}
			w := n.weight(d, noise(r, shape.Len()))
			oh, ow := c.win.Out(c.h, c.w)
			return product(n, r, true, device.NoAct, w, &c.win, n.val("y", c.n, oh, ow))
		}})
	}
	for _, g := range pools() {
		for _, k := range []device.Kernel{device.MaxPool, device.AvgPool} {
			list = append(list, op{name: fmt.Sprintf("%v %+v", k, g), c: 2, h: 5, w: 4, kink: true, build: func(n *net, _ *rand.Rand) (int, func(int) int) {
				oh, ow := g.Out(5, 4)
				y := n.val("y", 2, oh, ow)
				n.call("pool", device.Call{Kernel: k, In: []int{0}, Out: []int{y}, Win: &g})
				return y, func(dy int) int {
					dx := n.like("dx", 0)
					if k == device.MaxPool {
						n.call("pool", device.Call{Kernel: device.MaxPoolDX, In: []int{0, dy}, Out: []int{dx}, Win: &g})
					} else {
						n.call("pool", device.Call{Kernel: device.AvgPoolDX, In: []int{dy}, Out: []int{dx}, Win: &g})
					}
					return dx
				}
			}})
		}
	}
	return list
}

type convCase struct {
	name       string
	c, h, w, n int
	win        device.Window
	format     tensor.Format
	mask       bool
}

func convs() []convCase {
	return []convCase{
		{name: "conv 1x1", c: 3, h: 2, w: 2, n: 4, win: device.Window{KH: 1, KW: 1, SH: 1, SW: 1, Groups: 1}},
		{name: "conv", c: 2, h: 4, w: 5, n: 3, win: device.Window{KH: 3, KW: 2, SH: 1, SW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}},
		{name: "conv stride and uneven padding", c: 2, h: 5, w: 4, n: 3, win: device.Window{KH: 3, KW: 3, SH: 2, SW: 3, PT: 2, PL: 0, PB: 0, PR: 1, Groups: 1}},
		{name: "conv grouped", c: 4, h: 3, w: 3, n: 6, win: device.Window{KH: 2, KW: 2, SH: 1, SW: 1, PT: 1, PL: 1, Groups: 2}},
		{name: "conv depthwise", c: 3, h: 4, w: 4, n: 3, win: device.Window{KH: 3, KW: 3, SH: 1, SW: 2, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 3}, mask: true},
		{name: "conv depth multiplier", c: 2, h: 3, w: 3, n: 4, win: device.Window{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 2}},
		{name: "conv masked", c: 2, h: 3, w: 3, n: 5, win: device.Window{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 1}, mask: true},
		{name: "conv blocks", c: 2, h: 3, w: 3, n: 5, win: device.Window{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 1}, mask: true, format: tensor.Block4},
	}
}

func pools() []device.Window {
	return []device.Window{
		{KH: 2, KW: 2, SH: 2, SW: 2, Groups: 1},
		{KH: 3, KW: 3, SH: 2, SW: 1, PT: 1, PL: 2, PB: 0, PR: 1, Groups: 1},
		{KH: 3, KW: 3, SH: 2, SW: 1, PT: 1, PL: 2, PB: 0, PR: 1, Groups: 1, CountPad: true},
		{KH: 5, KW: 4, SH: 1, SW: 1, Groups: 1}, // global
	}
}

// product emits Linear or Conv with all three gradients.
func product(n *net, r *rand.Rand, bias bool, f device.Act, w int, win *device.Window, y int) (int, func(int) int) {
	fwd, bdx, bdw := device.Linear, device.LinearDX, device.LinearDW
	if win != nil {
		fwd, bdx, bdw = device.Conv, device.ConvDX, device.ConvDW
	}
	ws := []int{w}
	if bias {
		ws = append(ws, n.vector("b", noise(r, n.p.Vals[y].C)...))
	}
	n.call("layer", device.Call{Kernel: fwd, In: []int{0}, Out: []int{y}, W: ws, Win: win, Act: f})
	return y, func(dy int) int {
		if f != device.NoAct {
			d := n.like("da", y)
			n.call("layer", device.Call{Kernel: device.ActDX, Act: f, In: []int{y, dy}, Out: []int{d}})
			dy = d
		}
		v := n.p.Vals[y]
		dx, dyT := n.like("dx", 0), n.add(device.ActTVal, "dyT", v.C, v.H, v.W)
		n.call("layer", device.Call{Kernel: bdx, In: []int{dy}, Out: []int{dx}, W: ws[:1], Win: win})
		n.call("layer", device.Call{Kernel: device.Transpose, In: []int{dy}, Out: []int{dyT}})
		n.call("layer", device.Call{Kernel: bdw, In: []int{0, dy, dyT}, W: ws[:1], Win: win})
		if bias {
			n.call("layer", device.Call{Kernel: device.BiasD, In: []int{dy}, W: ws[1:]})
		}
		return dx
	}
}

// normOp emits batch norm while training.
func normOp(n *net, r *rand.Rand) (int, func(int) int) {
	c := n.p.Vals[0].C
	y, part, s := n.like("y", 0), n.part("part", 2*c), n.stat(0)
	gamma, beta := n.vector("gamma", noise(r, c)...), n.vector("beta", noise(r, c)...)
	mean := n.weight(device.Weight{Name: "mean", Shape: tensor.Shape{c}}, nil)
	variance := n.weight(device.Weight{Name: "var", Shape: tensor.Shape{c}}, nil)
	n.call("norm", device.Call{Kernel: device.NormStats, In: []int{0}, Out: []int{part}, Stat: s})
	n.call("norm", device.Call{Kernel: device.NormMerge, In: []int{part}, W: []int{mean, variance}, Stat: s, S: [2]float32{1e-5, 0.1}})
	n.call("norm", device.Call{Kernel: device.NormApply, In: []int{0}, Out: []int{y}, W: []int{gamma, beta}, Stat: s})
	return y, func(dy int) int {
		dpart, dx := n.part("dpart", 2*c), n.like("dx", 0)
		n.call("norm", device.Call{Kernel: device.NormDStats, In: []int{0, dy}, Out: []int{dpart}, Stat: s})
		n.call("norm", device.Call{Kernel: device.NormDMerge, In: []int{dpart}, W: []int{gamma, beta}, Stat: s})
		n.call("norm", device.Call{Kernel: device.NormDX, In: []int{0, dy}, Out: []int{dx}, W: []int{gamma}, Stat: s})
		return dx
	}
}
