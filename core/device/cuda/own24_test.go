package cuda_test

import (
	"maps"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/device/cuda/internal/cu"
	"pare/core/plan"
)

// newHopper is newPairs on a card with kernels of ours for 2:4 products.
func newHopper(t *testing.T, n pairNet, takes map[string]float32, known map[string]string, told *device.Chosen) *onPairs {
	t.Helper()
	dev, card := cudatest.New(1<<24, cuda.BF16)
	card.Takes, card.Hopper = takes, true
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
	for what, choice := range told.Choices {
		if strings.HasPrefix(what, "2:4 ") && (!strings.HasPrefix(choice, "2:4 pare-1 ") || !strings.Contains(what, " or pare-1")) {
			t.Errorf("%s: %s", what, choice)
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
	known := told.Choices
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
	if _, _, err := newPairs(t, n, 1<<24, own, rename(known), nil).compile(plan.Train, 24); err == nil || !strings.Contains(err.Error(), "version pare-1, here are fake") {
		t.Error(err)
	}
}

// rename gives choices the keys of a card without ours.
func rename(known map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range known {
		out[strings.ReplaceAll(k, " or pare-1", "")] = v
	}
	return out
}

// TestOwnPairsFails: whatever call of a card fails, nothing is left.
func TestOwnPairsFails(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	takes := map[string]float32{"Run": 1, "RunSparse": 0.6, "sparse24": 0.5}
	for _, method := range []string{"Alloc", "Launch", "Map", "Func", "Sync"} {
		for k := 1; k < 40; k++ {
			o := newHopper(t, n, takes, nil, nil)
			before, calls := o.card.Used(), o.card.Calls(method)
			o.card.FailAt(method, k, cu.Fault("test", 1))
			e, _, err := o.compile(plan.Train, 24)
			if o.card.Calls(method)-calls < k {
				break
			}
			if err == nil {
				err = e.Close()
			}
			if l := o.card.Used() - before; l != 0 {
				t.Errorf("%s %d: %d bytes left (%v)", method, k, l, err)
			}
			if err := o.bank.Close(); err != nil {
				t.Error(err)
			}
			if l := o.card.Leaks(); len(l) > 0 {
				t.Errorf("%s %d: left %v", method, k, l)
			}
		}
	}
}
