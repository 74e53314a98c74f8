package device

import (
	"strings"
	"testing"

	"pare/core/tensor"
)

func TestPlanCheck(t *testing.T) {
	p := &Plan{Batch: 4}
	x := make([]float32, 3*2) // three rows of two features
	for name, c := range map[string]struct {
		s    Step
		want string // part of the error; empty is no error
	}{
		"rows":           {Step{X: x, Rows: []int32{2, 0, 2, 2}}, ""},
		"first rows":     {Step{X: x, N: 3, Labels: make([]int32, 3)}, ""},
		"nothing":        {Step{X: x}, "batch of 0"},
		"empty rows":     {Step{X: x, Rows: []int32{}, N: 2}, "batch of 0"},
		"negative":       {Step{X: x, N: -1}, "batch of -1"},
		"more than fits": {Step{X: make([]float32, 10), N: 5}, "takes 1 to 4"},
		"past the data":  {Step{X: x, N: 4}, "3 rows of 2 features"},
		"row past data":  {Step{X: x, Rows: []int32{0, 3}}, "row 3"},
		"row before":     {Step{X: x, Rows: []int32{-1}}, "row -1"},
		"no data":        {Step{N: 1}, "0 rows"},
		"labels missing": {Step{X: x, N: 1, Labels: make([]int32, 2)}, "2 labels for 3 rows"},
	} {
		err := p.Check(&c.s, 2)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestValSize(t *testing.T) {
	for _, c := range []struct {
		v    Val
		want int
	}{
		{Val{C: 3, H: 4, W: 5}, 3 * 4 * 5 * 8},
		{Val{Kind: ActTVal, C: 17, H: 4, W: 5}, 4 * 5 * 2 * 8 * 16},
		{Val{Kind: ActTVal, C: 16, H: 1, W: 1}, 8 * 16},
		{Val{Kind: PartVal, C: 17, H: 1, W: 1}, 17},
	} {
		if got := c.v.Size(8, 16); got != c.want {
			t.Errorf("size of %+v is %d, want %d", c.v, got, c.want)
		}
	}
}

func TestWindowOut(t *testing.T) {
	for _, c := range []struct {
		g            Window
		h, w, oh, ow int
	}{
		{Window{KH: 5, KW: 5, SH: 1, SW: 1}, 28, 28, 24, 24},
		{Window{KH: 3, KW: 3, SH: 2, SW: 2, PT: 1, PL: 1, PB: 1, PR: 1}, 16, 15, 8, 8},
		{Window{KH: 3, KW: 2, SH: 1, SW: 3, PT: 2, PR: 1}, 4, 7, 4, 3},
	} {
		if oh, ow := c.g.Out(c.h, c.w); oh != c.oh || ow != c.ow {
			t.Errorf("%+v makes %d×%d of %d×%d, want %d×%d", c.g, oh, ow, c.h, c.w, c.oh, c.ow)
		}
	}
}

func TestKernelNames(t *testing.T) {
	seen := map[string]Kernel{}
	for _, r := range [][2]Kernel{{Load, Segment}, {LinearDX, SliceDX}, {LinearDW, FirstD}} {
		for k := r[0]; k <= r[1]; k++ {
			name := k.String()
			if strings.HasPrefix(name, "kernel(") {
				t.Errorf("kernel %d has no name", k)
			}
			if o, twice := seen[name]; twice {
				t.Errorf("kernels %d and %d are both called %s", o, k, name)
			}
			seen[name] = k
		}
	}
	if len(seen) != len(kernelNames) {
		t.Errorf("%d names for %d kernels", len(kernelNames), len(seen))
	}
	if got := Kernel(200).String(); got != "kernel(200)" {
		t.Errorf("unknown kernel is called %s", got)
	}
}

func TestScopes(t *testing.T) {
	for k := range kernelNames {
		want := Tile
		if k >= LinearDW {
			want = Task
		}
		if k == NormMerge || k == NormDMerge || k == LossMerge {
			want = Serial
		}
		if k.Scope() != want {
			t.Errorf("%v has scope %d, want %d", k, k.Scope(), want)
		}
	}
}

func TestOptimSlots(t *testing.T) {
	for o, want := range map[Optim]int{{}: 0, {Momentum: 0.9}: 1, {Kind: Adam}: 2, {Kind: AdamW, Momentum: 0.9}: 2} {
		if o.Slots() != want {
			t.Errorf("%+v has %d slots, want %d", o, o.Slots(), want)
		}
	}
}

func TestWeightSizes(t *testing.T) {
	w := Weight{Shape: tensor.Shape{6, 2, 3, 5}}
	if w.N() != 6 || w.K() != 30 {
		t.Errorf("N = %d, K = %d, want 6 and 30", w.N(), w.K())
	}
}
