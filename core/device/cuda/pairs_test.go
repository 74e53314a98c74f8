package cuda_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// pairNet is three layers, the middle one of 2:4 weights: in → gelu(mid) → out, with a bias.
type pairNet struct {
	in, mid int
	both    bool // 2:4 along outputs as well
	frozen  bool
}

func (n pairNet) model(t *testing.T) (*graph.Model, []device.Weight, int) {
	t.Helper()
	b := &graph.Net{M: graph.New("net", n.in, 1, 1)}
	x := b.Op("first", "tanh", b.Linear("before", 0, n.in))
	b.Linear("out", b.Op("gelu", "gelu_tanh", b.Linear("a", x, n.mid)), 10)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	a := b.M.Param("a.weight")
	p := &b.M.Params[a]
	p.Frozen, p.Mask = n.frozen, tensor.NewMask(p.Shape.Len())
	for i := range p.Shape.Len() {
		shift := 0
		if n.both {
			shift = i / n.in
		}
		if (shift+i%n.in)%4 < 2 {
			p.Mask.Drop(i)
		}
	}
	return b.M, plan.Weights(b.M, []plan.Choice{{Param: a, Format: tensor.NM24}}), a
}

// onPairs is a net on a fake card.
type onPairs struct {
	t    *testing.T
	card *cufake.Card
	bank device.Bank
	m    *graph.Model
	a    int
	dev  device.Device
}

// twice is a card on which 2:4 takes half of the dense time, and packing a tenth of it, by
// a table as by the library.
var twice = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.1, "pack_gather": 0.1}

func newPairs(t *testing.T, n pairNet, memory int64, takes map[string]float32, known map[string]string, told *device.Chosen) *onPairs {
	t.Helper()
	dev, card := cudatest.New(memory, cuda.BF16)
	card.Takes = takes
	o := &onPairs{t: t, card: card, dev: dev.Keeping(known, func(c device.Chosen) error {
		if told != nil {
			told.Choices = c.Choices
		}
		return nil
	})}
	var ws []device.Weight
	o.m, ws, o.a = n.model(t)
	var err error
	if o.bank, err = o.dev.NewBank(ws, 0); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *onPairs) compile(mode plan.Mode, batch int) (device.Exec, *device.Plan, error) {
	o.t.Helper()
	p, err := plan.Build(o.m, o.dev, plan.Options{Mode: mode, Batch: batch})
	if err != nil {
		o.t.Fatal(err)
	}
	e, err := o.dev.Compile(p, o.bank, 0)
	return e, p, err
}

func (o *onPairs) must(mode plan.Mode, batch int) device.Exec {
	o.t.Helper()
	e, _, err := o.compile(mode, batch)
	if err != nil {
		o.t.Fatal(err)
	}
	return e
}

// run takes a step and returns how often packing and the product were queued or recorded.
func (o *onPairs) run(e device.Exec, n int) (compressed, products int) {
	o.t.Helper()
	packs := func() int { return o.card.Calls("Compress") + o.card.Calls("pack_gather") }
	c, r := packs(), o.card.Calls("RunSparse")
	if _, err := e.Run(&device.Step{X: make([]float32, o.m.Input().Len()*n), Labels: make([]int32, n), N: n, LR: 0.1, Index: 1}); err != nil {
		o.t.Fatal(err)
	}
	return packs() - c, o.card.Calls("RunSparse") - r
}

func pairsOf(e device.Exec) map[device.Kernel]device.Paired {
	all := map[device.Kernel]device.Paired{}
	for _, p := range e.(device.Pairer).Pairs() {
		all[p.Kernel] = p
	}
	return all
}

func near(a, b float64) bool { return a-b < 1e-4 && b-a < 1e-4 }

