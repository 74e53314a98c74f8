package lowrank

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// Setup is how a layer runs in training: the probe times it so.
type Setup struct {
	Batch, Seq int // samples of a step; tokens of a sample, 0 for none
	Optim      device.Optim
	Threads    int
	// Made is how often a step makes the layer's output: twice where values are made again
	// for gradients that read it. Between is the same of the value between its factors,
	// which their own gradients read. 0: once.
	Made, Between int
}

// Verdict is what two factors in place of a layer come to.
type Verdict struct {
	Layer     string  `json:"layer"`
	Out       int     `json:"out"`
	In        int     `json:"in"`
	Rank      int     `json:"rank"`
	Energy    float64 `json:"energy"`     // share of Σσ² kept
	BreakEven float64 `json:"break_even"` // rank from which they multiply more
	StepUS    float64 `json:"step_us"`    // a training step of the layer alone
	FactorsUS float64 `json:"factors_us"` // of its two factors
	Faster    bool    `json:"faster"`
}

// String is the verdict in words.
func (v Verdict) String() string {
	head := fmt.Sprintf("%s (%d×%d) to rank %d, %.1f %% of the energy: ", v.Layer, v.Out, v.In, v.Rank, 100*v.Energy)
	switch {
	case v.StepUS == 0:
		return head + fmt.Sprintf("no gain here: two factors multiply less only below rank %.1f", v.BreakEven)
	case v.Faster:
		return head + fmt.Sprintf("a step of the layer takes %.0f µs, of two factors %.0f µs", v.StepUS, v.FactorsUS)
	}
	return head + fmt.Sprintf("no gain here: a step of the layer takes %.0f µs, of two factors %.0f µs", v.StepUS, v.FactorsUS)
}

// gain is what factors must save of a step's time to count as faster: less is noise.
const gain = 0.03

// The probe's length: rounds at least and at most, and the time after which it ends.
const (
	leastRounds, mostRounds = 5, 60
	probeTime               = 60 * time.Millisecond
)

// Probe times training steps of a layer and of its two factors in turns and keeps the
// shortest of each. A rank at or above break-even is not timed: it is no gain.
func Probe(dev device.Device, s Setup, layer string, out, in, rank int, energy float64) (Verdict, error) {
	v := Verdict{Layer: layer, Out: out, In: in, Rank: rank, Energy: energy, BreakEven: BreakEven(out, in)}
	if float64(rank) >= v.BreakEven {
		return v, nil
	}
	whole, err := open(dev, s, out, in, 0)
	if err != nil {
		return v, fmt.Errorf("probe %s: %w", layer, err)
	}
	defer whole.close()
	factors, err := open(dev, s, out, in, rank)
	if err != nil {
		return v, fmt.Errorf("probe %s: %w", layer, err)
	}
	defer factors.close()
	for i, begin := 0, time.Now(); i < leastRounds || i < mostRounds && time.Since(begin) < probeTime; i++ {
		for _, t := range []*turn{whole, factors} {
			if err := t.take(); err != nil {
				return v, fmt.Errorf("probe %s: %w", layer, err)
			}
		}
	}
	v.StepUS, v.FactorsUS = float64(whole.least.Nanoseconds())/1e3, float64(factors.least.Nanoseconds())/1e3
	v.Faster = v.FactorsUS < v.StepUS*(1-gain)
	return v, nil
}

// turn is a layer ready to be timed.
type turn struct {
	bank  device.Bank
	ex    device.Exec
	plan  *device.Plan
	step  device.Step
	nodes int   // of the layer
	made  []int // how often a step makes each of them
	least time.Duration
}

func (t *turn) close() {
	if t.ex != nil {
		t.ex.Close() //nolint:errcheck // nothing left to do with it
	}
	t.bank.Close() //nolint:errcheck // the same
}

// open compiles a training step of a layer, or of its factors for a rank above 0.
func open(dev device.Device, s Setup, out, in, rank int) (*turn, error) {
	m := graph.New("probe", in, 1, 1)
	if s.Seq > 0 {
		m = graph.NewSequence("probe", in, s.Seq)
	}
	sizes := [][2]int{{out, in}}
	if rank > 0 {
		sizes = [][2]int{{rank, in}, {out, rank}}
	}
	v := 0
	for i, n := range sizes {
		w := m.AddParam(fmt.Sprintf("layer%d.weight", i), graph.Weight, tensor.Shape{n[0], n[1]}, nil)
		var err error
		if v, err = m.Append(fmt.Sprintf("layer%d", i), "linear", graph.Attrs{}, []int{w}, v); err != nil {
			return nil, err
		}
	}
	t := &turn{nodes: len(sizes), made: []int{max(s.Made, 1)}}
	if rank > 0 {
		t.made = []int{max(s.Between, 1), max(s.Made, 1)}
	}
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * (2*r.Float32() - 1)
		}
		return x
	}
	ws := plan.Weights(m, nil)
	var err error
	if t.bank, err = dev.NewBank(ws, s.Optim.Slots()); err != nil {
		return nil, err
	}
	if err := t.fill(m, ws, dev, s, noise); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// fill gives a turn its weights, its plan and a step.
func (t *turn) fill(m *graph.Model, ws []device.Weight, dev device.Device, s Setup, noise func(int, float32) []float32) (err error) {
	for i, w := range ws {
		if err := t.bank.Set(i, noise(w.Shape.Len(), 1/float32(w.Shape[1]))); err != nil {
			return err
		}
	}
	if t.plan, err = plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: s.Batch, Optim: s.Optim, InGrad: true}); err != nil {
		return err
	}
	t.step = device.Step{X: noise(s.Batch*m.Input().Len(), 1), Labels: make([]int32, s.Batch*max(s.Seq, 1)), N: s.Batch, LR: 1e-6, Index: 1}
	t.ex, err = dev.Compile(t.plan, t.bank, s.Threads)
	return err
}

// take runs two steps, since the first finds the caches full of the other's data, and
// keeps the time of the layer's calls, summed over workers, if it is the least.
func (t *turn) take() error {
	for range 2 {
		t.ex.Probe(true)
		if _, err := t.ex.Run(&t.step); err != nil {
			return err
		}
	}
	times, i, sum := t.ex.Times(), 0, time.Duration(0)
	for _, r := range t.plan.Regions {
		for _, c := range r.Calls {
			switch {
			case c.Node >= t.nodes:
			case c.Kernel == device.Linear:
				sum += times[i] * time.Duration(t.made[c.Node])
			default:
				sum += times[i]
			}
			i++
		}
	}
	if t.least == 0 || sum < t.least {
		t.least = sum
	}
	return nil
}
