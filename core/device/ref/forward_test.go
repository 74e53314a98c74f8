package ref_test

import (
	"math"
	"testing"

	"pare/core/device"
	"pare/core/tensor"
)

func TestLinear(t *testing.T) {
	for _, c := range []struct {
		name   string
		act    device.Act
		bias   bool
		format tensor.Format
		mask   []int // dropped
		want   []float32
	}{
		// w = [[1 2 3] [-1 0 1]], b = [10 -2], x = [1 2 3] and [0 1 -1].
		{name: "plain", want: []float32{14, 2, -1, -1}},
		{name: "bias", bias: true, want: []float32{24, 0, 9, -3}},
		{name: "relu", bias: true, act: device.ReLU, want: []float32{24, 0, 9, 0}},
		{name: "masked", bias: true, mask: []int{0, 5}, want: []float32{23, -3, 9, -2}},
		{name: "blocks", bias: true, format: tensor.Block4, mask: []int{0, 5}, want: []float32{23, -3, 9, -2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, 2, 3, 1, 1)
			w := n.matrix("w", 2, 3, 1, 2, 3, -1, 0, 1)
			n.ws[w].Format = c.format
			if c.mask != nil {
				n.ws[w].Mask = tensor.NewMask(6)
				for _, i := range c.mask {
					n.ws[w].Mask.Drop(i)
				}
			}
			ws := []int{w}
			if c.bias {
				ws = append(ws, n.vector("b", 10, -2))
			}
			n.call("fc", device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{n.val("y", 2, 1, 1)}, W: ws, Act: c.act})
			near(t, "y", n.out(2, []float32{1, 2, 3, 0, 1, -1}), c.want, 0)
		})
	}
}

// A packed weight leaves its masked places out; a dense one multiplies zeros,
// which shows when the input is infinite.
func TestDenseMultipliesItsZeros(t *testing.T) {
	for _, f := range []tensor.Format{tensor.Dense, tensor.Block4} {
		n := newNet(t, 1, 2, 1, 1)
		w := n.matrix("w", 1, 2, 5, 7)
		n.ws[w].Format, n.ws[w].Mask = f, tensor.NewMask(2)
		n.ws[w].Mask.Drop(0)
		n.call("fc", device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{n.val("y", 1, 1, 1)}, W: []int{w}})
		y := n.out(1, []float32{float32(math.Inf(1)), 2})[0]
		if f == tensor.Dense && y == y || f == tensor.Block4 && y != 14 {
			t.Errorf("%v: y = %g", f, y)
		}
	}
}

func TestConv(t *testing.T) {
	square := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9} // 3×3
	for _, c := range []struct {
		name  string
		c     int // input channels of 3×3
		x     []float32
		shape tensor.Shape
		w     []float32
		win   device.Window
		b     []float32
		act   device.Act
		want  []float32 // [n][oh][ow]
	}{
		// Cross-correlation, not convolution: y = x[i][j] + 10·x[i+1][j+1].
		{
			name: "valid", c: 1, x: square, shape: tensor.Shape{1, 1, 2, 2}, w: []float32{1, 0, 0, 10},
			win: device.Window{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 1}, want: []float32{51, 62, 84, 95},
		},
		// Sum over what the window covers: one row above, one column right.
		{
			name: "uneven padding", c: 1, x: square, shape: tensor.Shape{1, 1, 2, 2}, w: []float32{1, 1, 1, 1},
			win:  device.Window{KH: 2, KW: 2, SH: 1, SW: 1, PT: 1, PR: 1, Groups: 1},
			want: []float32{3, 5, 3, 12, 16, 9, 24, 28, 15},
		},
		{
			name: "stride", c: 1, x: square, shape: tensor.Shape{1, 1, 1, 1}, w: []float32{2},
			win: device.Window{KH: 1, KW: 1, SH: 2, SW: 2, Groups: 1}, want: []float32{2, 6, 14, 18},
		},
		{
			name: "unequal strides", c: 1, x: square, shape: tensor.Shape{1, 1, 1, 1}, w: []float32{1},
			win: device.Window{KH: 1, KW: 1, SH: 1, SW: 2, Groups: 1}, want: []float32{1, 3, 4, 6, 7, 9},
		},
		// Two filters over two channels, 3×3 windows: whole-channel sums are 45
		// and 450.
		{
			name: "channels and bias", c: 2, x: twice(square), shape: tensor.Shape{2, 2, 3, 3}, w: perTap(9, 1, 2, 3, -1),
			win: device.Window{KH: 3, KW: 3, SH: 1, SW: 1, Groups: 1}, b: []float32{0.5, 0}, want: []float32{945.5, -315},
		},
		{
			name: "relu", c: 2, x: twice(square), shape: tensor.Shape{2, 2, 3, 3}, w: perTap(9, 1, 2, 3, -1),
			win: device.Window{KH: 3, KW: 3, SH: 1, SW: 1, Groups: 1}, b: []float32{0.5, 0}, act: device.ReLU, want: []float32{945.5, 0},
		},
		{
			name: "depthwise", c: 2, x: twice(square), shape: tensor.Shape{2, 1, 3, 3}, w: perTap(9, 1, -1),
			win: device.Window{KH: 3, KW: 3, SH: 1, SW: 1, Groups: 2}, want: []float32{45, -450},
		},
		// Four outputs in two groups: the first two see channel 0 only.
		{
			name: "groups", c: 2, x: twice(square), shape: tensor.Shape{4, 1, 3, 3}, w: perTap(9, 1, 2, 3, 4),
			win: device.Window{KH: 3, KW: 3, SH: 1, SW: 1, Groups: 2}, want: []float32{45, 90, 1350, 1800},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, 1, c.c, 3, 3)
			w := n.weight(device.Weight{Name: "w", Shape: c.shape, Matrix: true, Conv: true, Groups: c.win.Groups}, c.w)
			ws := []int{w}
			if c.b != nil {
				ws = append(ws, n.vector("b", c.b...))
			}
			oh, ow := c.win.Out(3, 3)
			y := n.val("y", c.shape[0], oh, ow)
			n.call("conv", device.Call{Kernel: device.Conv, In: []int{0}, Out: []int{y}, W: ws, Win: &c.win, Act: c.act})
			near(t, "y", n.out(1, c.x), c.want, 0)
		})
	}
}

