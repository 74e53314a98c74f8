package cuda_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/graph"
	"pare/core/plan"
)

// ragged is a model with wide rows (1001 values) and a norm, whose sums take scratch.
func ragged(t *testing.T) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.New("net", 64, 1, 1)}
	b.Linear("out", b.Linear("in", 0, 1001), 10)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	return b.M
}

// TestMemoryIsCountedBefore: a plan that does not fit the card is an error that says what
// takes how much and which batch fits, when it is compiled and before any step; it leaves
// nothing behind. The batch it names does fit, one more does not; and what was counted is
// what steps take.
func TestMemoryIsCountedBefore(t *testing.T) {
	for _, p := range []cuda.Precision{cuda.F32, cuda.BF16} {
		t.Run(p.String(), func(t *testing.T) {
			dev, card := cudatest.New(1<<22, p)
			m := ragged(t)
			bank, err := dev.NewBank(plan.Weights(m, nil), 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := bank.(device.Sized).Takes(); got != card.Used() {
				t.Errorf("the bank says that it takes %d bytes: %d", got, card.Used())
			}
			compile := func(batch int) (device.Exec, error) {
				q, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: device.Optim{Momentum: 0.9}})
				if err != nil {
					t.Fatal(err)
				}
				return dev.Compile(q, bank, 0)
			}
			before := card.Used()
			_, err = compile(4096)
			if !errors.Is(err, device.ErrMemory) || strings.Contains(err.Error(), "\n") || card.Used() != before {
				t.Fatalf("%v; %d bytes are left behind", err, card.Used()-before)
			}
			found := regexp.MustCompile(`a batch of 4096 samples takes .*: values .*, buffers .*, scratch of kernels .*, tables .*; of 4.0 MiB on fake card .* are free, .*: use a batch of at most (\d+)$`).FindStringSubmatch(err.Error())
			if found == nil {
				t.Fatal(err)
			}
			most, _ := strconv.Atoi(found[1]) //nolint:errcheck // digits
			if _, err := compile(most + 1); !errors.Is(err, device.ErrMemory) || !strings.Contains(err.Error(), "at most "+found[1]) {
				t.Errorf("%d samples: %v", most+1, err)
			}
			e, err := compile(most)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]float32, 10*most)
			for i := range int64(3) { // the second is recorded as a graph, the third runs it
				s := &device.Step{X: make([]float32, 64*most), Labels: make([]int32, most), N: most, LR: 0.1, Index: i + 1, Out: out}
				if _, err := e.Run(s); err != nil {
					t.Fatal(err)
				}
			}
			if took := card.Used() - before; took != e.(device.Sized).Takes() {
				t.Errorf("steps took %d bytes, %d were counted", took, e.(device.Sized).Takes())
			}
			for _, c := range []interface{ Close() error }{e, bank} {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			if l := card.Leaks(); len(l) > 0 {
				t.Errorf("left on the card: %v", l)
			}
		})
	}
}

// TestNotEvenOneSampleFits: the way out is another then.
func TestNotEvenOneSampleFits(t *testing.T) {
	dev, card := cudatest.New(1<<20, cuda.F32)
	m := ragged(t)
	bank, err := dev.NewBank(plan.Weights(m, nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Alloc(1<<20 - card.Used() - 1<<14); err != nil {
		t.Fatal(err)
	}
	q, err := plan.Build(m, dev, plan.Options{Mode: plan.Eval, Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Compile(q, bank, 0); !errors.Is(err, device.ErrMemory) || !strings.Contains(err.Error(), "not even one sample fits") {
		t.Error(err)
	}
}

// TestWeightsThatDoNotFit: the bank says so before it takes anything.
func TestWeightsThatDoNotFit(t *testing.T) {
	dev, card := cudatest.New(1<<19, cuda.BF16)
	_, err := dev.NewBank(plan.Weights(ragged(t), nil), 2)
	if !errors.Is(err, device.ErrMemory) || !regexp.MustCompile(`weights .*, gradients .*, state of the optimiser .*; of 512.0 KiB on fake card`).MatchString(err.Error()) || card.Calls("Alloc") > 0 {
		t.Error(err)
	}
	dev, card = cudatest.New(1<<22, cuda.BF16)
	card.FailAt("Alloc", 3, errFull)
	if _, err := dev.NewBank(plan.Weights(ragged(t), nil), 2); !errors.Is(err, device.ErrMemory) {
		t.Error(err)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestLogitsGoOutInParts: all of a language model's logits as float32 are not kept. They go
// out through a small buffer, whose parts lie in order and cover them.
func TestLogitsGoOutInParts(t *testing.T) {
	const wide, batch = 100_000, 128 // 51 MB of logits
	dev, card := cudatest.New(1<<30, cuda.F32)
	b := &graph.Net{M: graph.New("net", 2, 1, 1)}
	b.Linear("out", 0, wide)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	bank, err := dev.NewBank(plan.Weights(b.M, nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	q, err := plan.Build(b.M, dev, plan.Options{Mode: plan.Infer, Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(q, bank, 0)
	if err != nil {
		t.Fatal(err)
	}
	if took := e.(device.Sized).Takes(); took > 4*wide*batch+20<<20 {
		t.Errorf("logits of %d bytes, and %d bytes are taken", 4*wide*batch, took)
	}
	parts, next, from := float32(0), uint64(0), uint64(0)
	card.OnLaunch = func(name string, _, _ [3]int, _ int, args []unsafe.Pointer) error {
		if name != "store" {
			return nil
		}
		count, x, to := *(*int64)(args[0]), *(*uint64)(args[1]), *(*uint64)(args[2])
		if from == 0 {
			from, next = x, x
		}
		if x != next {
			t.Errorf("a part begins at byte %d, the one before ended at %d", x-from, next-from)
		}
		next = x + 4*uint64(count)
		parts++
		return fill(card, to, count, parts)
	}
	out := make([]float32, wide*batch)
	if _, err := e.Run(&device.Step{X: make([]float32, 2*batch), N: batch, Out: out}); err != nil {
		t.Fatal(err)
	}
	if parts < 3 || next-from != 4*wide*batch {
		t.Errorf("%g parts with %d of %d bytes", parts, next-from, 4*wide*batch)
	}
	for i, v := range out {
		if v < 1 || i > 0 && v < out[i-1] || i == len(out)-1 && v != parts {
			t.Fatalf("value %d is of part %g of %g", i, v, parts)
		}
	}
}
