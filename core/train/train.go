// Package train runs a model on a device: one training step, evaluation of a
// split, learning-rate schedules, and the move of weights and optimiser state
// between the model and the device when the structure changes. The loop over
// steps, with its stages and commands, is core's.
//
// A step may run in parts, one after the other (Options.Micros), with a teacher's logits in
// its loss (Options.Teacher), or together with other ranks (Options.Ranks): each takes its
// share of the batch, the gradients of all are added up in the order of the ranks, and all
// move the weights alike. Ranks is an interface; nothing here carries numbers from process
// to process. Garbage is collected between steps, where no worker has to be stopped (Collector).
//
// train imports core/plan, core/graph, core/device, core/data and core/tensor.
// It knows no stages, no events and no files.
package train

import (
	"fmt"
	"slices"
	"time"

	"pare/core/data"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
)

// Options of a trainer.
type Options struct {
	Batch  int // samples of a step
	Micros int // runs that a full step is made in, one after the other (device.Micro); 0: one
	// Recompute: values are made again for their gradients, not kept (plan.Options).
	Recompute bool
	Optim     device.Optim
	Seed      uint64      // of dropout
	Threads   int         // 0 = GOMAXPROCS
	Prices    plan.Prices // what formats cost; none: the default ones
	// Dense runs every layer on dense kernels whatever its mask: the control
	// side of a comparison.
	Dense bool
	// Teacher's logits are mixed into the loss of each step by Distil; nil: none. It is
	// only read from here. Its work counts as the step's.
	Teacher *graph.Model
	Distil  plan.Distil
	// Ranks train the model together with this one, with the same options and on the same
	// batches, of which each takes its share; nil: this one alone.
	Ranks device.Ranks
}

// Trainer holds a model on a device. While it is open the device's bank owns
// the weights; Pull brings them back into the model. Not safe for concurrent
// use.
type Trainer struct {
	Model   *graph.Model
	Choices []plan.Choice
	Plan    *device.Plan // of a training step
	OnePlan *device.Plan // of one inference
	Weights []device.Weight

	dev   device.Device
	o     Options
	bank  device.Bank
	step  device.Exec
	moves device.Exec // the optimiser's step, of one of several ranks
	sums  []float32   // of one weight's gradients, of several ranks
	eval  device.Exec
	infer device.Exec // batch 1, one thread
	open  []int       // parameters whose weights are open, see Open
	teach *teacher
	cost  map[int]device.Cost // of training steps, by their samples; emptied when masks change
	batch data.Batch
}

// EvalBatch is the batch of evaluations, evalTokens that of sequences. They do not
// change results.
const (
	EvalBatch  = 256
	evalTokens = 2048
)

// evalBatch is how many samples of m are evaluated at a time.
func evalBatch(m *graph.Model) int {
	if seq := m.Input().Seq; seq > 0 {
		return max(1, min(EvalBatch, evalTokens/seq))
	}
	return EvalBatch
}

// New puts m on dev. state is the optimiser's, State[slot][param], or nil for a
// fresh start. m.Data must be filled.
func New(m *graph.Model, dev device.Device, o Options, state [][][]float32) (*Trainer, error) {
	if o.Threads <= 0 {
		o.Threads = Procs()
	}
	if !o.Prices.Known() {
		o.Prices = plan.DefaultPrices()
	}
	t := &Trainer{Model: m, dev: dev, o: o}
	if o.Teacher == nil {
		t.o.Distil = plan.Distil{}
	} else {
		var err error
		if t.teach, err = newTeacher(o.Teacher, m, dev, o); err != nil {
			return nil, err
		}
		t.o.Teacher = nil
	}
	if err := t.build(state); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Trainer) build(state [][][]float32) error {
	m := t.Model
	t.Choices = plan.Choose(m, t.dev, t.o.Prices)
	if t.o.Dense {
		for i := range t.Choices {
			t.Choices[i].Format, t.Choices[i].Cost, t.Choices[i].Why = 0, 1, "dense on request"
		}
	}
	t.openAll()
	t.Weights = plan.Weights(m, t.Choices)
	for _, i := range t.open {
		t.Weights[i].Open = t.Weights[i].Train
	}
	var err error
	slots := t.o.Optim.Slots()
	if t.bank, err = t.dev.NewBank(t.Weights, slots); err != nil {
		return err
	}
	for i, w := range m.Params {
		if len(w.Data) != w.Shape.Len() {
			return fmt.Errorf("parameter %s has %d values for shape %v: load or initialise it first", w.Name, len(w.Data), w.Shape)
		}
		if err := t.bank.Set(i, w.Data); err != nil {
			return err
		}
		for s := 0; s < slots && state != nil; s++ {
			if s < len(state) && state[s][i] != nil && t.Weights[i].Train {
				if err := t.bank.SetState(i, s, state[s][i]); err != nil {
					return err
				}
			}
		}
	}
	if err := t.compile(); err != nil {
		return t.wayOut(err)
	}
	plan.Settle(t.Choices, plan.Measured("training", t.step), plan.Measured("evaluation", t.eval), plan.Measured("one sample", t.infer))
	return nil
}

