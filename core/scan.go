package core

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"pare/core/data"
	"pare/core/device"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/prune"
	"pare/core/train"
	"pare/hwprofiles"
)

// ScanSpec sets up the sensitivity scan.
type ScanSpec struct {
	// Levels are the shares that each layer, or group of channels, loses in turn.
	Levels []float64 `toml:"levels,omitempty"`
	// Samples of the validation set that accuracy is taken on; 0 = up to ScanSamples, of
	// text up to ScanTokens tokens.
	Samples int `toml:"samples,omitempty"`
}

// Defaults of a scan.
var ScanLevels = []float64{0.3, 0.5, 0.7, 0.8, 0.9}

// How many samples, or tokens of text, a scan evaluates a level on unless told.
const (
	ScanSamples = 2000
	ScanTokens  = 20000
)

// states of a scan
const (
	scanRunning   = "running"
	scanDone      = "done"
	scanCancelled = "cancelled"
)

// checkScan refuses what no scan can do.
func (r *Recipe) checkScan() error {
	s := r.Scan
	for i, l := range s.Levels {
		if !(l > 0 && l < 1) || i > 0 && l <= s.Levels[i-1] {
			return fmt.Errorf("scan.levels = %v: give shares above 0 and below 1 that rise (0.5 = 50 %%)", s.Levels)
		}
	}
	switch {
	case len(s.Levels) > 100:
		return fmt.Errorf("scan.levels: %d levels: give 100 at most", len(s.Levels))
	case s.Samples < 0:
		return fmt.Errorf("scan.samples = %d: give the number of validation samples, 0 for the default", s.Samples)
	case r.Prune.Distribution == "sensitivity" && slices.ContainsFunc(r.LowRank, func(l LowRankSpec) bool { return l.Method == "svd" }):
		return fmt.Errorf("prune.distribution = \"sensitivity\" with a lowrank step of svd: the scan is of the layers as they are, and svd puts others in their place: choose global, layer or erk")
	}
	return nil
}

// scanLevels are those of the recipe. A spread by sensitivity needs to know what lies above
// its target: where fewer than two levels do, more are added, each half-way to 1.
func (r *Recipe) scanLevels() []float64 {
	l := slices.Clone(r.Scan.Levels)
	if len(l) == 0 {
		l = slices.Clone(ScanLevels)
	}
	if r.Prune.Distribution != "sensitivity" {
		return l
	}
	t := r.Prune.Target
	for k := len(l); k < 2 || l[k-2] <= t; k = len(l) {
		top := t
		if k > 0 {
			top = max(t, l[k-1])
		}
		if top > 0.999 {
			break
		}
		l = append(l, math.Round(1e4*(1+top)/2)/1e4)
	}
	return l
}

// ScanJob is a sensitivity scan: each layer that the recipe's rule prunes, for cuts each
// group of channels as a whole, is pruned alone to each level, and the model evaluated on
// samples held out from training, without training after it.
type ScanJob struct {
	Model   *graph.Model // with its weights; stays as it is
	Base    prune.Base   // of the net as it came
	Dev     device.Device
	Recipe  *Recipe // its pruning rule, [scan] and training set-up
	Data    *data.Data
	HW      hwprofiles.Profile // times and joules are predicted for
	Meter   *energy.Meter      // bills the scan
	Threads int
	// Evidence brings what the score asks for; nil where it asks for nothing.
	Evidence func() (*prune.Evidence, error)
	// Known is an earlier scan: rows of it that hold for this one are taken over.
	Known *event.Scan
	// Say is told of the scan's beginning, of each row, and of its end.
	Say func(event.Body) error
	// Stop is asked before each evaluation whether to end here; nil: never.
	Stop func() (bool, error)
}

