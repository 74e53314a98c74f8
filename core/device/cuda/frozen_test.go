package cuda_test

import (
	"math"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/model/zoo"
	"pare/core/plan"
	"pare/core/tensor"
)

// TestFrozenMatrixIsBF16: a frozen matrix takes two bytes a weight of a bf16 card, six if it
// trains or is no matrix, and still gives back what was set, bit by bit.
func TestFrozenMatrixIsBF16(t *testing.T) {
	for _, c := range []struct {
		name      string
		precision cuda.Precision
		w         device.Weight
		bytes     int64
	}{
		{"frozen", cuda.BF16, device.Weight{Shape: tensor.Shape{32, 24}, Matrix: true}, 2 * 32 * 24},
		{"float32", cuda.F32, device.Weight{Shape: tensor.Shape{32, 24}, Matrix: true}, 4 * 32 * 24},
		{"trains", cuda.BF16, device.Weight{Shape: tensor.Shape{32, 24}, Matrix: true, Train: true}, 10 * 32 * 24},
		{"vector", cuda.BF16, device.Weight{Shape: tensor.Shape{64}}, 6 * 64},
	} {
		dev, card := cudatest.New(1<<20, c.precision)
		c.w.Name = c.name
		bank, err := dev.NewBank([]device.Weight{c.w}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := bank.(device.Sized).Takes(); got != c.bytes {
			t.Errorf("%s: takes %d bytes, want %d", c.name, got, c.bytes)
		}
		x := make([]float32, c.w.Shape.Len())
		for i := range x {
			x[i] = float32(math.Sin(float64(i))) * 1.2345678
		}
		y := make([]float32, len(x))
		if err := bank.Set(0, x); err != nil {
			t.Fatal(err)
		}
		if err := bank.Get(0, y); err != nil {
			t.Fatal(err)
		}
		for i := range x {
			if x[i] != y[i] {
				t.Fatalf("%s: weight %d is %g, was set to %g", c.name, i, y[i], x[i])
			}
		}
		if err := bank.Close(); err != nil {
			t.Error(err)
		}
		if l := card.Leaks(); len(l) > 0 {
			t.Errorf("%s: left on the card: %v", c.name, l)
		}
	}
}

// TestFrozenTables: what embeds reads float32, so a plan with a table brings that back, of the
// table alone, and once for all plans.
func TestFrozenTables(t *testing.T) {
	m, _, err := zoo.New("gpt-nano", 1, zoo.Input{C: 1, H: 1, W: 1, Tokens: 16, Vocab: 63}, 63)
	if err != nil {
		t.Fatal(err)
	}
	ws := plan.Weights(m, nil)
	matrices, table := int64(0), int64(0)
	for i := range ws {
		ws[i].Train = false
		if ws[i].Matrix {
			matrices += int64(ws[i].Shape.Len())
		}
		if n := ws[i].Name; ws[i].Matrix && (n == "wte.weight" || n == "wpe.weight") {
			table += int64(ws[i].Shape.Len())
		}
	}
	if table == 0 || table == matrices {
		t.Fatalf("%d weights of tables among %d of matrices: this net shows nothing", table, matrices)
	}
	dev, card := cudatest.New(1<<28, cuda.BF16)
	bank, err := dev.NewBank(ws, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := bank.(device.Sized).Takes()
	p, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ex, err := dev.Compile(p, bank, 0)
		if err != nil {
			t.Fatal(err)
		}
		if more := bank.(device.Sized).Takes() - before; more < 4*table || more > 4*table+4*8*64 {
			t.Errorf("plans with tables of %d weights (of %d in matrices) took %d bytes for them", table, matrices, more)
		}
		if err := ex.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := bank.Close(); err != nil {
		t.Error(err)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}