// Close frees the device's side. The model keeps what the last Pull brought.
func (t *Trainer) Close() {
	t.release()
	if t.teach != nil {
		t.teach.ex.Close() //nolint:errcheck // nothing left to do with it
		t.teach = nil
	}
}

// release frees all but the teacher, which a rewrite does not touch.
func (t *Trainer) release() {
	t.closePlans()
	if t.bank != nil {
		t.bank.Close() //nolint:errcheck // nothing left to do with it
		t.bank = nil
	}
}

// Step trains on the given rows of set. index is 1 for the first step of the
// optimiser's life.
func (t *Trainer) Step(set *data.Set, rows []int32, lr float64, index int64) (device.Result, error) {
	if t.o.Ranks != nil {
		return t.together(set, rows, lr, index)
	}
	s, err := t.read(set, rows, 0, len(rows))
	if err != nil {
		return device.Result{}, err
	}
	s.LR, s.Index = float32(lr), index
	return device.RunParts(t.step, t.Plan, s)
}

// read makes a step of the rows, with a teacher's logits of n of them from the first on.
func (t *Trainer) read(set *data.Set, rows []int32, first, n int) (s *device.Step, err error) {
	b := &t.batch
	if err := b.Read(set, rows); err != nil {
		return nil, err
	}
	s = &device.Step{X: b.X, Labels: b.Labels, Rows: b.Rows}
	if t.teach != nil {
		s.Teacher, err = t.teach.logits(b, first, n)
	}
	return s, err
}

// StepCost is the arithmetic of a training step, a teacher's part included, on n samples by the plan in force,
// of one of several ranks that of its share: multiply-adds, and of these the skipped ones (plan.Costs),
// counted once after each change of the masks. Bytes are not in it.
func (t *Trainer) StepCost(n int) device.Cost {
	c, ok := t.cost[n]
	if !ok {
		share := n
		if r := t.o.Ranks; r != nil {
			_, share = device.Share(n, r.Rank(), r.World())
		}
		all := plan.Total(plan.Costs(t.Plan, t.Weights, share))
		if h := t.teach; h != nil {
			all = all.Add(plan.Total(plan.Costs(h.plan, h.weights, share)))
		}
		c = device.Cost{MACs: all.MACs, Skipped: all.Skipped}
		t.cost[n] = c
	}
	return c
}

// Eval runs the model over a whole split. If pred is not nil it receives the
// predicted class of every label: of every sample, or of every token.
func (t *Trainer) Eval(set *data.Set, pred []int32) (Score, error) {
	var s Score
	batch := t.evalBatch()
	per := 1 // labels of a sample
	if t.Model.Values[t.Model.Output].Seq > 0 {
		per = t.Model.Input().Seq
	}
	var tokens []int32
	if per > 1 && pred == nil {
		tokens = make([]int32, batch*per)
	}
	rows := make([]int32, 0, batch)
	var groups clusters
	for i := 0; i < set.N(); i += batch {
		rows = rows[:0]
		for j := i; j < min(i+batch, set.N()); j++ {
			rows = append(rows, int32(j))
		}
		b := &t.batch
		if err := b.Read(set, rows); err != nil {
			return s, err
		}
		st := &device.Step{X: b.X, Labels: b.Labels, Rows: b.Rows}
		switch {
		case pred != nil:
			st.Pred = pred[i*per : (i+len(rows))*per]
		case per > 1:
			st.Pred = tokens[:len(rows)*per]
		}
		r, err := t.eval.Run(st)
		if err != nil {
			return s, err
		}
		s.Loss += r.Loss * float64(r.N)
		s.Correct += r.Correct
		s.N += r.N
		for j := range rows {
			if per > 1 {
				k := int(b.Rows[j]) * per
				groups.add(right(st.Pred[j*per:(j+1)*per], b.Labels[k:k+per]))
			}
		}
	}
	s.Loss /= float64(max(s.N, 1))
	s.Effect = groups.effect()
	return s, nil
}

// right counts the labels that pred hits, and all labels.
func right(pred, labels []int32) (hits, of int) {
	for i, l := range labels {
		if l == data.NoLabel {
			continue
		}
		of++
		if pred[i] == l {
			hits++
		}
	}
	return hits, of
}

// Infer runs one sample (row i of set) and writes its logits to out.
func (t *Trainer) Infer(set *data.Set, i int, out []float32) error {
	if err := t.batch.Read(set, []int32{int32(i)}); err != nil {
		return err
	}
	_, err := t.infer.Run(&device.Step{X: t.batch.X, Rows: t.batch.Rows, Out: out})
	return err
}

