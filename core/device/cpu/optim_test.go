package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
)

// reference does one step of torch.optim's rule in float64, following the
// pseudo-code of its documentation.
func reference(o device.Optim, lr float64, t int, w, g, s1, s2 *float64) {
	d := func(x float32) float64 { return decimal(x) }
	wd, gr := d(o.WeightDecay), *g
	if o.Kind == device.SGD {
		gr += wd * *w
		if mu := d(o.Momentum); mu != 0 {
			if t == 1 {
				*s1 = gr
			} else {
				*s1 = mu**s1 + gr
			}
			if o.Nesterov {
				gr += mu * *s1
			} else {
				gr = *s1
			}
		}
		*w -= lr * gr
		return
	}
	if o.Kind == device.AdamW {
		*w -= lr * wd * *w
	} else {
		gr += wd * *w
	}
	b1, b2 := d(o.Beta1), d(o.Beta2)
	*s1 = b1**s1 + (1-b1)*gr
	*s2 = b2**s2 + (1-b2)*gr*gr
	mh, vh := *s1/(1-math.Pow(b1, float64(t))), *s2/(1-math.Pow(b2, float64(t)))
	*w -= lr * mh / (math.Sqrt(vh) + d(o.Eps))
}

func TestOptimiser(t *testing.T) {
	for _, o := range []device.Optim{
		{},
		{WeightDecay: 0.1},
		{Momentum: 0.9},
		{Momentum: 0.9, WeightDecay: 0.01},
		{Momentum: 0.9, Nesterov: true, WeightDecay: 0.01},
		{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8},
		{Kind: device.Adam, Beta1: 0.9, Beta2: 0.999, Eps: 1e-3, WeightDecay: 0.1},
		{Kind: device.AdamW, Beta1: 0.8, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			eachISA(t, func(t *testing.T) {
				for _, n := range []int{1, 7, 8, 9, 16, 37, maxFloats + 5} {
					testOptimiser(t, o, n)
				}
			})
		})
	}
}

func testOptimiser(t *testing.T, o device.Optim, n int) {
	const lr = 0.01
	r := rand.New(rand.NewPCG(uint64(n), 9))
	w, g := newGuarded(t, "w", n, 1).random(r), newGuarded(t, "g", n, 2)
	s := make([]*guarded, 2)
	ref := make([][]float64, 3)
	for i := range ref {
		ref[i] = make([]float64, n)
	}
	for i, v := range w.x {
		ref[0][i] = float64(v)
	}
	var slots [2][]float32
	for i := range o.Slots() {
		s[i] = newGuarded(t, fmt.Sprint("slot ", i), n, i).fill(0)
		slots[i] = s[i].x
	}
	for step := 1; step <= 4; step++ {
		g.random(r)
		u := newOptimiser(o, lr, int64(step), true)
		u.update(w.x, g.x, slots[0], slots[1])
		for i := range n {
			gr := float64(g.x[i])
			reference(o, decimal(lr), step, &ref[0][i], &gr, &ref[1][i], &ref[2][i])
		}
	}
	for i := range n {
		if !near(w.x[i], ref[0][i], 1) {
			t.Fatalf("n %d: weight %d is %g, want %g", n, i, w.x[i], ref[0][i])
		}
		for k := range o.Slots() {
			if !near(slots[k][i], ref[1+k][i], math.Abs(ref[1+k][i])+0.1) {
				t.Fatalf("n %d: state %d of weight %d is %g, want %g", n, k, i, slots[k][i], ref[1+k][i])
			}
		}
	}
}

// TestOptimiserDecay: a weight without decay must not shrink.
func TestOptimiserDecay(t *testing.T) {
	for _, kind := range []device.OptimKind{device.SGD, device.AdamW} {
		w, zero := []float32{1}, []float32{0}
		u := newOptimiser(device.Optim{Kind: kind, Beta1: 0.9, Beta2: 0.99, Eps: 1, WeightDecay: 0.5}, 0.1, 1, false)
		u.update(w, zero, []float32{0}, []float32{0})
		if w[0] != 1 {
			t.Errorf("rule %d moved the weight to %g", kind, w[0])
		}
	}
}

func TestAlloc(t *testing.T) {
	for n := range 40 {
		x := alloc(n)
		if len(x) != n || uintptr(ptr(x))&63 != 0 && n > 0 {
			t.Fatalf("%d floats: length %d at %p", n, len(x), ptr(x))
		}
	}
}
