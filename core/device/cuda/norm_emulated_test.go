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
	"pare/core/tensor"
)

// TestBatchNormEmulated runs the source of kernels/batchnorm.cu on the processor, like
// TestConvEmulated, and compares with loops in float64: with parts that are cut into splits
// and without, channels that loads of eight fit and others.
func TestBatchNormEmulated(t *testing.T) {
	m := newEmulator(t)
	for _, c := range []struct {
		precision    Precision
		n, c, pixels int
		splits       bool
	}{{BF16, 70, 16, 30, true}, {BF16, 33, 5, 2, false}, {F32, 40, 40, 9, true}, {F32, 3, 3, 7, true}} {
		t.Run(fmt.Sprintf("%v/%d×%d×%d", c.precision, c.n, c.pixels, c.c), func(t *testing.T) {
			card := cufake.New(1 << 26)
			card.OnLaunch = func(name string, grid, block [3]int, shared int, args []unsafe.Pointer) error {
				return m.run(card, name, grid, block, shared, args)
			}
			compareNorm(t, With(card, nil, c.precision), c.n, c.c, c.pixels)
			if (card.Calls("norm_fold") == 1) != c.splits || (card.Calls("norm_dfold") == 1) != c.splits {
				t.Errorf("parts are cut into splits %d and %d times", card.Calls("norm_fold"), card.Calls("norm_dfold"))
			}
		})
	}
}

// compareNorm runs a batch norm forward and backward.
func compareNorm(t *testing.T, dev Device, n, c, pixels int) {
	const eps, momentum = 1e-3, 0.1
	w := func(name string, train bool) device.Weight {
		return device.Weight{Name: name, Shape: tensor.Shape{c}, Train: train, Groups: 1}
	}
	bk, err := dev.NewBank([]device.Weight{w("gamma", true), w("beta", true), w("mean", false), w("var", false)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &device.Plan{Batch: n, T: T, P: 1, Output: -1, InGrad: -1, Nodes: []string{"norm"}, Stats: []int{c}}
	val := func(v device.Val) int {
		v.Off = p.Slab
		p.Vals = append(p.Vals, v)
		p.Slab += v.C * v.H * v.W * T
		return len(p.Vals) - 1
	}
	act := func() int { return val(device.Val{C: c, H: 1, W: pixels}) }
	part := func() int { return val(device.Val{Kind: device.PartVal, C: 2 * c, H: 1, W: 1}) }
	x, y, dy, dx, stats, dstats := act(), act(), act(), act(), part(), part()
	p.Input = x
	p.Regions = []device.Region{{Scope: device.Task, Calls: []device.Call{
		{Kernel: device.NormStats, In: []int{x}, Out: []int{stats}},
		{Kernel: device.NormMerge, In: []int{stats}, W: []int{2, 3}, S: [2]float32{eps, momentum}},
		{Kernel: device.NormApply, In: []int{x}, Out: []int{y}, W: []int{0, 1}},
		{Kernel: device.NormDStats, In: []int{x, dy}, Out: []int{dstats}},
		{Kernel: device.NormDMerge, In: []int{dstats}, W: []int{0, 1}},
		{Kernel: device.NormDX, In: []int{x, dy}, Out: []int{dx}, W: []int{0}},
	}}}
	k := &convCase{n: n, e: &exec{dev: dev, p: p, b: bk.(*bank), runs: map[mode]*run{}, tables: map[string]cu.Ptr{}}}
	e := k.e
	if err := e.allot(); err != nil {
		t.Fatal(err)
	}
	defer k.release(t)
	r := rand.New(rand.NewPCG(3, 5))
	count := n * pixels * c
	xs, dys := k.put(t, r, e.at[x], count, dev.elem()), k.put(t, r, e.at[dy], count, dev.elem())
	gamma, beta := k.put(t, r, e.b.ws[0].v, c, cu.F32), k.put(t, r, e.b.ws[1].v, c, cu.F32)
	mean, variance := k.put(t, r, e.b.ws[2].v, c, cu.F32), k.put(t, r, e.b.ws[3].v, c, cu.F32)
	b := newBuilder(e, mode{n: n})
	if err := firstError(b.all(), e.launch(b.out)); err != nil {
		t.Fatal(err)
	}
	got := [][]float32{
		k.take(t, e.at[y], count, dev.elem()), k.take(t, e.at[dx], count, dev.elem()),
		k.take(t, e.b.ws[0].grad, c, cu.F32), k.take(t, e.b.ws[1].grad, c, cu.F32), k.take(t, e.b.ws[2].v, c, cu.F32), k.take(t, e.b.ws[3].v, c, cu.F32),
	}
	want := make([][]float64, len(got))
	for i := range want {
		want[i] = make([]float64, len(got[i]))
	}
	m := float64(n * pixels)
	for ch := range c {
		var mu, v, db, dg float64
		for i := ch; i < count; i += c {
			mu += float64(xs[i]) / m
		}
		for i := ch; i < count; i += c {
			v += (float64(xs[i]) - mu) * (float64(xs[i]) - mu) / m
		}
		rstd := 1 / math.Sqrt(v+eps)
		for i := ch; i < count; i += c {
			hat := (float64(xs[i]) - mu) * rstd
			want[0][i] = hat*float64(gamma[ch]) + float64(beta[ch])
			db += float64(dys[i])
			dg += float64(dys[i]) * hat
		}
		for i := ch; i < count; i += c {
			hat := (float64(xs[i]) - mu) * rstd
			want[1][i] = float64(gamma[ch]) * rstd * (float64(dys[i]) - db/m - hat*dg/m)
		}
		want[2][ch], want[3][ch] = dg, db
		want[4][ch] = (1-momentum)*float64(mean[ch]) + momentum*mu
		want[5][ch] = (1-momentum)*float64(variance[ch]) + momentum*v*m/(m-1)
	}
	for i, name := range []string{"y", "dx", "dgamma", "dbeta", "running mean", "running variance"} {
		most := 1e-5
		if i < 2 && dev.elem() == cu.BF16 {
			most = 1e-2
		}
		for j, w := range want[i] {
			if off := math.Abs(float64(got[i][j]) - w); !(off <= most*(1+math.Abs(w))) {
				t.Errorf("%s[%d] is %g, want %g", name, j, got[i][j], w)
				break
			}
		}
	}
}