// Run scans. When it is cancelled, by ctx or Stop, it returns what there was time for,
// without an error. Its bill holds everything from here on.
func (j *ScanJob) Run(ctx context.Context) (*event.Scan, error) {
	mark, begin := j.Meter.Mark(), time.Now()
	spec := j.spec()
	parts, err := prune.Parts(j.Model, spec)
	if err != nil {
		return nil, err
	}
	if spec.Needs() {
		if j.Evidence == nil {
			return nil, fmt.Errorf("score %s needs gradients, and there are none here: choose magnitude", spec.Score)
		}
		if spec.Evidence, err = j.Evidence(); err != nil {
			return nil, err
		}
	}
	set := j.samples()
	ev, err := train.NewEvaluator(j.Model, j.Dev, j.evaluation())
	if err != nil {
		return nil, err
	}
	defer ev.Close()
	whole, err := ev.Eval(set)
	if err != nil {
		return nil, err
	}
	p, err := j.pricer()
	if err != nil {
		return nil, err
	}
	s := &event.Scan{
		Stage: event.Configure, Key: j.key(spec), Rule: spec.Score + ", " + patternWords[spec.Pattern], Groups: spec.Structured(), Levels: j.Recipe.scanLevels(),
		Split: "val", Samples: set.N(), N: whole.N, Acc: whole.Acc(), Loss: finite(whole.Loss), Of: len(parts),
		Batch: p.batch, HW: j.HW.Name, HWKind: j.HW.Kind, State: scanRunning,
	}
	if s.Dense, err = p.model(j.Model); err != nil {
		return nil, err
	}
	if err := j.Say(s); err != nil {
		return nil, err
	}
	end := *s
	known := map[string]event.ScanRow{}
	if j.Known != nil && j.Known.Key == s.Key {
		for _, r := range j.Known.Rows {
			known[r.Name] = r
		}
	}
	end.State = scanDone
	for _, part := range parts {
		row, ok := known[part.Name]
		if ok {
			end.Known++
		} else {
			row = event.ScanRow{Name: part.Name, Layers: part.Layers, Size: part.Size, Refused: part.Refused}
			if part.Refused == "" {
				ok, err := j.row(ctx, &row, end.Levels, cell{spec, set, ev, whole, p})
				if err != nil {
					return nil, err
				}
				if !ok {
					end.State = scanCancelled
					break
				}
			}
		}
		end.Rows = append(end.Rows, row)
		if err := j.Say(&row); err != nil {
			return nil, err
		}
	}
	now := j.Meter.Mark()
	end.Cost = event.StageCost{Stage: event.Configure, CPUUS: energy.CPUMicros(mark, now), WallUS: time.Since(begin).Microseconds(), Energy: joules(j.Meter.Between(mark, now))}
	return &end, j.Say(&end)
}

func (j *ScanJob) spec() prune.Spec {
	s := j.Recipe.ruleOn(j.Dev, j.Base)
	s.Distribution, s.ByHand, s.Target = "layer", nil, 0
	return s
}

// samples are those that accuracy is taken on: held out from training, and not of the
// test set.
func (j *ScanJob) samples() *data.Set {
	n := j.Recipe.Scan.Samples
	if n == 0 {
		if n = ScanSamples; j.Data.Text != nil {
			n = max(1, ScanTokens/max(j.Data.Text.Len, 1))
		}
	}
	return j.Data.Val.Some(n)
}

