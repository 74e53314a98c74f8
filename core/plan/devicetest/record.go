package devicetest

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
)

// job is one thing to do on a device: a model, how its weights are stored, and
// the steps to run.
type job struct {
	m       *graph.Model
	formats []plan.Choice
	mode    plan.Mode
	optim   device.Optim
	lr      float32
	batch   int   // most samples of the plan
	ns      []int // samples of each step
	threads int
	seed    uint64 // of the data
	ties    bool   // samples of few different values
	open    bool   // gradients at masked places, too
	distil  plan.Distil
	micros  int    // runs of a step, or of a share of it
	world   int    // ranks that take a share each; 0: one that takes all
	again   bool   // values are made again
	off     *noise // on samples and parameters
}

// result is a named list of values that a job left behind. Results of one group
// are measured against the largest value of the group as well, see compare.
type result struct {
	name, group string
	x           []float32
	least       float64 // a scale that rounding is measured by, at least
	runs        int     // of a step: each rounds sums over the batch once more
}

// slack is how much more than others the result may be off by.
func (r result) slack() float64 { return float64(max(r.runs, 1)) }

// record runs j on dev and lists everything that can be seen from outside: of
// each step the outputs, losses, predictions and the gradient of the input, and
// after the last one gradients, weights and optimiser state.
func (j job) record(t testing.TB, dev device.Device) []result {
	t.Helper()
	o := plan.Options{Mode: j.mode, Batch: j.batch, Optim: j.optim, Seed: j.seed, InGrad: ids(j.m) == 0, Distil: j.distil, Micros: j.micros, Recompute: j.again}
	ws := plan.Weights(j.m, j.formats)
	for i := range ws {
		ws[i].Open = j.open && ws[i].Mask != nil
	}
	bank, err := dev.NewBank(ws, j.optim.Slots())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range j.m.Params {
		if err := bank.Set(i, j.off.of(p.Data)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := plan.Build(j.m, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	ex, err := dev.Compile(p, bank, j.threads)
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close()
	run := func(s *device.Step) (device.Result, error) { return device.RunParts(ex, p, s) }
	if j.world > 0 {
		run = j.together(t, dev, o, ws, bank)
	}
	var out []result
	add := func(name, group string, x []float32) { out = append(out, result{name: name, group: group, x: x}) }
	for i, n := range j.ns {
		s := j.step(i, n)
		if ids(j.m) == 0 {
			s.X = j.off.of(s.X)
		}
		res, err := run(s)
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		at := func(name string) string { return fmt.Sprintf("%s of step %d", name, i+1) }
		// A loss is a difference of logits: it is as exact as they are.
		add(at("output"), "logits", s.Out)
		if j.mode == plan.Eval || j.mode == plan.Train || j.mode == plan.Grads {
			add(at("loss"), "logits", []float32{float32(res.Loss)})
			add(at("losses"), "logits", s.Losses)
			// A teacher's part is T² times a difference of logarithms near each other.
			for k := len(out) - 2; k < len(out); k++ {
				out[k].least = float64(j.distil.Alpha*j.distil.Temperature*j.distil.Temperature) / 512
			}
			add(at("correct"), "", []float32{float32(res.Correct), float32(res.N)})
			pred := make([]float32, len(s.Pred))
			for k, c := range s.Pred {
				pred[k] = float32(c)
			}
			add(at("prediction"), "", pred)
		}
		if s.InGrad != nil {
			add(at("input gradient"), "", s.InGrad)
		}
	}
	get := func(name, group string, n int, f func(x []float32) error) {
		x := make([]float32, n)
		if err := f(x); err != nil {
			t.Fatal(err)
		}
		add(name, group, x)
	}
	for i, w := range ws {
		if !w.Train || j.mode < plan.Train {
			continue
		}
		n := w.Shape.Len()
		get("gradient of "+w.Name, "gradients", n, func(x []float32) error { return bank.Grad(i, x) })
		for slot := range j.optim.Slots() {
			get(fmt.Sprintf("state %d of %s", slot, w.Name), fmt.Sprintf("state %d", slot), n,
				func(x []float32) error { return bank.State(i, slot, x) })
		}
	}
	for i, w := range ws {
		get(w.Name, weights, w.Shape.Len(), func(x []float32) error { return bank.Get(i, x) })
	}
	return out
}

// step makes step i of n samples: rows in an odd order out of more data than
// one batch, and random gradients of the output.
func (j job) step(i, n int) *device.Step {
	r := rand.New(rand.NewPCG(j.seed, uint64(i)))
	in, classes, tokens := j.m.Input().Len(), j.m.Classes(), max(j.m.Values[j.m.Output].Seq, 1)
	rows := n + 5
	s := &device.Step{X: randoms(r, rows*in), Index: int64(i + 1), LR: j.lr, Out: make([]float32, n*tokens*classes)}
	if j.ties {
		for k, v := range s.X {
			s.X[k] = float32(math.Round(2 * float64(v)))
		}
	}
	ids := ids(j.m)
	if ids > 0 {
		for k := range s.X {
			s.X[k] = float32(r.IntN(ids))
			if j.m.Input().C == 2 && k%2 == 1 {
				s.X[k] = float32(r.IntN(segments))
			}
		}
	}
	for k := range rows * tokens {
		s.Labels = append(s.Labels, int32(r.IntN(classes)))
		if tokens > 1 && k%5 == 3 {
			s.Labels[k] = device.NoLabel
		}
	}
	for _, k := range r.Perm(rows)[:n] {
		s.Rows = append(s.Rows, int32(k))
	}
	if j.distil.Alpha > 0 { // of the batch, in its order; surer than the net under test
		s.Teacher = randoms(r, n*tokens*classes)
		for k := range s.Teacher {
			s.Teacher[k] *= 3
		}
	}
	switch j.mode {
	case plan.Seeded:
		s.OutGrad = randoms(r, n*tokens*classes)
	case plan.Eval, plan.Train, plan.Grads:
		s.Pred, s.Losses = make([]int32, n*tokens), make([]float32, n*tokens)
	}
	if j.mode >= plan.Train && ids == 0 {
		s.InGrad = make([]float32, n*in)
	}
	return s
}

// segments is the number of segments of models that take them.
const segments = 3

// ids is the number of rows of a model's embedding, 0 without one.
func ids(m *graph.Model) int {
	for _, n := range m.Nodes {
		if n.Op == "embedding" {
			return m.Params[n.Params[0]].Shape[0]
		}
	}
	return 0
}

// randoms draws n values between −1 and 1.
func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}

// fill gives every parameter of m random values that keep activations near 1,
// a function of the seed and the parameter's name.
func fill(m *graph.Model, seed uint64) {
	for i := range m.Params {
		p := &m.Params[i]
		h := fnv.New64a()
		h.Write([]byte(p.Name))
		r := rand.New(rand.NewPCG(seed, h.Sum64()))
		p.Data = randoms(r, p.Shape.Len())
		scale, shift := 1.0, 0.0
		switch p.Role {
		case graph.Weight, graph.LoraA, graph.LoraB:
			scale = math.Sqrt(3 / float64(p.Shape[1:].Len()))
		case graph.Bias, graph.Shift, graph.Table:
			scale = 0.5
		case graph.Scale:
			scale, shift = 0.5, 1
		case graph.Running:
			scale, shift = 0.4, 0.8 // a variance must be positive
		}
		for k := range p.Data {
			p.Data[k] = float32(scale*float64(p.Data[k]) + shift)
		}
		p.Mask.Apply(p.Data)
	}
}

// maskBlocks drops whole blocks of r rows × 1 column with the given
// probability; r = 1 drops single elements. Prunable weights only.
func maskBlocks(m *graph.Model, r int, zeros float64, seed uint64) {
	for i := range m.Params {
		p := &m.Params[i]
		if !m.Prunable(i) {
			continue
		}
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		n, k := p.Shape[0], p.Shape[1:].Len()
		p.Mask = tensor.NewMask(n * k)
		for nb := 0; nb < n; nb += r {
			for c := range k {
				if rng.Float64() >= zeros {
					continue
				}
				for row := nb; row < min(nb+r, n); row++ {
					p.Mask.Drop(row*k + c)
				}
			}
		}
	}
}
