package ref_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/tensor"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

func TestDevice(t *testing.T) {
	d := ref.New()
	if d.Name() != "ref" || d.Tile() != 1 || d.Panel() != 1 {
		t.Errorf("%s with T = %d, P = %d", d.Name(), d.Tile(), d.Panel())
	}
	for k := range device.Kernel(255) {
		known := !strings.HasPrefix(k.String(), "kernel(")
		if d.Supports(k, tensor.Dense) != known {
			t.Errorf("dense %v: supported %v", k, !known)
		}
	}
	if !d.Supports(device.ConvDW, tensor.Block4) || d.Supports(device.Add, tensor.Block4) || d.Supports(device.Linear, 99) {
		t.Error("formats: want products on blocks only, and no unknown format")
	}
}

func TestBank(t *testing.T) {
	mask := tensor.NewMask(6)
	mask.Drop(4)
	ws := []device.Weight{
		{Name: "w", Shape: tensor.Shape{2, 3}, Matrix: true, Groups: 1, Train: true, Mask: mask},
		{Name: "running", Shape: tensor.Shape{5}},
	}
	b, err := ref.New().NewBank(ws, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "new weight", get(t, b, 0), fill(6, 0), 0)
	near(t, "new gradient", grad(t, b, 0), fill(6, 0), 0)
	near(t, "new state", state(t, b, 0, 0), fill(6, 0), 0)
	if err := b.Set(0, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	if err := b.SetState(0, 0, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	mask.Drop(0) // ours, no longer the bank's
	near(t, "weight", get(t, b, 0), []float32{1, 2, 3, 4, 0, 6}, 0)
	near(t, "state", state(t, b, 0, 0), []float32{1, 2, 3, 4, 0, 6}, 0)
	if b.Resident() != 4*11 {
		t.Errorf("resident %d bytes, want 44", b.Resident())
	}
	for what, err := range map[string]error{
		"too few values":      b.Set(0, make([]float32, 5)),
		"no such weight":      b.Get(2, make([]float32, 5)),
		"negative weight":     b.Get(-1, make([]float32, 5)),
		"gradient of running": b.Grad(1, make([]float32, 5)),
		"set its gradient":    b.SetGrad(1, make([]float32, 5)),
		"state of running":    b.State(1, 0, make([]float32, 5)),
		"no such slot":        b.SetState(0, 1, make([]float32, 6)),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func TestBankRefuses(t *testing.T) {
	for name, w := range map[string]device.Weight{
		"empty axis":        {Name: "w", Shape: tensor.Shape{0, 3}},
		"mask too short":    {Name: "w", Shape: tensor.Shape{2, 3}, Mask: tensor.NewMask(5)},
		"mask without bits": {Name: "w", Shape: tensor.Shape{2, 3}, Mask: &tensor.Mask{N: 6}},
		"flat matrix":       {Name: "w", Shape: tensor.Shape{3}, Matrix: true},
		"conv of 3 axes":    {Name: "w", Shape: tensor.Shape{2, 3, 3}, Matrix: true, Conv: true, Groups: 1},
		"conv groups":       {Name: "w", Shape: tensor.Shape{3, 1, 1, 1}, Matrix: true, Conv: true, Groups: 2},
		"conv no groups":    {Name: "w", Shape: tensor.Shape{3, 1, 1, 1}, Matrix: true, Conv: true},
		"blocked vector":    {Name: "w", Shape: tensor.Shape{3}, Format: tensor.Block4},
		"blocked groups":    {Name: "w", Shape: tensor.Shape{4, 1, 1, 1}, Matrix: true, Conv: true, Groups: 2, Format: tensor.Block4},
		"unknown format":    {Name: "w", Shape: tensor.Shape{3, 3}, Matrix: true, Format: 9},
	} {
		if _, err := ref.New().NewBank([]device.Weight{w}, 0); err == nil || !strings.Contains(err.Error(), "weight w") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := ref.New().NewBank(nil, -1); err == nil {
		t.Error("negative slots: no error")
	}
}

// fc is a plan of one linear layer with loss and update.
func fc(t *testing.T) *net {
	n := newNet(t, 2, 3, 1, 1)
	n.p.Optim = device.Optim{Kind: device.Adam, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}
	w, b := n.matrix("w", 2, 3, 1, 2, 3, 4, 5, 6), n.vector("b", 0, 0)
	y, dy, part := n.val("y", 2, 1, 1), n.val("dy", 2, 1, 1), n.part("loss", 2)
	n.p.Output = y
	n.call("fc", device.Call{Kernel: device.Linear, In: []int{0}, Out: []int{y}, W: []int{w, b}})
	n.call("loss", device.Call{Kernel: device.CrossEntropy, In: []int{y}, Out: []int{dy, part}})
	n.call("loss", device.Call{Kernel: device.LossMerge, In: []int{part}})
	n.call("fc", device.Call{Kernel: device.LinearDW, In: []int{0, dy}, W: []int{w}, Update: true})
	n.call("fc", device.Call{Kernel: device.BiasD, In: []int{dy}, W: []int{b}, Update: true})
	return n
}

// Every fault of a plan is an error of Compile that names the layer, never a
// panic later.
func TestCompileRefuses(t *testing.T) {
	call := func(n *net, k device.Kernel) *device.Call {
		for i := range n.p.Regions {
			for j := range n.p.Regions[i].Calls {
				if c := &n.p.Regions[i].Calls[j]; c.Kernel == k {
					return c
				}
			}
		}
		t.Fatalf("no call of %v", k)
		return nil
	}
	for name, c := range map[string]struct {
		spoil func(n *net)
		want  string
	}{
		"other tile":         {func(n *net) { n.p.T = 16 }, "tiles of 16"},
		"no batch":           {func(n *net) { n.p.Batch = 0 }, "batch of 0"},
		"huge slab":          {func(n *net) { n.p.Slab = 1 << 60 }, "plan with"},
		"no input":           {func(n *net) { n.p.Input = 9 }, "input 9"},
		"outside the slab":   {func(n *net) { n.p.Vals[2].Off = n.p.Slab }, "outside the slab"},
		"negative offset":    {func(n *net) { n.p.Vals[2].Off = -1 }, "outside the slab"},
		"empty value":        {func(n *net) { n.p.Vals[1].C = 0 }, "value y"},
		"no node":            {func(n *net) { call(n, device.Linear).Node = 7 }, "no node 7"},
		"no such value":      {func(n *net) { call(n, device.Linear).In[0] = 7 }, "layer fc, kernel linear: reads"},
		"missing value":      {func(n *net) { call(n, device.Linear).Out = nil }, "layer fc, kernel linear: writes"},
		"wrong kind":         {func(n *net) { call(n, device.LossMerge).In[0] = 1 }, "layer loss, kernel loss.merge: reads"},
		"no such weight":     {func(n *net) { call(n, device.Linear).W[1] = -1 }, "takes weights"},
		"vector for matrix":  {func(n *net) { call(n, device.LinearDW).W[0] = 1 }, "takes weights"},
		"wrong sizes":        {func(n *net) { n.p.Vals[0].C = 2 }, "between 2 inputs"},
		"bias of wrong size": {func(n *net) { n.ws[1].Shape, n.data[1] = tensor.Shape{3}, fill(3, 0) }, "need 2 values"},
		"wrong region":       {func(n *net) { n.p.Regions[0].Scope = device.Serial }, "another scope"},
		"unknown kernel":     {func(n *net) { call(n, device.Linear).Kernel = 200 }, "not known"},
		"unknown activation": {func(n *net) { call(n, device.Linear).Act = 77 }, "activation 77"},
		"frozen weight":      {func(n *net) { n.ws[0].Train = false }, "w does not train"},
		"over its input":     {func(n *net) { n.p.Vals[1].Off = 1 }, "written over"},
		"load from nowhere":  {func(n *net) { call(n, device.Load).S[0] = 3 }, "source 3"},
	} {
		n := fc(t)
		c.spoil(n)
		dev := ref.New()
		b, err := dev.NewBank(n.ws, 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dev.Compile(&n.p, b, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	n := fc(t)
	b, err := ref.New().NewBank(n.ws, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ref.New().Compile(&n.p, b, 1); err == nil || !strings.Contains(err.Error(), "2 slots") {
		t.Errorf("one slot for Adam: error %v", err)
	}
	if _, err := ref.New().Compile(&n.p, nil, 1); err == nil {
		t.Error("no bank: no error")
	}
	if _, err := ref.New().Compile(nil, mustBank(t), 1); err == nil {
		t.Error("no plan: no error")
	}
}

func mustBank(t *testing.T) device.Bank {
	b, err := ref.New().NewBank(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Windows are checked one by one: they come from files.
func TestWindowsRefused(t *testing.T) {
	for _, w := range []*device.Window{
		nil,
		{KH: 0, KW: 2, SH: 1, SW: 1, Groups: 1},
		{KH: 2, KW: 2, SH: 0, SW: 1, Groups: 1},
		{KH: 2, KW: 2, SH: 1, SW: 1, PT: -1, Groups: 1},
		{KH: 2, KW: 2, SH: 1, SW: 1, PB: 2, Groups: 1},
		{KH: 9, KW: 2, SH: 1, SW: 1, Groups: 1},
		{KH: 2, KW: 2, SH: 2, SW: 1, Groups: 1}, // other output size
		{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 0},
		{KH: 2, KW: 2, SH: 1, SW: 1, Groups: 3},
	} {
		n := newNet(t, 1, 2, 4, 4)
		i := n.weight(device.Weight{Name: "w", Shape: tensor.Shape{2, 2, 2, 2}, Matrix: true, Conv: true, Groups: 1}, nil)
		n.call("conv", device.Call{Kernel: device.Conv, In: []int{0}, Out: []int{n.val("y", 2, 3, 3)}, W: []int{i}, Win: w})
		b, err := ref.New().NewBank(n.ws, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ref.New().Compile(&n.p, b, 1); err == nil || !strings.Contains(err.Error(), "layer conv") {
			t.Errorf("window %+v: error %v", w, err)
		}
	}
}

// Every fault of a step is an error of Run, and changes nothing.
func TestRunRefuses(t *testing.T) {
	n := fc(t)
	b, e := n.compile()
	before := get(t, b, 0)
	good := func() *device.Step {
		return &device.Step{
			X: []float32{1, 2, 3, 4, 5, 6}, Labels: []int32{0, 1}, N: 2, Index: 1, LR: 0.1,
			Out: make([]float32, 4), Pred: make([]int32, 2), Losses: make([]float32, 2),
		}
	}
	for name, spoil := range map[string]func(s *device.Step){
		"empty":            func(s *device.Step) { s.N = 0 },
		"too many":         func(s *device.Step) { s.N = 3 },
		"no such row":      func(s *device.Step) { s.Rows = []int32{0, 2} },
		"too little data":  func(s *device.Step) { s.X = s.X[:5] },
		"too few labels":   func(s *device.Step) { s.Labels = s.Labels[:1] },
		"short Out":        func(s *device.Step) { s.Out = s.Out[:3] },
		"short Pred":       func(s *device.Step) { s.Pred = s.Pred[:1] },
		"short Losses":     func(s *device.Step) { s.Losses = s.Losses[:1] },
		"InGrad not made":  func(s *device.Step) { s.InGrad = make([]float32, 6) },
		"step 0 with Adam": func(s *device.Step) { s.Index = 0 },
	} {
		s := good()
		spoil(s)
		if _, err := e.Run(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	near(t, "w", get(t, b, 0), before, 0)
	if _, err := e.Run(good()); err != nil {
		t.Fatal(err)
	}
	if get(t, b, 0)[0] == before[0] {
		t.Error("a good step changed nothing")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(good()); err == nil {
		t.Error("run after Close: no error")
	}

	n = newNet(t, 1, 2, 1, 1)
	n.seed(0)
	_, e = n.compile()
	if _, err := e.Run(&device.Step{X: []float32{1, 2}, N: 1, OutGrad: []float32{1}}); err == nil {
		t.Error("short OutGrad: no error")
	}
	if _, err := e.Run(&device.Step{X: []float32{1, 2}, N: 1, OutGrad: []float32{1, 2}, Pred: []int32{0}}); err == nil {
		t.Error("Pred of a plan without a loss: no error")
	}
}

// A value that nobody wrote reads as NaN, not as what the last run left.
func TestUnwrittenIsNaN(t *testing.T) {
	n := newNet(t, 1, 1, 1, 1)
	never := n.val("never", 1, 1, 1)
	y := n.val("y", 1, 1, 1)
	n.call("copy", device.Call{Kernel: device.Copy, In: []int{never}, Out: []int{y}})
	if got := n.out(1, []float32{1}); got[0] == got[0] {
		t.Errorf("y = %g", got[0])
	}
}

func TestProbe(t *testing.T) {
	n := fc(t)
	_, e := n.compile()
	s := &device.Step{X: []float32{1, 2, 3, 4, 5, 6}, Labels: []int32{0, 1}, N: 2, Index: 1}
	sum := func() (total int64) {
		for _, d := range e.Times() {
			total += int64(d)
		}
		return total
	}
	for _, on := range []bool{false, true, false} {
		e.Probe(on)
		for range 50 {
			if _, err := e.Run(s); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(e.Times()); got != 6 {
			t.Fatalf("%d times, want one for each of 6 calls", got)
		}
		if (sum() > 0) != on {
			t.Errorf("probe %v: times %v", on, e.Times())
		}
	}
}

// Samples of a batch do not see each other, and equal steps give equal bits.
func TestBatchOfOneEqualsBatch(t *testing.T) {
	n := newNet(t, 4, 2, 4, 5)
	r := newRand()
	win := device.Window{KH: 3, KW: 3, SH: 1, SW: 1, PT: 1, PL: 1, PB: 1, PR: 1, Groups: 1}
	w := n.weight(device.Weight{Name: "w", Shape: tensor.Shape{3, 2, 3, 3}, Matrix: true, Conv: true, Groups: 1}, noise(r, 54))
	y := n.val("y", 3, 4, 5)
	n.call("conv", device.Call{Kernel: device.Conv, In: []int{0}, Out: []int{y}, W: []int{w}, Win: &win})
	x := noise(r, 4*40)
	all := n.out(4, x)
	near(t, "again", n.out(4, x), all, 0)
	for i := range 4 {
		near(t, "alone", n.out(1, x[i*40:]), all[i*60:(i+1)*60], 0)
	}
}

// The statistic of a batch norm is one more thing a plan can get wrong.
func TestStatisticsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(n *net, r []device.Region)
		want  string
	}{
		"no such statistic":    {func(n *net, r []device.Region) { r[0].Calls[1].Stat = 1 }, "no statistic 1"},
		"other channels":       {func(n *net, r []device.Region) { n.p.Stats[0] = 3 }, "no statistic 0 of 2"},
		"used before":          {func(n *net, r []device.Region) { r[0].Calls = r[0].Calls[:1] }, "before it is filled"},
		"filled twice":         {func(n *net, r []device.Region) { r[0].Calls = append(r[0].Calls, r[0].Calls[1]) }, "filled twice"},
		"part of other size":   {func(n *net, r []device.Region) { n.p.Vals[2].C = 3 }, "need 4 values"},
		"weight of other size": {func(n *net, r []device.Region) { n.ws[0].Shape, n.data[0] = tensor.Shape{3}, fill(3, 0) }, "need 2 values"},
	} {
		n := newNet(t, 2, 2, 1, 1)
		normOp(n, newRand())
		c.spoil(n, n.p.Regions)
		b, err := ref.New().NewBank(n.ws, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ref.New().Compile(&n.p, b, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// Shapes of the simple kernels: in and out must fit.
func TestShapesRefused(t *testing.T) {
	for name, build := range map[string]func(n *net) device.Call{
		"add": func(n *net) device.Call {
			return device.Call{Kernel: device.Add, In: []int{0, n.val("b", 2, 2, 2)}, Out: []int{n.like("y", 0)}}
		},
		"flatten": func(n *net) device.Call {
			return device.Call{Kernel: device.Flatten, In: []int{0}, Out: []int{n.val("y", 17, 1, 1)}}
		},
		"flatten to pixels": func(n *net) device.Call {
			return device.Call{Kernel: device.Flatten, In: []int{0}, Out: []int{n.like("y", 0)}}
		},
		"softmax of pixels": func(n *net) device.Call {
			return device.Call{Kernel: device.Softmax, In: []int{0}, Out: []int{n.like("y", 0)}}
		},
		"pool into other channels": func(n *net) device.Call {
			w := &device.Window{KH: 1, KW: 1, SH: 1, SW: 1}
			return device.Call{Kernel: device.MaxPool, In: []int{0}, Out: []int{n.val("y", 3, 3, 3)}, Win: w}
		},
		"load of another shape": func(n *net) device.Call {
			return device.Call{Kernel: device.Load, Out: []int{n.val("y", 3, 3, 3)}}
		},
		"loss of pixels": func(n *net) device.Call {
			return device.Call{Kernel: device.CrossEntropy, In: []int{0}, Out: []int{n.part("p", 2)}}
		},
		"loss part of three": func(n *net) device.Call {
			return device.Call{Kernel: device.LossMerge, In: []int{n.part("p", 3)}}
		},
		"one value too many": func(n *net) device.Call {
			return device.Call{Kernel: device.Copy, In: []int{0, 0}, Out: []int{n.like("y", 0)}}
		},
		"dropout of everything": func(n *net) device.Call {
			return device.Call{Kernel: device.Dropout, In: []int{0}, Out: []int{n.like("y", 0)}, S: [2]float32{1}}
		},
	} {
		n := newNet(t, 1, 2, 3, 3)
		n.call("it", build(n))
		if _, err := ref.New().Compile(&n.p, mustBank(t), 1); err == nil || !strings.Contains(err.Error(), "layer it") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
