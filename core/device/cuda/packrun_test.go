package cuda_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/cudatest"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/plan"
)

// byTable is a card on which packing by the library takes too long, and by a table not.
var byTable = map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 2, "pack_gather": 0.1}

// TestPackedByTable: where the library's packing takes what 2:4 gains, a table packs, in each
// step and from a graph as well, to the bytes of the library; an evaluation packs as before.
func TestPackedByTable(t *testing.T) {
	var told device.Chosen
	n := pairNet{in: 64, mid: 32, both: true}
	o := newPairs(t, n, 1<<24, byTable, nil, &told)
	step := o.must(plan.Train, 24)
	for k, f := range pairsOf(step) {
		if !f.Used || f.Packed != "by table" || !near(f.MS, 0.6) {
			t.Errorf("%v: %+v", k, f)
		}
	}
	type packing struct {
		pack, w cu.Ptr
		bytes   int64
	}
	var seen []packing
	o.card.OnLaunch = func(name string, _, _ [3]int, _ int, args []unsafe.Pointer) error {
		if name == "pack_gather" {
			seen = append(seen, packing{*(*cu.Ptr)(args[1]), *(*cu.Ptr)(args[3]), 2 * *(*int64)(args[0])})
		}
		return nil
	}
	lib := cufake.NewSparse(o.card)
	r := rand.New(rand.NewPCG(1, 2))
	mask := o.m.Params[o.a].Mask
	for i := range 4 {
		seen = nil
		before := o.card.Calls("Compress")
		o.run(step, 24)
		if len(seen) != 2 || o.card.Calls("Compress") != before {
			t.Fatalf("step %d: packed %d times by a table, %d by the library", i, len(seen), o.card.Calls("Compress")-before)
		}
		for k, s := range seen {
			w, err := o.card.Bytes(s.w)
			if err != nil {
				t.Fatal(err)
			}
			pack, _ := o.card.Bytes(s.pack)
			if i > 0 { // of what was put there after the step before
				forward := cu.Product{M: 24, N: 32, K: 64, A: cu.BF16, B: cu.BF16, D: cu.BF16, TransB: true}
				back := cu.Product{M: 24, N: 64, K: 32, A: cu.BF16, B: cu.BF16, D: cu.BF16}
				q, packing, err := lib.Prepare2of4([]cu.Product{forward, back}[k])
				if err != nil || packing.Bytes != s.bytes {
					t.Fatalf("%v, %d bytes", err, packing.Bytes)
				}
				to, _ := o.card.Alloc(packing.Bytes)
				temp, _ := o.card.Alloc(packing.Temp)
				if err := lib.Compress(q, s.w, to, temp); err != nil {
					t.Fatal(err)
				}
				if want, _ := o.card.Bytes(to); !bytes.Equal(pack, want) {
					t.Errorf("step %d, side %d: other bytes than the library's", i, k)
				}
				for _, err := range []error{o.card.Release(to), o.card.Release(temp), lib.Release(q)} {
					if err != nil {
						t.Error(err)
					}
				}
			}
			if k == 1 {
				for j := range 32 * 64 {
					if mask.Kept(j) {
						w[2*j], w[2*j+1] = byte(r.IntN(256)), byte(0x3d+r.IntN(3))
					}
				}
			}
		}
	}
	o.card.OnLaunch = nil
	known := told.Choices
	eval := o.must(plan.Eval, 24)
	before := o.card.Calls("Compress")
	if o.run(eval, 24); o.card.Calls("Compress") != before+1 {
		t.Error("an evaluation did not pack by the library")
	}
	// The table goes with the last plan that packs by it; the pack stays for the evaluation.
	tables := o.card.Used()
	if err := step.Close(); err != nil {
		t.Fatal(err)
	}
	if step.(device.Sized).Takes()-(tables-o.card.Used()) > 3*64*32 {
		t.Error("tables are left")
	}
	o.run(eval, 24)
	for _, e := range []interface{ Close() error }{eval, o.bank} {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if l := o.card.Leaks(); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
	// A resumed run packs as it did, whatever the clock says now.
	slow := map[string]float32{"Run": 1, "RunSparse": 0.5, "pack_gather": 3}
	again := newPairs(t, n, 1<<24, slow, known, nil)
	e := again.must(plan.Train, 24)
	again.run(e, 24)
	if f := pairsOf(e)[device.Linear]; f.Packed != "by table" || !near(f.MS, 0.6) || again.card.Calls("pack_gather") == 0 {
		t.Errorf("resumed: %+v", f)
	}
}

// TestPackedByLibrary: where no table packs to the library's bytes, or it is slower, the
// library packs; that is told, by a run as well that took a table before.
func TestPackedByLibrary(t *testing.T) {
	const other = "by the library: a table learned from it gives other bytes"
	n := pairNet{in: 64, mid: 32}
	packs := func(o *onPairs, e device.Exec, want string) {
		t.Helper()
		before := o.card.Calls("Compress")
		o.run(e, 24)
		if f := pairsOf(e)[device.Linear]; f.Packed != want || o.card.Calls("Compress") != before+1 {
			t.Errorf("%+v, want %q; packed %d times by the library", f, want, o.card.Calls("Compress")-before)
		}
		if took := o.card.Used() - o.bank.(device.Sized).Takes(); took != e.(device.Sized).Takes() {
			t.Errorf("%d bytes were taken, %d counted", took, e.(device.Sized).Takes())
		}
		for _, e := range []interface{ Close() error }{e, o.bank} {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
		if l := o.card.Leaks(); len(l) > 0 {
			t.Errorf("left: %v", l)
		}
	}
	o := newPairs(t, n, 1<<24, map[string]float32{"Run": 1, "RunSparse": 0.5, "Compress": 0.1, "pack_gather": 0.2}, nil, nil)
	packs(o, o.must(plan.Train, 24), "by the library")
	o = newPairs(t, n, 1<<24, twice, nil, nil)
	o.card.Unsteady = true
	packs(o, o.must(plan.Train, 24), other)

	var told device.Chosen
	o = newPairs(t, n, 1<<24, byTable, nil, &told)
	o.run(o.must(plan.Train, 24), 24)
	var said device.Chosen
	dev, card := cudatest.New(1<<24, 2)
	card.Unsteady = true
	again := &onPairs{t: t, card: card, dev: dev.Keeping(told.Choices, func(c device.Chosen) error { said = c; return nil })}
	m, ws, _ := n.model(t)
	again.m = m
	var err error
	if again.bank, err = again.dev.NewBank(ws, 0); err != nil {
		t.Fatal(err)
	}
	packs(again, again.must(plan.Train, 24), other)
	if len(said.Said) != 1 || said.Said[0] != "weight a.weight is packed "+other {
		t.Errorf("said %q", said.Said)
	}
}

// TestPackTableMemory: what learning takes for a while is counted, and a card that lacks it
// takes no plan and says why.
func TestPackTableMemory(t *testing.T) {
	n := pairNet{in: 512, mid: 512, both: true}
	var told device.Chosen
	o := newPairs(t, n, 1<<25, byTable, nil, &told)
	o.run(o.must(plan.Train, 8), 8)
	bank := o.bank.(device.Sized).Takes()
	const (
		pack  = 512*512*260/256 + 512*512/8
		learn = 2*512*512 + pack + 512 + 4
		most  = 2*3*pack + learn // both sides with their tables
	)
	fits := func(room int64) (device.Exec, error) {
		o := newPairs(t, n, bank+room, byTable, told.Choices, nil)
		e, _, err := o.compile(plan.Train, 8)
		if err != nil && o.card.Used() != bank {
			t.Errorf("%d bytes left", o.card.Used()-bank)
		}
		return e, err
	}
	free := func(left int64) int64 { return (left + bank/64) * 64 / 63 } // of which a part is the driver's
	if _, err := fits(free(most) - 64); !errors.Is(err, device.ErrMemory) || errors.Is(err, cudatest.ErrFull) || !strings.Contains(err.Error(), "to learn these tables 804.5 KiB") {
		t.Error(err)
	}
	e, err := fits(free(most) + 64)
	if err != nil {
		t.Fatal(err)
	}
	if took := e.(device.Sized).Takes(); took >= most {
		t.Errorf("the plan takes %d bytes, learning its tables is to take more than that", took)
	}
}

// TestPackTableFails: whatever call of a card fails, nothing is left.
func TestPackTableFails(t *testing.T) {
	n := pairNet{in: 64, mid: 32, both: true}
	var told device.Chosen
	o := newPairs(t, n, 1<<24, byTable, nil, &told)
	o.run(o.must(plan.Train, 24), 24)
	for _, method := range []string{"Alloc", "Compress", "Launch", "Fill", "Download", "Prepare2of4With", "Sync"} {
		for _, known := range []map[string]string{told.Choices, nil} {
			for k := 1; k < 16; k++ {
				o := newPairs(t, n, 1<<24, byTable, known, nil)
				if !o.survives(method, k) {
					break
				}
			}
		}
	}
}

// survives lets the k-th call of a method of the card fail while a training plan is compiled:
// nothing may be left on the card. False if there was no k-th call.
func (o *onPairs) survives(method string, k int) bool {
	o.t.Helper()
	before, calls := o.card.Used(), o.card.Calls(method)
	o.card.FailAt(method, k, cu.Fault("test", 1))
	e, _, err := o.compile(plan.Train, 24)
	if o.card.Calls(method)-calls < k {
		return false
	}
	if err == nil { // dense, and says that the library refuses
		err = e.Close()
	}
	if l := o.card.Used() - before; l != 0 {
		o.t.Errorf("%s %d: %d bytes left (%v)", method, k, l, err)
	}
	if err := o.bank.Close(); err != nil {
		o.t.Error(err)
	}
	if l := o.card.Leaks(); len(l) > 0 {
		o.t.Errorf("%s %d: left %v", method, k, l)
	}
	return true
}
