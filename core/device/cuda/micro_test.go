package cuda

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/model/zoo"
	"pare/core/plan"
)

// adding is a library that notes what products add to, one of them alone at a time.
type adding struct {
	cu.Blas
	betas *[]float32
}

func (a adding) RunOnto(q cu.Prepared, x, w, c, d, bias, aux cu.Ptr, alpha, beta float32) error {
	*a.betas = append(*a.betas, beta)
	return a.Blas.RunOnto(q, x, w, c, d, bias, aux, alpha, beta)
}

// TestMicrosLaunch: the first part of a step writes gradients, the others add to them,
// sums over rows of their own then; the last one alone moves the weights. Steps of whole
// batches and of parts by turns keep launches of their own.
func TestMicrosLaunch(t *testing.T) {
	dw, db := upDW, upDB
	dw.Update, db.Update = true, true
	l := lower(loadX, up32, dw, db)
	l.p.Micros = 3
	var names []string
	var betas []float32
	var adds []int32
	card := cufake.New(1 << 30)
	card.OnLaunch = func(name string, _, _ [3]int, _ int, args []unsafe.Pointer) error {
		names = append(names, name)
		if name == "sum_parts" {
			adds = append(adds, *(*int32)(args[len(args)-1]))
		}
		return nil
	}
	dev := With(card, adding{cufake.NewBlas(card), &betas}, F32)
	bank, err := dev.NewBank(l.ws, 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(&l.p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	const first, middle, last, whole = "load", "load sum_splits sum_parts", "load sum_splits sum_parts updates", "load updates"
	for _, c := range []struct {
		m       device.Micro
		kernels string
		beta    float32
	}{
		{device.Micro{Rows: 12, Hold: true}, first, 0}, {device.Micro{First: 4, Rows: 12, Onto: true, Hold: true}, middle, 1},
		{device.Micro{First: 8, Rows: 12, Onto: true}, last, 1}, {device.Micro{}, whole, 0},
		{device.Micro{Rows: 12, Hold: true}, first, 0}, {device.Micro{First: 4, Rows: 12, Onto: true}, last, 1},
	} {
		names, betas = nil, nil
		for i := range 3 { // the second time a graph is recorded, the third it runs
			if _, err := e.Run(&device.Step{X: make([]float32, 4*16), N: 4, Index: 1, Micro: c.m}); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if got := strings.Join(names, " "); got != "" && got != c.kernels {
					t.Errorf("%+v launches %q, want %q", c.m, got, c.kernels)
				}
				if n := len(betas); n > 0 && betas[n-1] != c.beta {
					t.Errorf("%+v: the gradient is added to what is there times %g, want %g", c.m, betas[n-1], c.beta)
				}
			}
		}
	}
	if len(adds) == 0 || slices.Contains(adds, 0) {
		t.Errorf("sums of parts are added: %v", adds)
	}
	if n := len(e.(*exec).runs); n != 4 {
		t.Errorf("%d runs are kept, want 4", n)
	}
	for _, c := range []interface{ Close() error }{e, bank} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if left := card.Leaks(); len(left) > 0 {
		t.Errorf("left on the card: %v", left)
	}
}

// TestMicrosAreCounted: what steps in parts take of the card is what was counted before the
// first one.
func TestMicrosAreCounted(t *testing.T) {
	for _, p := range []Precision{F32, BF16} {
		card := cufake.New(1 << 26)
		dev := With(card, cufake.NewBlas(card), p)
		m, _, err := zoo.New("gpt-nano", 1, zoo.Input{C: 1, H: 1, W: 1, Tokens: 16, Vocab: 63}, 63)
		if err != nil {
			t.Fatal(err)
		}
		bank, err := dev.NewBank(plan.Weights(m, nil), 2)
		if err != nil {
			t.Fatal(err)
		}
		q, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: 11, Micros: 4, Recompute: p == BF16, Optim: device.Optim{Kind: device.AdamW}})
		if err != nil {
			t.Fatal(err)
		}
		before := card.Used()
		e, err := dev.Compile(q, bank, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := &device.Step{X: make([]float32, 11*16), Labels: make([]int32, 11*16), N: 11, LR: 0.1, Index: 1}
		for range 3 {
			for _, n := range []int{11, 3, 7} {
				s.N = n
				if _, err := device.RunParts(e, q, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		if took := card.Used() - before; took != e.(device.Sized).Takes() {
			t.Errorf("%v: steps took %d bytes, %d were counted", p, took, e.(device.Sized).Takes())
		}
		for _, c := range []interface{ Close() error }{e, bank} {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