// TestPairsGate: a product runs 2:4 where that, with packing in training, takes less than
// 0.98 of the dense time; else dense. Both times are told, and calls say what they skip.
func TestPairsGate(t *testing.T) {
	const gelu = 0.2 // of our kernels where the library has no epilogue
	for name, c := range map[string]struct {
		takes           map[string]float32
		net             pairNet
		forward, back   bool
		ms, evaluation  float64
		evaluated       bool
		whyBack         string
		inFront, behind int // of packing in a training step
	}{
		"twice as fast":    {takes: twice, net: pairNet{in: 64, mid: 32, both: true}, forward: true, back: true, ms: 0.5 + 0.1 + gelu, evaluation: 0.5, evaluated: true, inFront: 2},
		"along the inputs": {takes: twice, net: pairNet{in: 64, mid: 32}, forward: true, ms: 0.5 + 0.1 + gelu, evaluation: 0.5, evaluated: true, whyBack: "inputs alone", inFront: 1},
		"no gain by 2 %":   {takes: map[string]float32{"Run": 1, "RunSparse": 0.985, "Compress": 0.05, "pack_gather": 0.06}, net: pairNet{in: 64, mid: 32}, ms: 0.985 + 0.05 + gelu, evaluation: 0.985, whyBack: "inputs alone"},
		"packing costs":    {takes: map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.6, "pack_gather": 0.6}, net: pairNet{in: 64, mid: 32, both: true}, ms: 0.5 + 0.6 + gelu, evaluation: 0.5, evaluated: true},
		"frozen":           {takes: map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.6, "pack_gather": 0.6}, net: pairNet{in: 64, mid: 32, both: true, frozen: true}, forward: true, back: true, ms: 0.5 + gelu, evaluation: 0.5, evaluated: true, behind: 2},
	} {
		t.Run(name, func(t *testing.T) {
			takes := maps.Clone(c.takes)
			takes["act"] = gelu
			o := newPairs(t, c.net, 1<<24, takes, nil, nil)
			step, p, err := o.compile(plan.Train, 24)
			if err != nil {
				t.Fatal(err)
			}
			got := pairsOf(step)
			f, b := got[device.Linear], got[device.LinearDX]
			if f.W != o.a || f.Used != c.forward || !near(f.MS, c.ms) || !near(f.Dense, 1) || b.Used != c.back || !strings.Contains(b.Why, c.whyBack) {
				t.Errorf("%+v", got)
			}
			skipped := device.Cost{}
			for _, k := range plan.Costs(p, o.bank.Weights(), 24) {
				skipped = skipped.Add(k)
			}
			half := int64(24 * c.net.in * c.net.mid / 2)
			want := int64(0)
			for _, used := range []bool{c.forward, c.back} {
				if used {
					want += half
				}
			}
			if skipped.Skipped != want {
				t.Errorf("%d multiply-adds are skipped, want %d", skipped.Skipped, want)
			}
			eval := o.must(plan.Eval, 24)
			if f := pairsOf(eval)[device.Linear]; f.Used != c.evaluated || !near(f.MS, c.evaluation) {
				t.Errorf("evaluation: %+v", f)
			}
			// Packing is in each training step, or once in front of it; a graph repeats what it recorded.
			products := 0
			for _, used := range []bool{c.forward, c.back} {
				if used {
					products++
				}
			}
			for i, want := range [][2]int{{c.inFront + c.behind, products}, {c.inFront, products}, {0, 0}} {
				if a, b := o.run(step, 24); a != want[0] || b != want[1] {
					t.Errorf("step %d: packed %d times, %d products, want %v", i, a, b, want)
				}
			}
			// An evaluation packs what a step has moved since, and no more.
			packs := 0
			if c.evaluated && !c.net.frozen {
				packs = 1
			}
			for i, want := range []int{packs, 0} {
				if a, _ := o.run(eval, 24); a != want {
					t.Errorf("evaluation %d packed %d times, want %d", i, a, want)
				}
			}
			o.run(step, 24)
			if a, _ := o.run(eval, 24); a != packs {
				t.Errorf("an evaluation after a step packed %d times, want %d", a, packs)
			}
			if err := o.bank.Set(o.a, make([]float32, c.net.in*c.net.mid)); err != nil {
				t.Fatal(err)
			}
			if a, _ := o.run(eval, 24); c.evaluated && a != 1 {
				t.Errorf("an evaluation of new weights packed %d times", a)
			}
			for _, e := range []interface{ Close() error }{step, eval, o.bank} {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
			if l := o.card.Leaks(); len(l) > 0 || o.card.Used() != 0 {
				t.Errorf("left: %v, %d bytes", l, o.card.Used())
			}
		})
	}
}

