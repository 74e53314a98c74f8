package device

import (
	"testing"

	"pare/core/tensor"
)

// drop returns a mask over n elements without the first k.
func drop(n, k int) *tensor.Mask {
	m := tensor.NewMask(n)
	for i := range k {
		m.Drop(i)
	}
	return m
}

// columns keeps the first of k inputs for all n outputs: whole blocks.
func columns(n, k, keep int) *tensor.Mask {
	m := tensor.NewMask(n * k)
	for i := range n * k {
		if i%k >= keep {
			m.Drop(i)
		}
	}
	return m
}

func TestCostOf(t *testing.T) {
	const b = 5
	p := &Plan{T: 2, P: 4, Optim: Optim{Kind: Adam}, Vals: []Val{
		0: {C: 40, H: 1, W: 1},               // x
		1: {C: 20, H: 1, W: 1},               // y, dy
		2: {C: 3, H: 8, W: 6},                // image
		3: {C: 10, H: 4, W: 3},               // its convolution
		4: {Kind: PartVal, C: 7, H: 1, W: 1}, // three tiles of a batch of five
		5: {Kind: ActTVal, C: 20, H: 1, W: 1},
		6: {Kind: ActTVal, C: 10, H: 4, W: 3},
	}}
	lin := Weight{Shape: tensor.Shape{20, 40}, Matrix: true}
	mask, block := lin, lin
	mask.Mask = drop(800, 720)
	block.Mask, block.Format = columns(20, 40, 4), tensor.Block4
	full := lin // in blocks, nothing masked
	full.Format = tensor.Block4
	cw := Weight{Shape: tensor.Shape{10, 3, 3, 3}, Matrix: true, Conv: true, Groups: 1}
	cblock := cw
	cblock.Mask, cblock.Format = columns(10, 27, 7), tensor.Block4
	deep := Weight{Shape: tensor.Shape{10, 1, 3, 3}, Matrix: true, Conv: true, Groups: 10}
	ws := []Weight{0: lin, 1: mask, 2: block, 3: full, 4: cw, 5: cblock, 6: deep, 7: {Shape: tensor.Shape{20}}}
	win := &Window{KH: 3, KW: 3, SH: 2, SW: 2, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}

	const x, y, img, cv = 40 * b * 4, 20 * b * 4, 144 * b * 4, 120 * b * 4
	for name, c := range map[string]struct {
		call Call
		want Cost
	}{
		"load":         {Call{Kernel: Load, Out: []int{0}}, Cost{Written: x}},
		"linear":       {Call{Kernel: Linear, In: []int{0}, Out: []int{1}, W: []int{0, 7}}, Cost{MACs: 800 * b, Read: x + 3200 + 80, Written: y}},
		"dense masked": {Call{Kernel: Linear, In: []int{0}, Out: []int{1}, W: []int{1}}, Cost{MACs: 800 * b, Read: x + 3200, Written: y}},
		"90 % blocks":  {Call{Kernel: Linear, In: []int{0}, Out: []int{1}, W: []int{2}}, Cost{MACs: 800 * b, Skipped: 720 * b, Read: x + 320 + 80, Written: y}},
		"all blocks":   {Call{Kernel: Linear, In: []int{0}, Out: []int{1}, W: []int{3}}, Cost{MACs: 800 * b, Read: x + 3200 + 800, Written: y}},
		"linear dx":    {Call{Kernel: LinearDX, In: []int{1}, Out: []int{0}, W: []int{2}}, Cost{MACs: 800 * b, Skipped: 720 * b, Read: y + 320 + 80, Written: x}},
		"linear dw":    {Call{Kernel: LinearDW, In: []int{0, 1, 5}, W: []int{0}}, Cost{MACs: 800 * b, Read: x + y + y, Written: 3200}},
		"linear dw of blocks, with Adam": {
			Call{Kernel: LinearDW, In: []int{0, 1, 5}, W: []int{2}, Update: true},
			Cost{MACs: 800 * b, Skipped: 720 * b, Read: x + y + 80 + 4*320, Written: 320 + 3*320},
		},
		"update alone": {Call{Kernel: Update, W: []int{7}}, Cost{Read: 4 * 80, Written: 3 * 80}},
		"bias":         {Call{Kernel: BiasD, In: []int{1}, W: []int{7}}, Cost{Read: y, Written: 80}},
		"conv":         {Call{Kernel: Conv, In: []int{2}, Out: []int{3}, W: []int{4}, Win: win}, Cost{MACs: 270 * 12 * b, Read: img + 1080, Written: cv}},
		"conv blocks":  {Call{Kernel: Conv, In: []int{2}, Out: []int{3}, W: []int{5}, Win: win}, Cost{MACs: 270 * 12 * b, Skipped: 200 * 12 * b, Read: img + 280 + 84, Written: cv}},
		// The work follows the output's pixels in all three products.
		"conv dx":   {Call{Kernel: ConvDX, In: []int{3}, Out: []int{2}, W: []int{4}, Win: win}, Cost{MACs: 270 * 12 * b, Read: cv + 1080, Written: img}},
		"conv dw":   {Call{Kernel: ConvDW, In: []int{2, 3, 6}, W: []int{4}, Win: win}, Cost{MACs: 270 * 12 * b, Read: img + cv + cv, Written: 1080}},
		"depthwise": {Call{Kernel: Conv, In: []int{3}, Out: []int{3}, W: []int{6}, Win: win}, Cost{MACs: 90 * 12 * b, Read: cv + 360, Written: cv}},
		"part":      {Call{Kernel: NormStats, In: []int{1}, Out: []int{4}}, Cost{Read: y, Written: 7 * 3 * 4}},
	} {
		if got := CostOf(p, ws, &c.call, b); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestCostAdd(t *testing.T) {
	if got := (Cost{1, 2, 3, 4}).Add(Cost{10, 20, 30, 40}); got != (Cost{11, 22, 33, 44}) {
		t.Errorf("sum is %+v", got)
	}
}
