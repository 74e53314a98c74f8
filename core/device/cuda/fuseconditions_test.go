package cuda

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/tensor"
)

// The values and weights of the plans below; all are rows of 16 or 32 values.
const (
	vX, vH, vY, vDY, vDH, vD, vE = 0, 1, 2, 3, 4, 5, 6 // x[16], h and y[32], dy[16], dh, d and e[32]
	wUp, wB, wDown               = 0, 1, 2             // [32][16], [32], [16][32]
)

// lowered is a small plan on its way to launches.
type lowered struct {
	p         device.Plan
	ws        []device.Weight
	precision Precision
	refuse    string // epilogue that the library does not know
	said      []string
}

func lower(calls ...device.Call) *lowered {
	l := &lowered{precision: BF16}
	at := 0
	for i, c := range []int{16, 32, 32, 16, 32, 32, 32} {
		l.p.Vals = append(l.p.Vals, device.Val{Name: "v" + string(rune('0'+i)), C: c, H: 1, W: 1, Off: at})
		at += c * T
	}
	l.p.Slab, l.p.Batch, l.p.T, l.p.P = at, 4, T, 1
	l.p.Nodes, l.p.Output, l.p.Input, l.p.InGrad = []string{"n", "m"}, vY, vX, -1
	l.ws = []device.Weight{
		{Name: "up", Shape: tensor.Shape{32, 16}, Matrix: true, Train: true}, {Name: "b", Shape: tensor.Shape{32}, Train: true},
		{Name: "down", Shape: tensor.Shape{16, 32}, Matrix: true, Train: true},
	}
	for _, c := range calls {
		if n := len(l.p.Regions); n > 0 && c.Kernel.Scope() == device.Tile && l.p.Regions[n-1].Scope == device.Tile {
			l.p.Regions[n-1].Calls = append(l.p.Regions[n-1].Calls, c)
			continue
		}
		l.p.Regions = append(l.p.Regions, device.Region{Scope: c.Kernel.Scope(), Calls: []device.Call{c}})
	}
	return l
}

// overlay puts two values in the same place.
func (l *lowered) overlay(u, v int) {
	l.p.Vals[u].Off, l.p.Vals[v].Off = l.p.Slab, l.p.Slab
	l.p.Slab += 32 * T
}

