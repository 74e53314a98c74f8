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
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/plan"
)

// newHopper is newPairs on a card with kernels of ours for 2:4 products.
func newHopper(t *testing.T, n pairNet, takes map[string]float32, known map[string]string, told *device.Chosen) *onPairs {
	t.Helper()
	dev, card := cudatest.New(1<<24, cuda.BF16)
	card.Takes, card.Hopper = takes, true
	o := &onPairs{t: t, card: card, dev: dev.Keeping(known, func(c device.Chosen) error {
		if told != nil {
			told.Choices, told.Said = c.Choices, append(told.Said, c.Said...)
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

// TestOwnPairs: of dense products, cuSPARSELt's and ours the fastest runs, with packing where
// the weight moves, and a resumed run takes the same whatever the clock says.
func TestOwnPairs(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	own := map[string]float32{"Run": 1, "RunSparse": 0.6, "Compress": 0.1, "pack_gather": 0.05, "sparse24": 0.5, "sparse24_pack": 0.04}
	var told device.Chosen
	o := newHopper(t, n, own, nil, &told)
	step := o.must(plan.Train, 24)
	for k, f := range pairsOf(step) {
		if !f.Used || f.Packed != "by a kernel" || !near(f.MS, 0.54) || !near(f.Dense, 1) {
			t.Errorf("%v: %+v", k, f)
		}
	}
	type launched struct{ packs, products, library int }
	count := func() launched {
		return launched{o.card.Calls("sparse24_pack"), o.card.Calls("sparse24"), o.card.Calls("RunSparse") + o.card.Calls("Compress") + o.card.Calls("pack_gather")}
	}
	o.card.OnLaunch = func(name string, grid, _ [3]int, _ int, args []unsafe.Pointer) error {
		if name != "sparse24" {
			return nil
		}
		x, y := *(*cu.Map)(args[0]), *(*cu.Map)(args[1])
		if outs, ins := *(*int32)(args[6]), *(*int32)(args[7]); x[1] != 24 || x[2] != uint64(ins) || y[1] != 24 || y[2] != uint64(outs) || grid[0]%2 != 0 {
			t.Errorf("%d blocks of x %v, y %v, %d outputs of %d inputs", grid[0], x, y, outs, ins)
		}
		return nil
	}
	for i := range 3 { // the third from a graph
		before := count()
		o.run(step, 24)
		if now := count(); i < 1 && now != (launched{before.packs + 2, before.products + 2, before.library}) {
			t.Errorf("step %d: %+v, before %+v", i, now, before)
		}
	}
	o.card.OnLaunch = nil
	known, paired := told.Choices, 0
	for what, choice := range known {
		if !strings.HasPrefix(what, "2:4 ") {
			continue
		}
		if paired++; !strings.HasPrefix(choice, "2:4 pare-2 ") || !strings.Contains(what, " or pare-2") {
			t.Errorf("%s: %s", what, choice)
		}
	}
	if paired != 2 {
		t.Errorf("%d choices between dense and 2:4 were told", paired)
	}
	// An evaluation shares the pack, and packs it anew since the weight moved.
	eval := o.must(plan.Eval, 24)
	before, used := count(), o.card.Used()
	o.run(eval, 24)
	if now := count(); now.packs != before.packs+1 || now.library != before.library {
		t.Errorf("evaluation: %+v, before %+v", now, before)
	}
	o.run(eval, 24)
	if now := count(); now.packs != before.packs+1 || o.card.Used() > used {
		t.Errorf("evaluation again: %+v", now)
	}
	for _, e := range []interface{ Close() error }{step, eval, o.bank} {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if l := o.card.Leaks(); len(l) > 0 {
		t.Errorf("left: %v", l)
	}

	slow := maps.Clone(own)
	slow["sparse24"] = 2
	again := newHopper(t, n, slow, known, nil)
	if e := again.must(plan.Train, 24); !pairsOf(e)[device.Linear].Used || again.card.Calls("Prepare2of4") > 0 {
		t.Errorf("%+v; %d chosen anew", pairsOf(e), again.card.Calls("Prepare2of4"))
	}
	other := newHopper(t, n, slow, nil, nil)
	if f := pairsOf(other.must(plan.Train, 24))[device.Linear]; f.Packed != "by table" || !near(f.MS, 0.65) {
		t.Errorf("where the library is faster: %+v", f)
	}
	// A card without ours refuses what a run with it chose.
	if _, _, err := newPairs(t, n, 1<<24, own, known, nil).compile(plan.Train, 24); err == nil || !strings.Contains(err.Error(), "version pare-2, here are fake") {
		t.Error(err)
	}
}

// TestOwnPairsOfTheRest: of fewer samples the other library may be the fastest. A plan has its pack as
// one of them lays it out, and its products of any number of samples read that.
func TestOwnPairsOfTheRest(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	for _, own := range []bool{true, false} {
		takes := map[string]float32{"Run": 1, "RunSparse": 0.6, "Compress": 0.1, "pack_gather": 0.05, "sparse24": 0.7, "sparse24_pack": 0.04}
		faster, slower := "RunSparse", "sparse24"
		if own {
			faster, slower = slower, faster
			takes["sparse24"] = 0.5
		}
		var told device.Chosen
		o := newHopper(t, n, takes, nil, &told)
		step := o.must(plan.Train, 24)
		o.run(step, 24)
		known := maps.Clone(told.Choices)
		takes[faster] = 0.8 // of 16 samples, as if
		before, others := o.card.Calls(faster), o.card.Calls(slower)
		o.run(step, 16)
		maps.Copy(known, told.Choices)
		raced := o.card.Calls(slower) - others
		if o.card.Calls(faster) == before || raced == 0 {
			t.Errorf("own %t: %d products by %s", own, o.card.Calls(faster)-before, faster)
		}
		last := o.card.Calls(slower)
		o.run(step, 24)
		if o.card.Calls(slower) != last {
			t.Errorf("own %t: %s runs in a plan that packs for %s", own, slower, faster)
		}
		for _, e := range []interface{ Close() error }{step, o.bank} {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
		if l := o.card.Leaks(); len(l) > 0 {
			t.Errorf("own %t: left %v", own, l)
		}
		// A resumed run chooses nothing anew.
		again := newHopper(t, n, takes, known, nil)
		again.run(again.must(plan.Train, 24), 16)
		if again.card.Calls("Prepare2of4") > 0 || again.card.Calls(slower) > 0 || again.card.Calls(faster) != 2 {
			t.Errorf("own %t, resumed: %d chosen anew, %d products by %s, %d by %s", own, again.card.Calls("Prepare2of4"),
				again.card.Calls(faster), faster, again.card.Calls(slower), slower)
		}
	}
}

// TestOnlyOwnPairs: where cuSPARSELt refuses a product ours is taken all the same, and that is said.
func TestOnlyOwnPairs(t *testing.T) {
	var told device.Chosen
	o := newHopper(t, pairNet{in: 64, mid: 32, both: true}, map[string]float32{"Run": 1, "RunSparse": 0.1, "sparse24": 0.5}, nil, &told)
	for side := range 2 {
		o.card.FailAt("Prepare2of4", 1+side, cu.Fault("test", 1))
	}
	step := o.must(plan.Train, 24)
	o.run(step, 24)
	if f := pairsOf(step)[device.Linear]; !f.Used || f.Packed != "by a kernel" {
		t.Errorf("%+v", f)
	}
	if len(told.Said) == 0 || !strings.Contains(told.Said[0], "without one of the ways") {
		t.Errorf("%q", told.Said)
	}
}

// TestPairsFromBeforeOwn: a run that chose before there were kernels of ours goes on as it chose.
func TestPairsFromBeforeOwn(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	takes := map[string]float32{"Run": 1, "RunSparse": 0.6, "Compress": 0.1, "pack_gather": 0.05, "sparse24": 0.2, "sparse24_pack": 0.04}
	var told device.Chosen
	old := newPairs(t, n, 1<<24, takes, nil, &told)
	old.run(old.must(plan.Train, 24), 24)
	o := newHopper(t, n, takes, told.Choices, nil)
	step := o.must(plan.Train, 24)
	o.run(step, 24)
	for k, f := range pairsOf(step) {
		if !f.Used || f.Packed != "by table" {
			t.Errorf("%v: %+v", k, f)
		}
	}
	if o.card.Calls("Prepare2of4") > 0 || o.card.Calls("sparse24") > 0 || o.card.Calls("RunSparse") != 2 {
		t.Errorf("%d chosen anew, %d products of ours, %d of the library", o.card.Calls("Prepare2of4"), o.card.Calls("sparse24"), o.card.Calls("RunSparse"))
	}
}

// TestPairsWithoutOneOfTheWays: what a run chose is taken as long as the library of the choice is
// there; nothing is chosen anew among fewer than it began with, nor among more.
func TestPairsWithoutOneOfTheWays(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	takes := map[string]float32{"Run": 1, "RunSparse": 0.6, "Compress": 0.1, "pack_gather": 0.05, "sparse24": 0.5, "sparse24_pack": 0.04}
	keep := func(told *device.Chosen) func(device.Chosen) error {
		told.Choices = map[string]string{}
		return func(c device.Chosen) error { maps.Copy(told.Choices, c.Choices); return nil }
	}
	on := func(dev device.Device, card *cufake.Card) *onPairs {
		card.Takes, card.Hopper = takes, true
		o := &onPairs{t: t, card: card, dev: dev}
		var ws []device.Weight
		o.m, ws, o.a = n.model(t)
		var err error
		if o.bank, err = dev.NewBank(ws, 0); err != nil {
			t.Fatal(err)
		}
		return o
	}
	var both, one device.Chosen
	dev, card := cudatest.New(1<<24, cuda.BF16)
	o := on(dev.Keeping(nil, keep(&both)), card)
	o.run(o.must(plan.Train, 24), 24)
	dev, card = cudatest.Dense(1<<24, cuda.BF16)
	o = on(dev.Keeping(nil, keep(&one)), card)
	o.run(o.must(plan.Train, 24), 24)
	if a, b := both.Choices["ways of 2:4 products"], one.Choices["ways of 2:4 products"]; a != "fake pare-2" || b != "pare-2" {
		t.Fatalf("chosen among %q and %q", a, b)
	}

	dev, card = cudatest.Dense(1<<24, cuda.BF16)
	o = on(dev.Keeping(both.Choices, nil), card)
	o.run(o.must(plan.Train, 24), 24)
	if card.Calls("sparse24") == 0 {
		t.Error("what was chosen is not taken")
	}
	if _, _, err := o.compile(plan.Train, 16); !errors.Is(err, device.ErrKept) || !strings.Contains(err.Error(), "among versions fake and pare-2, here are pare-2") {
		t.Errorf("another batch: %v", err)
	}
	dev, card = cudatest.New(1<<24, cuda.BF16)
	o = on(dev.Keeping(one.Choices, nil), card)
	o.run(o.must(plan.Train, 16), 16)
	if card.Calls("Prepare2of4") > 0 || card.Calls("sparse24") == 0 {
		t.Errorf("%d products of a library that came later", card.Calls("Prepare2of4"))
	}
}

// TestOwnPairsFails: whatever call of a card fails, nothing is left.
func TestOwnPairsFails(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	takes := map[string]float32{"Run": 1, "RunSparse": 0.6, "sparse24": 0.5}
	for _, method := range []string{"Alloc", "Launch", "Map", "Func", "Sync"} {
		for k := 1; k < 40; k++ {
			if o := newHopper(t, n, takes, nil, nil); !o.survives(method, k) {
				break
			}
		}
	}
}