// twice is two channels, the second ten times the first.
func twice(x []float32) []float32 {
	y := append([]float32(nil), x...)
	for _, v := range x {
		y = append(y, 10*v)
	}
	return y
}

// perTap repeats each value for all taps of a window.
func perTap(taps int, vs ...float32) []float32 {
	var w []float32
	for _, v := range vs {
		for range taps {
			w = append(w, v)
		}
	}
	return w
}

func TestPool(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		k    device.Kernel
		win  device.Window
		x    []float32 // 3×3
		want []float32
	}{
		{"max", device.MaxPool, device.Window{KH: 2, KW: 2, SH: 1, SW: 1}, []float32{1, 9, 2, 3, 4, 5, 8, 7, 6}, []float32{9, 9, 8, 7}},
		{
			"max of negatives beside padding", device.MaxPool,
			device.Window{KH: 2, KW: 2, SH: 2, SW: 2, PT: 1, PL: 1},
			[]float32{-1, -9, -2, -3, -4, -5, -8, -7, -6},
			[]float32{-1, -2, -3, -4},
		},
		{"max keeps NaN", device.MaxPool, device.Window{KH: 3, KW: 3, SH: 1, SW: 1}, []float32{1, 2, nan, 9, 8, 7, 6, 5, 4}, []float32{nan}},
		{"mean", device.AvgPool, device.Window{KH: 2, KW: 2, SH: 1, SW: 1}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, []float32{3, 4, 6, 7}},
		{
			"mean of what is inside", device.AvgPool,
			device.Window{KH: 2, KW: 2, SH: 2, SW: 2, PT: 1, PL: 1},
			[]float32{1, 2, 3, 4, 5, 6, 7, 8, 9},
			[]float32{1, 2.5, 5.5, 7},
		},
		{
			"mean with padding counted", device.AvgPool,
			device.Window{KH: 2, KW: 2, SH: 2, SW: 2, PT: 1, PL: 1, CountPad: true},
			[]float32{1, 2, 3, 4, 5, 6, 7, 8, 9},
			[]float32{0.25, 1.25, 2.75, 7},
		},
		{"mean of all", device.AvgPool, device.Window{KH: 3, KW: 3, SH: 1, SW: 1}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, []float32{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, 1, 1, 3, 3)
			oh, ow := c.win.Out(3, 3)
			n.call("pool", device.Call{Kernel: c.k, In: []int{0}, Out: []int{n.val("y", 1, oh, ow)}, Win: &c.win})
			got := n.out(1, c.x)
			if c.want[0] != c.want[0] {
				if got[0] == got[0] {
					t.Errorf("y = %g, want NaN", got[0])
				}
				return
			}
			near(t, "y", got, c.want, 0)
		})
	}
}