// Pull copies the weights from the device into the model.
func (t *Trainer) Pull() error {
	for i := range t.Model.Params {
		p := &t.Model.Params[i]
		if len(p.Data) != p.Shape.Len() {
			p.Data = make([]float32, p.Shape.Len())
		}
		if err := t.bank.Get(i, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// Push copies the model's weights to the device: after a rewind.
func (t *Trainer) Push() error {
	for i, p := range t.Model.Params {
		if err := t.bank.Set(i, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// State copies the optimiser's state out: State[slot][param], nil for
// parameters that are not trained.
func (t *Trainer) State() ([][][]float32, error) {
	st := make([][][]float32, t.o.Optim.Slots())
	for s := range st {
		st[s] = make([][]float32, len(t.Weights))
		for i, w := range t.Weights {
			if !w.Train {
				continue
			}
			st[s][i] = make([]float32, w.Shape.Len())
			if err := t.bank.State(i, s, st[s][i]); err != nil {
				return nil, err
			}
		}
	}
	return st, nil
}

// Rewrite applies rewrites to the model and moves weights and optimiser state
// along. fresh drops the state instead: a rewind starts the optimiser anew.
func (t *Trainer) Rewrite(rs []graph.Rewrite, fresh bool) error {
	if err := t.Pull(); err != nil {
		return err
	}
	var state [][][]float32
	if !fresh {
		var err error
		if state, err = t.State(); err != nil {
			return err
		}
	}
	old := t.Model.Shallow()
	if slices.ContainsFunc(rs, func(r graph.Rewrite) bool { _, cut := r.(graph.CutAxis); return !cut }) {
		old = t.Model.Clone() // others than cuts write into weights
	}
	for _, r := range rs {
		shapes := t.Model.Params
		before := make([]graph.Param, len(shapes))
		copy(before, shapes)
		for i := range before {
			before[i].Shape = before[i].Shape.Clone()
		}
		remap, err := r.Apply(t.Model)
		if err != nil {
			*t.Model = *old
			return err
		}
		for s := range state {
			byName := map[string][]float32{} // a rewrite may add parameters and take some off
			for i, x := range state[s] {
				if x != nil {
					byName[before[i].Name] = remap.Tensor(i, before[i].Shape, x)
				}
			}
			state[s] = make([][]float32, len(t.Model.Params))
			for i, p := range t.Model.Params {
				if x := byName[p.Name]; len(x) == p.Shape.Len() {
					state[s][i] = x
				}
			}
		}
	}
	t.release()
	return t.build(state)
}

// PlanHash identifies the plan of a training step.
func (t *Trainer) PlanHash() string { return plan.Hash(t.Plan, t.Weights) }

// Resident is the number of bytes the weights take on the device.
func (t *Trainer) Resident() int64 { return t.bank.Resident() }

// Probe times the calls of n training steps on rows of set and returns the time
// per node of the model, in nanoseconds per step summed over workers, forward
// and backward and update together. The weights do change: use a copy.
func (t *Trainer) Probe(set *data.Set, rows []int32, lr float64, n int) ([]float64, error) {
	calls, err := t.ProbeCalls(set, rows, lr, n)
	if err != nil {
		return nil, err
	}
	per := make([]float64, len(t.Plan.Nodes))
	i := 0
	for _, r := range t.Plan.Regions {
		for _, c := range r.Calls {
			per[c.Node] += calls[i]
			i++
		}
	}
	return per, nil
}

// ProbeCalls is Probe for each call of the plan, in the order of regions and calls.
func (t *Trainer) ProbeCalls(set *data.Set, rows []int32, lr float64, n int) ([]float64, error) {
	t.step.Probe(true)
	defer t.step.Probe(false)
	for i := 0; i < n; i++ {
		if _, err := t.Step(set, rows, lr, int64(i+1)); err != nil {
			return nil, err
		}
	}
	return perRun(t.step.Times(), n), nil
}

// ProbeInfer times the calls of n inferences of row i of set, in nanoseconds per
// inference, in the order of OnePlan's regions and calls.
func (t *Trainer) ProbeInfer(set *data.Set, i int, out []float32, n int) ([]float64, error) {
	t.infer.Probe(true)
	defer t.infer.Probe(false)
	for range n {
		if err := t.Infer(set, i, out); err != nil {
			return nil, err
		}
	}
	return perRun(t.infer.Times(), n), nil
}

// perRun are the times of calls in n runs as nanoseconds of one.
func perRun(times []time.Duration, n int) []float64 {
	per := make([]float64, len(times))
	for i, d := range times {
		per[i] = float64(d.Nanoseconds()) / float64(n)
	}
	return per
}
