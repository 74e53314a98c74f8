package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/tensor"
)

// convCase is one convolution and its gradients, with nothing around them. Values are x, y,
// dy, dx; weights are w and, with bias, a bias.
type convCase struct {
	n, c, h, w, out int
	win             device.Window
	bias, accum     bool
	skew            bool // values begin at odd places
	relu            bool

	e       *exec
	f, d, g []launch // forward, dx, dw
}

func (k *convCase) String() string {
	return fmt.Sprintf("%d×%dx%dx%d to %d by %dx%d stride %dx%d pad %d,%d,%d,%d bias=%v accum=%v skew=%v relu=%v",
		k.n, k.h, k.w, k.c, k.out, k.win.KH, k.win.KW, k.win.SH, k.win.SW, k.win.PT, k.win.PL, k.win.PB, k.win.PR, k.bias, k.accum, k.skew, k.relu)
}

// newConv takes the memory and makes the launches.
func newConv(t testing.TB, dev Device, k *convCase) {
	t.Helper()
	oh, ow := k.win.Out(k.h, k.w)
	ws := []device.Weight{{Name: "w", Shape: tensor.Shape{k.out, k.c / k.win.Groups, k.win.KH, k.win.KW}, Matrix: true, Conv: true, Train: true, Groups: k.win.Groups}}
	if k.bias {
		ws = append(ws, device.Weight{Name: "b", Shape: tensor.Shape{k.out}, Train: true, Groups: 1})
	}
	b, err := dev.NewBank(ws, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &device.Plan{Batch: k.n, T: T, P: 1, Output: -1, InGrad: -1, Nodes: []string{"conv"}}
	if k.skew {
		p.Slab++
	}
	val := func(c, h, w int) int {
		p.Vals = append(p.Vals, device.Val{C: c, H: h, W: w, Off: p.Slab})
		p.Slab += c * h * w * T
		return len(p.Vals) - 1
	}
	x, y, dy, dx := val(k.c, k.h, k.w), val(k.out, oh, ow), val(k.out, oh, ow), val(k.c, k.h, k.w)
	w := []int{0}
	if k.bias {
		w = append(w, 1)
	}
	p.Input = x
	act := device.NoAct
	if k.relu {
		act = device.ReLU
	}
	p.Regions = []device.Region{{Scope: device.Task, Calls: []device.Call{
		{Kernel: device.Conv, In: []int{x}, Out: []int{y}, W: w, Win: &k.win, Act: act},
		{Kernel: device.ConvDX, In: []int{dy}, Out: []int{dx}, W: w[:1], Win: &k.win},
		{Kernel: device.ConvDW, In: []int{x, dy}, W: w[:1], Win: &k.win, Accum: k.accum},
	}}}
	k.e = &exec{dev: dev, p: p, b: b.(*bank), runs: map[mode]*run{}, tables: map[string]cu.Ptr{}}
	if err := k.e.allot(); err != nil {
		t.Fatal(err)
	}
	for i, to := range []*[]launch{&k.f, &k.d, &k.g} {
		c := &p.Regions[0].Calls[i]
		b := newBuilder(k.e, mode{n: k.n})
		b.call = i
		if err := builderOf(c.Kernel)(b, c); err != nil {
			t.Fatal(err)
		}
		*to = b.out
	}
	for _, s := range append(slices.Clone(k.e.arenas), k.e.room) {
		if s.bytes > 0 {
			if err := dev.driver.Fill(s.p, 0xff, s.bytes); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (k *convCase) release(t testing.TB) {
	if err := firstError(k.e.release(), k.e.b.Close()); err != nil {
		t.Error(err)
	}
}

// put uploads noise, and returns it as it is there in that type.
func (k *convCase) put(t testing.TB, r *rand.Rand, at cu.Ptr, count int, elem cu.Type) []float32 {
	t.Helper()
	x, h := make([]float32, count), make([]uint16, count)
	for i := range x {
		x[i] = float32(r.NormFloat64())
		h[i] = bf16Of(x[i])
		if elem == cu.BF16 {
			x[i] = math.Float32frombits(uint32(h[i]) << 16)
		}
	}
	data := bytesOf(x)
	if elem == cu.BF16 {
		data = bytesOf(h)
	}
	if err := k.e.dev.driver.Upload(at, data); err != nil {
		t.Fatal(err)
	}
	return x
}

// take downloads count values.
func (k *convCase) take(t testing.TB, at cu.Ptr, count int, elem cu.Type) []float32 {
	t.Helper()
	x, h := make([]float32, count), make([]uint16, count)
	data := bytesOf(x)
	if elem == cu.BF16 {
		data = bytesOf(h)
	}
	if err := firstError(k.e.dev.driver.Sync(), k.e.dev.driver.Download(data, at)); err != nil {
		t.Fatal(err)
	}
	if elem == cu.BF16 {
		for i := range x {
			x[i] = math.Float32frombits(uint32(h[i]) << 16)
		}
	}
	return x
}

// noise fills x, dy and the weights, and what a gradient is added to.
func (k *convCase) noise(t testing.TB) (x, dy, w, bias, before []float32) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(k.c), uint64(k.out)))
	e := k.e
	x = k.put(t, r, e.at[0], e.value(0, k.n).count(), e.dev.elem())
	dy = k.put(t, r, e.at[2], e.value(2, k.n).count(), e.dev.elem())
	at, elem := e.b.ws[0].operand()
	w = k.put(t, r, at, e.b.ws[0].count, elem)
	if k.bias {
		bias = k.put(t, r, e.b.ws[1].v, k.out, cu.F32)
	}
	before = k.put(t, r, e.b.ws[0].grad, len(w), cu.F32)
	if !k.accum {
		if err := e.dev.driver.Fill(e.b.ws[0].grad, 0xff, 4*int64(len(w))); err != nil {
			t.Fatal(err)
		}
		clear(before)
	}
	return x, dy, w, bias, before
}

// tf32Of rounds to 10 bits of mantissa, ties away from zero.
func tf32Of(x float32) float32 {
	return math.Float32frombits((math.Float32bits(x) + 1<<12) &^ (1<<13 - 1))
}

// exact is a sum in float64, and that of its terms' sizes, which bounds its rounding.
type exact struct{ sum, size float64 }

func (e *exact) add(a, b float32) {
	p := float64(a) * float64(b)
	e.sum += p
	e.size += math.Abs(p)
}

// want computes all three in float64 from operands rounded as the products round them.
func (k *convCase) want(x, dy, w, bias, before []float32) (y, dx, dw []exact) {
	if k.e.dev.precision == TF32 && !k.e.dev.plain && k.win.Groups == 1 {
		for _, l := range []*[]float32{&x, &dy, &w} {
			*l = slices.Clone(*l)
			for i, v := range *l {
				(*l)[i] = tf32Of(v)
			}
		}
	}
	g := k.win
	oh, ow := g.Out(k.h, k.w)
	cg, ng := k.c/g.Groups, k.out/g.Groups
	y, dx, dw = make([]exact, len(dy)), make([]exact, len(x)), make([]exact, len(w))
	// each calls f for every term of one sample and output: its places in x, y and w.
	each := func(sample, n int, f func(x, y, w int)) {
		for oy := range oh {
			for ox := range ow {
				at := ((sample*oh+oy)*ow+ox)*k.out + n
				for ky := range g.KH {
					for kx := range g.KW {
						iy, ix := oy*g.SH-g.PT+ky, ox*g.SW-g.PL+kx
						if iy < 0 || ix < 0 || iy >= k.h || ix >= k.w {
							continue
						}
						from := ((sample*k.h+iy)*k.w+ix)*k.c + n/ng*cg
						to := ((n*g.KH+ky)*g.KW + kx) * cg
						for c := range cg {
							f(from+c, at, to+c)
						}
					}
				}
			}
		}
	}
	var all sync.WaitGroup
	for sample := range k.n { // a sample's y and dx are its own
		all.Go(func() {
			for n := range k.out {
				each(sample, n, func(i, j, l int) {
					y[j].add(x[i], w[l])
					dx[i].add(dy[j], w[l])
				})
			}
		})
	}
	for n := range k.out { // an output's dw is its own
		all.Go(func() {
			for sample := range k.n {
				each(sample, n, func(i, j, l int) { dw[l].add(dy[j], x[i]) })
			}
		})
	}
	all.Wait()
	for i := range y {
		if k.bias {
			y[i].add(bias[i%k.out], 1)
		}
		if k.relu {
			y[i].sum = max(y[i].sum, 0)
		}
	}
	for i := range dw {
		dw[i].add(before[i], 1)
	}
	return y, dx, dw
}

// near holds every value to its rounding: of the sum by its terms' sizes, of the result by
// its type.
func (k *convCase) near(t testing.TB, what string, got []float32, want []exact, elem cu.Type) {
	t.Helper()
	bad := 0
	for i, w := range want {
		most := 1e-5*w.size + 1e-30
		if elem == cu.BF16 {
			most += math.Abs(w.sum) / 256
		}
		if off := math.Abs(float64(got[i]) - w.sum); !(off <= most) {
			if bad++; bad <= 3 {
				t.Errorf("%s[%d] is %g, want %g, within %g", what, i, got[i], w.sum, most)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%s: %d of %d values are off", what, bad, len(want))
	}
}

// compare runs the launches, turns times, and compares them with float64 and each other.
func (k *convCase) compare(t *testing.T, dev Device, turns int) {
	newConv(t, dev, k)
	defer k.release(t)
	x, dy, w, bias, before := k.noise(t)
	y, dx, dw := k.want(x, dy, w, bias, before)
	var last [3][]float32
	for turn := range turns {
		if k.accum && turn > 0 {
			if err := dev.driver.Upload(k.e.b.ws[0].grad, bytesOf(before)); err != nil {
				t.Fatal(err)
			}
		}
		if err := firstError(firstError(k.e.launch(k.f), k.e.launch(k.d)), k.e.launch(k.g)); err != nil {
			t.Fatal(err)
		}
		got := [3][]float32{k.take(t, k.e.at[1], len(y), dev.elem()), k.take(t, k.e.at[3], len(dx), dev.elem()), k.take(t, k.e.b.ws[0].grad, len(dw), cu.F32)}
		if turn == 0 {
			k.near(t, "y", got[0], y, dev.elem())
			k.near(t, "dx", got[1], dx, dev.elem())
			k.near(t, "dw", got[2], dw, cu.F32)
		} else {
			for i := range got {
				if !slices.Equal(got[i], last[i]) {
					t.Errorf("%s differs from run to run", [...]string{"y", "dx", "dw"}[i])
				}
			}
		}
		last = got
	}
}

// win is a window of groups = 1.
func win(kh, kw, sh, sw, pt, pl, pb, pr int) device.Window {
	return device.Window{KH: kh, KW: kw, SH: sh, SW: sw, PT: pt, PL: pl, PB: pb, PR: pr, Groups: 1}
}

func even(k, s, p int) device.Window { return win(k, k, s, s, p, p, p, p) }

// convCases are small ones of every kind: channels that copies fit and others, ragged
// sizes, strides with and without remainders, taps that no pixel sees, pixels that no tap
// sees.
func convCases() []*convCase {
	return []*convCase{
		{n: 2, c: 16, h: 9, w: 7, out: 16, win: even(3, 1, 1), bias: true},
		{n: 3, c: 3, h: 8, w: 8, out: 6, win: even(5, 1, 2), bias: true, accum: true},
		{n: 2, c: 1, h: 13, w: 11, out: 9, win: even(5, 1, 0)},
		{n: 2, c: 8, h: 10, w: 9, out: 40, win: even(3, 2, 1), bias: true, relu: true},
		{n: 2, c: 64, h: 6, w: 6, out: 72, win: even(1, 2, 0)},
		{n: 1, c: 36, h: 7, w: 7, out: 130, win: even(3, 1, 1), accum: true},
		{n: 2, c: 6, h: 11, w: 12, out: 10, win: win(3, 2, 3, 2, 2, 1, 0, 2)},
		{n: 2, c: 10, h: 9, w: 10, out: 18, win: win(1, 5, 1, 2, 0, 3, 0, 1), bias: true},
		{n: 2, c: 8, h: 16, w: 16, out: 32, win: even(2, 3, 0)}, // pixels that no tap sees
		{n: 2, c: 24, h: 2, w: 3, out: 20, win: even(7, 2, 3)},  // taps that see padding alone
		{n: 2, c: 16, h: 8, w: 8, out: 24, win: even(3, 1, 1), skew: true, relu: true},
		{n: 40, c: 4, h: 9, w: 9, out: 8, win: even(3, 1, 1), accum: true}, // parts of dw
	}
}
