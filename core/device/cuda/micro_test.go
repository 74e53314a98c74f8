package cuda

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/graph"
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

// TestRecomputeLaunchesTheSame: what values are made by is the same both times, so that the
// bits are: a plan with recompute launches no kernel and no product onto what is there that
// the plain one does not, and of none fewer.
func TestRecomputeLaunchesTheSame(t *testing.T) {
	for name, m := range map[string]*graph.Model{"gelu": zooModel(t, "gpt-nano"), "gated": gatedNet(t, false), "gated, frozen": gatedNet(t, true)} {
		var of [2]map[string]int
		for i, again := range []bool{false, true} {
			count := map[string]int{}
			var betas []float32
			card := cufake.New(1 << 28)
			card.OnLaunch = func(name string, _, _ [3]int, _ int, _ []unsafe.Pointer) error {
				count[name]++
				return nil
			}
			dev := With(card, adding{cufake.NewBlas(card), &betas}, BF16)
			bank, err := dev.NewBank(plan.Weights(m, nil), 2)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: 8, Recompute: again, Optim: device.Optim{Kind: device.AdamW}})
			if err != nil {
				t.Fatal(err)
			}
			e, err := dev.Compile(p, bank, 1)
			if err != nil {
				t.Fatal(err)
			}
			s := &device.Step{X: make([]float32, 8*16), Labels: make([]int32, 8*16), N: 8, LR: 0.1, Index: 1}
			if _, err := e.Run(s); err != nil {
				t.Fatal(err)
			}
			for _, beta := range betas {
				count["product, beta "+string('0'+rune(beta))]++
			}
			of[i] = count
		}
		for k, n := range of[1] {
			if strings.HasPrefix(k, "updates") || strings.HasPrefix(k, "update") { // small ones share a launch within a stretch
				continue
			}
			if of[0][k] == 0 || n < of[0][k] || n > 2*of[0][k] {
				t.Errorf("%s: %d of %s with values made again, %d without", name, n, k, of[0][k])
			}
		}
		for k := range of[0] {
			if of[1][k] == 0 {
				t.Errorf("%s: no %s with values made again", name, k)
			}
		}
	}
}

func zooModel(t *testing.T, name string) *graph.Model {
	t.Helper()
	m, _, err := zoo.New(name, 1, zoo.Input{C: 1, H: 1, W: 1, Tokens: 16, Vocab: 63}, 63)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gatedNet is a small net of Llama's layers, with all but the gates frozen or none.
func gatedNet(t *testing.T, frozen bool) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.NewSequence("gated", 1, 16)}
	x := b.Embedding("table", 0, 63, 32)
	for _, at := range []string{"a", "b", "c"} {
		y := b.RMSNorm(at+".n1", x, 1e-5)
		y = b.Attention(at+".attn", 2, 2, true, b.Rope(at+".rq", b.Linear(at+".q", y, 32), 2, 1e4), b.Rope(at+".rk", b.Linear(at+".k", y, 32), 2, 1e4), b.Linear(at+".v", y, 32))
		x = b.Op(at+".add1", "add", x, b.Linear(at+".o", y, 32))
		y = b.RMSNorm(at+".n2", x, 1e-5)
		g := b.Op(at+".mul", "mul", b.Op(at+".silu", "silu", b.Linear(at+".gate", y, 64)), b.Linear(at+".up", y, 64))
		x = b.Op(at+".add2", "add", x, b.Linear(at+".down", g, 32))
	}
	b.Linear("out", b.RMSNorm("norm", x, 1e-5), 63)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Frozen = frozen && !strings.Contains(p.Name, ".gate.") && p.Name != "table.weight"
	}
	if err := zoo.Init(b.M, 1); err != nil {
		t.Fatal(err)
	}
	return b.M
}