// key names all that a row hangs on.
func (j *ScanJob) key(spec prune.Spec) string {
	spec.Evidence, spec.Sensitivity = nil, nil
	all := map[string]any{
		"weights": j.Model.WeightHash(), "graph": j.Model.StructHash(), "rule": spec, "levels": j.Recipe.scanLevels(), "samples": j.samples().N(),
		"data": j.Data.Hash, "hardware": j.HW.Name, "batch": j.Recipe.Train.Batch, "optimizer": j.Recipe.Train.Optimizer,
	}
	if p := precisionOn(j.HW, j.Recipe.Hardware.Device); p != "" {
		all["precision"] = p
	}
	if k := j.Recipe.Train.Accumulate; k > 1 {
		all["accumulate"] = k
	}
	if j.Recipe.Train.Recompute {
		all["recompute"] = true
	}
	b, _ := json.Marshal(all)
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// cell is what all cells of a scan share.
type cell struct {
	spec  prune.Spec
	set   *data.Set
	ev    *train.Evaluator
	whole train.Score
	price *pricer
}

// row fills in a row's cells; false when it was cancelled.
func (j *ScanJob) row(ctx context.Context, row *event.ScanRow, levels []float64, c cell) (bool, error) {
	param := -1
	var step, infer work
	if !c.spec.Structured() {
		for _, l := range j.Model.Layers() {
			if l.Name == row.Name {
				param = l.Param
			}
		}
		var err error
		if step, infer, err = c.price.layer(j.Model, param); err != nil {
			return false, err
		}
	}
	_, before := j.Model.NumParams()
	for _, level := range levels {
		if ctx.Err() != nil {
			return false, nil
		}
		if j.Stop != nil {
			if stop, err := j.Stop(); stop || err != nil {
				return false, err
			}
		}
		rs, gone, err := prune.Alone(j.Model, c.spec, row.Name, level)
		if err != nil {
			return false, fmt.Errorf("scan %s at %.4g %%: %w", row.Name, 100*level, err)
		}
		if n := len(row.Cells); n > 0 && row.Cells[n-1].Gone == gone { // few channels: the same ones go
			x := row.Cells[n-1]
			x.Level = level
			row.Cells = append(row.Cells, x)
			continue
		}
		x := event.ScanCell{Level: level, Gone: gone}
		score := c.whole
		switch {
		case param >= 0:
			if score, x.Weights, err = masked(j.Model, c, rs, param); err != nil {
				return false, err
			}
			hw := hwPattern(c.spec.Pattern)
			x.Cost = c.price.cost(step.pared(gone, hw), infer.pared(gone, hw))
		default:
			m := j.Model.Clone()
			for _, w := range rs {
				if _, err := w.Apply(m); err != nil {
					return false, fmt.Errorf("scan %s: %w", row.Name, err)
				}
			}
			_, left := m.NumParams()
			x.Weights = before - left
			if len(rs) > 0 {
				if score, err = evaluate(m, j.Dev, j.evaluation(), c.set); err != nil {
					return false, fmt.Errorf("scan %s: %w", row.Name, err)
				}
			}
			if x.Cost, err = c.price.model(m); err != nil {
				return false, err
			}
		}
		x.Acc, x.Loss = score.Acc(), finite(score.Loss)
		row.Cells = append(row.Cells, x)
	}
	return true, nil
}

// masked evaluates the model with one weight masked.
func masked(m *graph.Model, c cell, rs []graph.Rewrite, param int) (train.Score, int64, error) {
	p := m.Params[param]
	zeros := int64(p.Mask.Zeros())
	if len(rs) == 0 {
		return c.whole, zeros, nil
	}
	mask := rs[0].(graph.SetMask).Mask
	w := slices.Clone(p.Data)
	mask.Apply(w)
	if err := c.ev.Set(param, w); err != nil {
		return train.Score{}, 0, err
	}
	s, err := c.ev.Eval(c.set)
	if err != nil {
		return s, 0, err
	}
	return s, int64(mask.Zeros()), c.ev.Set(param, p.Data)
}

// evaluation is how models are evaluated, in batches no larger than what training runs in
// one go.
func (j *ScanJob) evaluation() train.Options {
	t := j.Recipe.Train
	return train.Options{Batch: t.Batch, Micros: t.Accumulate, Threads: j.Threads}
}

func evaluate(m *graph.Model, dev device.Device, o train.Options, set *data.Set) (train.Score, error) {
	ev, err := train.NewEvaluator(m, dev, o)
	if err != nil {
		return train.Score{}, err
	}
	defer ev.Close()
	return ev.Eval(set)
}

// pricer predicts what models take, as Predict does.
type pricer struct {
	hw, one   hwprofiles.Profile // as a whole; one CPU of it
	dev       device.Device
	precision string // of a card, see precisionOn
	optim     device.Optim
	batch     int
	micros    int  // parts of a step
	again     bool // values are made again
}

func (j *ScanJob) pricer() (*pricer, error) {
	t := j.Recipe.Train
	optim, err := train.Optim(or(t.Optimizer, "momentum"), t.Momentum, t.WeightDecay)
	if err != nil {
		return nil, err
	}
	p := &pricer{hw: j.HW, one: j.HW, dev: j.Dev, precision: precisionOn(j.HW, j.Recipe.Hardware.Device), optim: optim, batch: max(t.Batch, 1), micros: t.Accumulate, again: t.Recompute}
	if p.hw.Kind == "cpu" {
		p.hw.Visible, p.one.Visible = max(p.hw.CPUs(), 1), 1
	}
	return p, nil
}

// layer counts a training step and an inference, with a weight that can go.
func (p *pricer) layer(m *graph.Model, param int) (step, infer work, err error) {
	gone := map[int]bool{}
	if param >= 0 {
		gone[param] = true
	}
	if step, err = count(m, p.dev, p.precision, plan.Options{Mode: plan.Train, Batch: p.batch, Micros: p.micros, Recompute: p.again, Optim: p.optim}, gone); err != nil {
		return nil, nil, err
	}
	infer, err = count(m, p.dev, p.precision, plan.Options{Mode: plan.Infer, Batch: 1}, gone)
	return step, infer, err
}

// model is the cost of a model as it is.
func (p *pricer) model(m *graph.Model) (event.ScanCost, error) {
	step, infer, err := p.layer(m, -1)
	if err != nil {
		return event.ScanCost{}, err
	}
	return p.cost(step.dense(), infer.dense()), nil
}

func (p *pricer) cost(step, infer []hwprofiles.Cost) event.ScanCost {
	s, i := p.hw.Estimate(step), p.one.Estimate(infer)
	c := event.ScanCost{StepUS: micros(s), StepEnergy: estimated(s, p.hw), InferUS: micros(i), InferEnergy: estimated(i, p.hw), AtLeast: s.AtLeast}
	if p.hw.Kind == "cpu" { // of all CPUs
		c.StepUS *= float64(p.hw.CPUs())
	}
	return c
}