// The first maximum, row by row, takes the whole gradient.
func TestMaxPoolTies(t *testing.T) {
	n := newNet(t, 1, 1, 2, 2)
	win := &device.Window{KH: 2, KW: 2, SH: 1, SW: 1}
	y := n.val("y", 1, 1, 1)
	n.call("pool", device.Call{Kernel: device.MaxPool, In: []int{0}, Out: []int{y}, Win: win})
	dy, dx := n.seed(y), n.like("dx", 0)
	n.call("pool", device.Call{Kernel: device.MaxPoolDX, In: []int{0, dy}, Out: []int{dx}, Win: win})
	n.p.InGrad = dx
	got := make([]float32, 4)
	n.run(device.Step{X: []float32{1, 7, 7, 7}, N: 1, OutGrad: []float32{3}, InGrad: got})
	near(t, "dx", got, []float32{0, 3, 0, 0}, 0)
}

func TestActivations(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := []float32{-4, -3, -1, 0, 1, 3, 4}
	for _, c := range []struct {
		f    device.Act
		want []float32
	}{
		{device.NoAct, x},
		{device.ReLU, []float32{0, 0, 0, 0, 1, 3, 4}},
		// x·Φ(x) from tables of Φ.
		{device.GELU, []float32{-0.00012668497, -0.0040496940, -0.15865525, 0, 0.84134475, 2.9959503, 3.9998733}},
		{device.SiLU, []float32{-0.071944840, -0.14227762, -0.26894142, 0, 0.73105858, 2.8577224, 3.9280552}},
		{device.HardSwish, []float32{0, 0, -1. / 3, 0, 2. / 3, 3, 4}},
		{device.Tanh, []float32{-0.99932930, -0.99505475, -0.76159416, 0, 0.76159416, 0.99505475, 0.99932930}},
	} {
		n := newNet(t, 1, len(x), 1, 1)
		n.call("act", device.Call{Kernel: device.ActFn, Act: c.f, In: []int{0}, Out: []int{n.val("y", len(x), 1, 1)}})
		near(t, c.f.String(), n.out(1, x), c.want, 1e-7)
		ends := n.out(1, []float32{nan, inf, 1e30, -1e30, 0, 0, 0})
		if ends[0] == ends[0] {
			t.Errorf("%v(NaN) = %g: a NaN must stay visible", c.f, ends[0])
		}
		for _, v := range ends[2:4] {
			if v != v {
				t.Errorf("%v of ±1e30 is %v", c.f, ends[2:4])
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	n := newNet(t, 3, 3, 1, 1)
	n.call("softmax", device.Call{Kernel: device.Softmax, In: []int{0}, Out: []int{n.val("y", 3, 1, 1)}})
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	near(t, "y", n.out(3, []float32{0, ln(2), ln(5), 1000, 1000, -1000, -3000, -2000, -2000}),
		[]float32{0.125, 0.25, 0.625, 0.5, 0.5, 0, 0, 0.5, 0.5}, 1e-7)
}

func TestAddAndFlatten(t *testing.T) {
	n := newNet(t, 1, 2, 1, 3) // two channels of one row of three
	sum, flat := n.like("sum", 0), n.val("flat", 6, 1, 1)
	n.call("add", device.Call{Kernel: device.Add, In: []int{0, 0}, Out: []int{sum}})
	n.call("flatten", device.Call{Kernel: device.Flatten, In: []int{sum}, Out: []int{flat}})
	near(t, "flat", n.out(1, []float32{1, 2, 3, 4, 5, 6}), []float32{2, 4, 6, 8, 10, 12}, 0)
}

// Rows picks and orders the rows of X; Out comes in logical order.
func TestRows(t *testing.T) {
	n := newNet(t, 3, 2, 2, 1)
	n.p.Output = 0
	got := make([]float32, 3*4)
	x := []float32{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23}
	r, _ := n.run(device.Step{X: x, Rows: []int32{2, 0, 2}, Out: got})
	near(t, "out", got, []float32{20, 21, 22, 23, 0, 1, 2, 3, 20, 21, 22, 23}, 0)
	if r.N != 3 {
		t.Errorf("N = %d, want 3", r.N)
	}
	// OutGrad belongs to the samples of the batch, not to the rows of X.
	n.p.InGrad = n.seed(0)
	n.run(device.Step{X: x, Rows: []int32{2, 1}, OutGrad: []float32{1, 2, 3, 4, 5, 6, 7, 8}, InGrad: got})
	near(t, "gradient", got[:8], []float32{1, 2, 3, 4, 5, 6, 7, 8}, 0)
}
