package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

// TestPoolEmulated runs the source of kernels/pool.cu on the processor, like TestConvEmulated,
// and compares with loops in float64: windows side by side and over each other, channels that
// loads of eight fit and others. What a maximum hands on is exact.
func TestPoolEmulated(t *testing.T) {
	m := newEmulator(t)
	square := func(k, s, p int) device.Window {
		return device.Window{KH: k, KW: k, SH: s, SW: s, PT: p, PL: p, PB: p, PR: p, Groups: 1}
	}
	counted := square(3, 2, 1)
	counted.CountPad = true
	for _, c := range []struct {
		precision  Precision
		n, c, h, w int
		win        device.Window
	}{
		{BF16, 3, 16, 8, 6, square(2, 2, 0)}, {BF16, 2, 8, 7, 7, square(3, 2, 1)}, {BF16, 2, 5, 7, 6, square(3, 1, 1)},
		{F32, 2, 24, 5, 9, counted}, {F32, 3, 3, 9, 8, device.Window{KH: 2, KW: 3, SH: 3, SW: 2, PL: 1, Groups: 1}},
	} {
		t.Run(fmt.Sprintf("%v/%d×%d×%d×%d/%d×%d", c.precision, c.n, c.h, c.w, c.c, c.win.KH, c.win.KW), func(t *testing.T) {
			card := cufake.New(1 << 26)
			card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
				return m.run(card, name, grid, block, shared, args)
			}
			comparePool(t, With(card, nil, c.precision), c.n, c.c, c.h, c.w, c.win)
		})
	}
}

// comparePool runs both pools forward and backward.
func comparePool(t *testing.T, dev Device, n, c, h, w int, win device.Window) {
	bk, err := dev.NewBank(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &device.Plan{Batch: n, T: T, P: 1, Output: -1, InGrad: -1, Nodes: []string{"pool"}}
	val := func(h, w int) int {
		p.Vals = append(p.Vals, device.Val{C: c, H: h, W: w, Off: p.Slab})
		p.Slab += c * h * w * T
		return len(p.Vals) - 1
	}
	oh, ow := win.Out(h, w)
	x, dy, top, mean, dtop, dmean := val(h, w), val(oh, ow), val(oh, ow), val(oh, ow), val(h, w), val(h, w)
	p.Input = x
	p.Regions = []device.Region{{Scope: device.Task, Calls: []device.Call{
		{Kernel: device.MaxPool, In: []int{x}, Out: []int{top}, Win: &win},
		{Kernel: device.AvgPool, In: []int{x}, Out: []int{mean}, Win: &win},
		{Kernel: device.MaxPoolDX, In: []int{x, dy}, Out: []int{dtop}, Win: &win},
		{Kernel: device.AvgPoolDX, In: []int{dy}, Out: []int{dmean}, Win: &win},
	}}}
	k := &convCase{n: n, e: &exec{dev: dev, p: p, b: bk.(*bank), runs: map[mode]*run{}, tables: map[string]cu.Ptr{}}}
	e := k.e
	if err := e.allot(); err != nil {
		t.Fatal(err)
	}
	defer k.release(t)
	r := rand.New(rand.NewPCG(3, 5))
	xs, dys := k.put(t, r, e.at[x], n*h*w*c, dev.elem()), k.put(t, r, e.at[dy], n*oh*ow*c, dev.elem())
	b := newBuilder(e, mode{n: n})
	if err := firstError(b.all(), e.launch(b.out)); err != nil {
		t.Fatal(err)
	}
	want := map[string][]float64{"max": make([]float64, len(dys)), "mean": make([]float64, len(dys)), "max's dx": make([]float64, len(xs)), "mean's dx": make([]float64, len(xs))}
	for i := range dys {
		ch, ox, oy, row := i%c, i/c%ow, i/c/ow%oh, i/c/ow/oh
		best, sum, of := -1, 0.0, 0
		var inside []int
		for a := range win.KH {
			for b := range win.KW {
				py, px := oy*win.SH-win.PT+a, ox*win.SW-win.PL+b
				if py < 0 || py >= h || px < 0 || px >= w {
					continue
				}
				j := ((row*h+py)*w+px)*c + ch
				inside = append(inside, j)
				sum += float64(xs[j])
				if best < 0 || xs[j] > xs[best] {
					best = j
				}
			}
		}
		if of = len(inside); win.CountPad {
			of = win.KH * win.KW
		}
		want["max"][i], want["mean"][i] = float64(xs[best]), sum/float64(of)
		want["max's dx"][best] += float64(dys[i])
		for _, j := range inside {
			want["mean's dx"][j] += float64(dys[i]) / float64(of)
		}
	}
	for name, v := range map[string]int{"max": top, "mean": mean, "max's dx": dtop, "mean's dx": dmean} {
		most := 1e-6
		if dev.elem() == cu.BF16 {
			most = 1.0 / 256
		}
		got := k.take(t, e.at[v], len(want[name]), dev.elem())
		for i, g := range got {
			if off := math.Abs(float64(g) - want[name][i]); off > most*(1+math.Abs(want[name][i])) || name == "max" && off != 0 {
				t.Errorf("%s[%d] is %g, want %g", name, i, g, want[name][i])
				break
			}
		}
	}
}