// TestPairsAreTimedAsStepsRun: steps are graphs, so what queueing a product takes does not count.
func TestPairsAreTimedAsStepsRun(t *testing.T) {
	dev, card := cudatest.New(1<<24, cuda.BF16)
	card.Takes = map[string]float32{"Run": 1, "RunSparse": 1.2}
	card.Queues = map[string]float32{"Run": 5, "RunSparse": 1}
	o := &onPairs{t: t, card: card, dev: dev}
	var ws []device.Weight
	o.m, ws, o.a = pairNet{in: 64, mid: 32}.model(t)
	var err error
	if o.bank, err = o.dev.NewBank(ws, 0); err != nil {
		t.Fatal(err)
	}
	for k, f := range pairsOf(o.must(plan.Eval, 24)) {
		if f.Used || !near(f.MS, 1.2) || !near(f.Dense, 1) {
			t.Errorf("%v: %+v", k, f)
		}
	}
}

// TestPairsAreTheRuns: a resumed run takes what it chose, whatever the clock says now; of
// another version of the library it is refused in words.
func TestPairsAreTheRuns(t *testing.T) {
	var told device.Chosen
	n := pairNet{in: 64, mid: 32, both: true}
	o := newPairs(t, n, 1<<24, twice, nil, &told)
	e := o.must(plan.Train, 24)
	o.run(e, 24)
	found := ""
	for what, choice := range told.Choices {
		if strings.HasPrefix(what, "2:4 24×32×64") {
			found = what
			if !strings.HasPrefix(choice, "2:4 fake fake 0.6000 1.0000, packed by ") || !strings.HasSuffix(what, " packed each run") {
				t.Errorf("%s: %s", what, choice)
			}
		}
	}
	if found == "" {
		t.Fatalf("%v", told.Choices)
	}
	slow := map[string]float32{"Run": 1, "RunSparse": 2}
	again := newPairs(t, n, 1<<24, slow, told.Choices, nil)
	e = again.must(plan.Train, 24)
	if f := pairsOf(e)[device.Linear]; !f.Used || !near(f.MS, 0.6) || !near(f.Dense, 1) || again.card.Calls("Prepare2of4") > 0 {
		t.Errorf("%+v; %d chosen anew", f, again.card.Calls("Prepare2of4"))
	}
	if again.run(e, 24); again.card.Calls("Prepare") > 0 {
		t.Error("dense products were chosen anew")
	}
	for _, bad := range []string{"2:4 0.7.1 fake 0.6 1", "2:4 fake", "quick"} {
		known := maps.Clone(told.Choices)
		known[found] = bad
		if _, _, err := newPairs(t, n, 1<<24, twice, known, nil).compile(plan.Train, 24); !errors.Is(err, device.ErrKept) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestPairsMemory: packs are counted before they are taken, and are in the error of a plan
// that does not fit.
func TestPairsMemory(t *testing.T) {
	n := pairNet{in: 512, mid: 256, both: true}
	o := newPairs(t, n, 1<<24, twice, nil, nil)
	before, resident := o.card.Used(), o.bank.Resident()
	_, _, err := o.compile(plan.Train, 4096)
	if !errors.Is(err, device.ErrMemory) || !strings.Contains(err.Error(), "kept values of 2:4 weights and tables to pack them 876.0 KiB") || !strings.Contains(err.Error(), "use a batch of at most ") || o.card.Used() != before {
		t.Fatalf("%v; %d bytes left", err, o.card.Used()-before)
	}
	step := o.must(plan.Train, 24)
	for range 3 {
		o.run(step, 24)
	}
	if took := o.card.Used() - before; took != step.(device.Sized).Takes() {
		t.Errorf("%d bytes were taken, %d counted", took, step.(device.Sized).Takes())
	}
	const packs = 2 * (512*256*260/256 + 512*256/8)
	if got := o.bank.Resident() - resident; got != packs {
		t.Errorf("%d more bytes are resident, the packs have %d", got, packs)
	}
	used := o.card.Used()
	eval := o.must(plan.Eval, 24) // shares the pack
	if took := o.card.Used() - used; took != eval.(device.Sized).Takes() {
		t.Errorf("evaluation: %d bytes were taken, %d counted", took, eval.(device.Sized).Takes())
	}
	if err := step.Close(); err != nil {
		t.Fatal(err)
	}
	if got := o.bank.Resident() - resident; got != packs/2 {
		t.Errorf("after training %d bytes of packs are resident, evaluations need %d", got, packs/2)
	}
	o.run(eval, 24)
	for _, e := range []interface{ Close() error }{eval, o.bank} {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if l := o.card.Leaks(); len(l) > 0 || o.card.Used() != 0 {
		t.Errorf("left: %v, %d bytes", l, o.card.Used())
	}
}

// TestPairsThatDoNotFit: sizes that the library does not take run dense and say so, and so
// does a smaller batch of a plan that is 2:4.
func TestPairsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		net   pairNet
		batch int
		want  string
	}{
		{pairNet{in: 64, mid: 40, both: true}, 24, "multiples of 16 and rows of 8, not 64, 40 and 24"},
		{pairNet{in: 40, mid: 64, both: true}, 24, "not 40, 64 and 24"},
		{pairNet{in: 64, mid: 32, both: true}, 20, "not 64, 32 and 20"},
	} {
		o := newPairs(t, c.net, 1<<24, twice, nil, nil)
		e := o.must(plan.Train, c.batch)
		if f := pairsOf(e)[device.Linear]; f.Used || f.MS != 0 || !strings.Contains(f.Why, c.want) {
			t.Errorf("%+v, want %q", f, c.want)
		}
		if a, b := o.run(e, c.batch); a+b > 0 {
			t.Errorf("%v: %d packed, %d products", c.net, a, b)
		}
	}
	o := newPairs(t, pairNet{in: 64, mid: 32, both: true}, 1<<24, twice, nil, nil)
	e := o.must(plan.Train, 24)
	if _, b := o.run(e, 24); b != 2 {
		t.Errorf("%d products", b)
	}
	if a, b := o.run(e, 20); a+b > 0 {
		t.Errorf("20 of 24 samples: %d packed, %d products", a, b)
	}
	if _, err := o.dev.NewBank([]device.Weight{{Name: "w", Shape: tensor.Shape{8, 8}, Matrix: true, Format: tensor.NM24}}, 0); err == nil {
		t.Error("a 2:4 weight without a mask is taken")
	}
	f32, _ := cudatest.New(1<<24, cuda.F32)
	if f32.Supports(device.Linear, tensor.NM24) {
		t.Error("float32 has 2:4 products")
	}
}

// TestPairsEpilogues: GELU, which the library has no epilogue for, is a kernel of ours
// behind a 2:4 product; the dense one makes it on the way out.
func TestPairsEpilogues(t *testing.T) {
	count := func(takes map[string]float32) (acts int) {
		o := newPairs(t, pairNet{in: 64, mid: 32, both: true}, 1<<24, takes, nil, nil)
		e := o.must(plan.Train, 24)
		o.card.OnLaunch = func(name string, _, _ [3]int, _ int, _ []unsafe.Pointer) error {
			if name == "act" {
				acts++
			}
			return nil
		}
		o.run(e, 24)
		return acts
	}
	if dense, pairs := count(map[string]float32{"Run": 1, "RunSparse": 2}), count(twice); pairs != dense+1 {
		t.Errorf("%d activations are launched, %d of the dense plan", pairs, dense)
	}
}

// TestPairsRefused: a product that the library refuses runs dense and says why, in the run's
// choices as well; one that memory lacks to time is dense, too, but not on this machine for
// good; a card that is lost is an error.
func TestPairsRefused(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	var told device.Chosen
	o := newPairs(t, n, 1<<24, twice, nil, &told)
	o.card.Refuse = func(string, string) bool { return true } // while the plan is compiled, when 2:4 is prepared first
	e := o.must(plan.Train, 24)
	f := pairsOf(e)[device.Linear]
	if f.Used || !strings.Contains(f.Why, "2:4 is refused") {
		t.Errorf("%+v", f)
	}
	o.card.Refuse = nil
	o.run(e, 24)
	again := newPairs(t, n, 1<<24, twice, told.Choices, nil)
	if g := pairsOf(again.must(plan.Train, 24))[device.Linear]; g != f {
		t.Errorf("resumed: %+v, was %+v", g, f)
	}
	o = newPairs(t, n, 1<<24, twice, nil, nil)
	o.card.FailAt("Alloc", 1, errFull)
	if f := pairsOf(o.must(plan.Train, 24))[device.Linear]; f.Used || !strings.Contains(f.Why, "memory") {
		t.Errorf("%+v", f)
	}
	o = newPairs(t, n, 1<<24, twice, nil, nil)
	o.card.Lose("Compress", 1)
	if _, _, err := o.compile(plan.Train, 24); !errors.Is(err, device.ErrLost) {
		t.Error(err)
	}
}