// run takes a step and returns the epilogues of its products and the names of its kernels.
func (l *lowered) run(t *testing.T) (epilogues, launched []string) {
	t.Helper()
	card := cufake.New(1 << 30)
	card.Refuse = func(p, _ string) bool {
		fields := strings.Fields(p)
		e := fields[len(fields)-1]
		if len(fields) == 2 {
			e = "none"
		}
		if e == l.refuse {
			return true
		}
		epilogues = append(epilogues, e)
		return false
	}
	card.OnLaunch = func(name string, _, _ [3]int, _ int, _ []unsafe.Pointer) error {
		if !strings.HasPrefix(name, "load") {
			launched = append(launched, name)
		}
		return nil
	}
	dev := With(card, cufake.NewBlas(card), l.precision).Keeping(nil, func(c device.Chosen) error {
		l.said = append(l.said, c.Said...)
		return nil
	})
	bank, err := dev.NewBank(l.ws, 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(&l.p, bank, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(&device.Step{X: make([]float32, 4*16), N: 4, OutGrad: make([]float32, 4*32), Index: 1}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{e, bank} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if left := card.Leaks(); len(left) > 0 {
		t.Errorf("left on the card: %v", left)
	}
	return epilogues, launched
}

func loadFrom(s float32, v int) device.Call {
	return device.Call{Kernel: device.Load, Out: []int{v}, S: [2]float32{s}}
}

func actOf(a device.Act, from, to int) device.Call {
	return device.Call{Kernel: device.ActFn, In: []int{from}, Out: []int{to}, Act: a}
}

var (
	loadDY  = device.Call{Kernel: device.Slice, In: []int{vX}, Out: []int{vDY}} // any value of 16
	up32    = device.Call{Kernel: device.Linear, In: []int{vX}, Out: []int{vH}, W: []int{wUp, wB}}
	geluY   = actOf(device.GELUTanh, vH, vY)
	downDX  = device.Call{Kernel: device.LinearDX, In: []int{vDY}, Out: []int{vDH}, W: []int{wDown}}
	geluDX  = device.Call{Kernel: device.ActDX, In: []int{vH, vDH}, Out: []int{vD}, Act: device.GELUTanh}
	accumE  = device.Call{Kernel: device.Accum, In: []int{vDH}, Out: []int{vE}}
	copyE   = device.Call{Kernel: device.Copy, In: []int{vH}, Out: []int{vE}}
	upDW    = device.Call{Kernel: device.LinearDW, In: []int{vX, vH}, W: []int{wUp}}
	upDB    = device.Call{Kernel: device.BiasD, In: []int{vH}, W: []int{wB}}
	reading = device.Call{Kernel: device.Copy, In: []int{vDH}, Out: []int{vD}}
)

// TestFused: each work that a product does for the call behind it is done where it can be,
// and is not where one of its conditions fails.
func TestFused(t *testing.T) {
	forward := []device.Call{loadX, up32, geluY}
	backward := []device.Call{loadX, up32, copyE, loadDY, downDX, geluDX}
	adding := []device.Call{loadX, up32, copyE, loadDY, downDX, accumE}
	weights := []device.Call{loadX, up32, upDW, upDB}
	for _, c := range []struct {
		name     string
		calls    []device.Call
		change   func(l *lowered)
		epilogue string // of the product at hand
		kernels  string // behind the loads
	}{
		{"gelu", forward, nil, "gelu+bias+aux", ""},
		{"gelu in float32", forward, func(l *lowered) { l.precision = F32 }, "bias", "act"},
		{"gelu, rows of 12", forward, func(l *lowered) {
			l.p.Vals[vH].C, l.p.Vals[vY].C = 12, 12
			l.ws[wUp].Shape, l.ws[wB].Shape = tensor.Shape{12, 16}, tensor.Shape{12}
		}, "bias", "act"},
		{"gelu without a bias", forward, func(l *lowered) { l.p.Regions[0].Calls[1].W = []int{wUp} }, "none", "act"},
		{"exact gelu", []device.Call{loadX, up32, actOf(device.GELU, vH, vY)}, nil, "bias", "act"},
		{"gelu of another value", []device.Call{loadX, copyTo(vX, vDY), up32, actOf(device.GELUTanh, vDH, vY)}, func(l *lowered) {
			l.p.Regions[0].Calls[1] = loadFrom(1, vDH)
		}, "bias", "act"},
		{"gelu behind something else", []device.Call{loadX, up32, copyE, geluY}, nil, "bias", "copy act"},
		{"gelu over the product's input", forward, func(l *lowered) { l.overlay(vX, vY) }, "bias", "act"},

		{"gelu's gradient", backward, nil, "dgelu", "copy move_channels"},
		{"gelu's gradient in float32", backward, func(l *lowered) { l.precision = F32 }, "none", "copy move_channels act_dx"},
		{"gelu's gradient, of exact gelu", backward, func(l *lowered) { l.p.Regions[0].Calls[5].Act = device.GELU }, "none", "copy move_channels act_dx"},
		{"gelu's gradient, dy read twice", append(slices.Clone(backward), accumE), nil, "none", "copy move_channels act_dx add"},
		{"gelu's gradient, dy handed out", backward, func(l *lowered) { l.p.Output = vDH }, "none", "copy move_channels act_dx"},

		{"sum", adding, nil, "none", "copy move_channels"},
		{"sum, of what is read twice", append(slices.Clone(adding), reading), nil, "none", "copy move_channels add copy"},
		{"sum, of what is handed out", adding, func(l *lowered) { l.p.Output = vDH }, "none", "copy move_channels add"},
		{"sum over the product's input", adding, func(l *lowered) { l.overlay(vDY, vE) }, "none", "copy move_channels add"},

		{"bias", weights, nil, "bgrad", ""},
		{"bias of another layer", weights, func(l *lowered) { l.p.Regions[2].Calls[0].Node = 1 }, "none", "sum_splits"},
		{"bias, added to", weights, func(l *lowered) { l.p.Regions[2].Calls[0].Accum = true }, "none", "sum_splits sum_parts"},
		{"bias of another gradient", append([]device.Call{loadX, loadFrom(1, vDH)}, weights[1:]...), func(l *lowered) { l.p.Regions[2].Calls[0].In = []int{vDH} }, "none", "sum_splits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lower(c.calls...)
			if c.change != nil {
				c.change(l)
			}
			epilogues, launched := l.run(t)
			if got := strings.Join(launched, " "); len(epilogues) == 0 || epilogues[len(epilogues)-1] != c.epilogue || got != c.kernels {
				t.Errorf("products with %v and kernels %q, want %s and %q", epilogues, got, c.epilogue, c.kernels)
			}
		})
	}
}

func copyTo(from, to int) device.Call {
	return device.Call{Kernel: device.Copy, In: []int{from}, Out: []int{to}}
}

// TestUnfused: a library without an epilogue has a plain product and kernels of ours do the
// rest; it is said once.
func TestUnfused(t *testing.T) {
	relu := up32
	relu.Act = device.ReLU
	for _, c := range []struct {
		refuse  string
		calls   []device.Call
		kernels string
	}{
		{"bias", []device.Call{loadX, up32, copyE, up32}, "bias_rows copy bias_rows"},
		{"relu+bias", []device.Call{loadX, relu}, "bias_rows act"},
		{"gelu+bias+aux", []device.Call{loadX, up32, geluY}, "bias_rows act"},
		{"dgelu", []device.Call{loadX, up32, copyE, loadDY, downDX, geluDX}, "copy move_channels act_dx"},
		{"bgrad", []device.Call{loadX, up32, upDW, upDB}, "sum_splits"},
	} {
		t.Run(c.refuse, func(t *testing.T) {
			l := lower(c.calls...)
			l.refuse = c.refuse
			epilogues, launched := l.run(t)
			if got := strings.Join(launched, " "); slices.Contains(epilogues, c.refuse) || !slices.Contains(epilogues, "none") || got != c.kernels {
				t.Errorf("products with %v and kernels %q, want %q", epilogues, got, c.kernels)
			}
			if len(l.said) != 1 || !strings.Contains(l.said[0], c.refuse) || !strings.Contains(l.said[0], "cublasLt fake") {
				t.Errorf("said: %q", l.said)
			}
		})
	}
}
