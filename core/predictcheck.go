package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pare/core/event"
	"pare/core/graph"
	"pare/core/prune"
	"pare/core/train"
)

// PredictCheck sets predictions of the configure stage against the clock: it trains a
// baseline for some steps, predicts each case from it, takes the weights away at once
// and measures training steps of both models in alternation.
type PredictCheck struct {
	Recipe *Recipe // model and data; its prune and lowrank parts are replaced by the cases'
	Steps  int     // of the baseline
	Cases  []PredictCase
	Report func(PredictRow)
}

// PredictCase is one recipe to predict.
type PredictCase struct {
	Prune   PruneSpec
	LowRank []LowRankSpec
}

// PredictRow is what was predicted and measured for a case, in CPU µs per step.
type PredictRow struct {
	Model   string  `json:"model"`
	Pattern string  `json:"pattern"`
	Target  float64 `json:"target"`
	LowRank string  `json:"lowrank,omitempty"`
	// BaseUS is the baseline's mean step, DenseUS and NowUS are measured in alternation,
	// lower quartiles of the turns.
	BaseUS    float64 `json:"base_us"`
	DenseUS   float64 `json:"dense_us"`
	DenseBand float64 `json:"dense_band"`
	NowUS     float64 `json:"now_us"`
	NowBand   float64 `json:"now_band"`
	// Predicted is the change that the baseline predicts, Profile the one that the
	// hardware's profile alone does, Measured the one measured: shares, −0.4 is 40 % less.
	Predicted float64 `json:"predicted"`
	Profile   float64 `json:"profile"`
	Measured  float64 `json:"measured"`
	// Error and ProfileError are by how much the predicted step is longer than the
	// measured one, as a share, by the changes: a drift of the machine between baseline
	// and alternation is not in them.
	Error        float64 `json:"error"`
	ProfileError float64 `json:"profile_error"`
	// Of one inference, in the same way.
	InferPredicted float64 `json:"infer_predicted"`
	InferMeasured  float64 `json:"infer_measured"`
	Text           string  `json:"text"`              // of the prediction
	Skipped        string  `json:"skipped,omitempty"` // why there is none from the baseline; then nothing was measured
}

// errNotPredicted: a case for which there is no prediction from the baseline.
var errNotPredicted = errors.New("no prediction from the baseline")

// Run does all cases.
func (c PredictCheck) Run(ctx context.Context) error {
	st := &MemStore{}
	r := &run{cfg: Config{Recipe: c.Recipe, Store: st, Session: "bench"}, r: c.Recipe, lastAcc: -1}
	defer func() {
		if r.t != nil {
			r.t.Close()
		}
		if r.watch != nil {
			r.watch.close()
		}
		if r.meter != nil {
			r.meter.Close() //nolint:errcheck // nothing more is read from it
		}
	}()
	if err := r.open(); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	r.r.Auto = true
	// Whole epochs are billed: a piece of one has none.
	r.startEpoch()
	err := r.train(ctx, course{
		stage: event.Baseline, steps: func() int64 { return int64(c.Steps) },
		rate: func(int64) float64 { return r.r.Train.LR },
	})
	if err != nil {
		return err
	}
	if r.bill.steps[event.Baseline] == 0 {
		if _, err := r.billEpoch(event.Baseline, 1); err != nil {
			return err
		}
	}
	if err := r.t.Pull(); err != nil {
		return err
	}
	if err := r.stepTimes(); err != nil {
		return err
	}
	for _, x := range c.Cases {
		row, err := r.checkPrediction(x)
		if errors.Is(err, errNotPredicted) {
			c.Report(row)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s, %s %.0f %%: %w", r.model.Name, x.Prune.Pattern, 100*x.Prune.Target, err)
		}
		c.Report(row)
	}
	return nil
}

// checkPrediction predicts a case and measures it.
func (r *run) checkPrediction(x PredictCase) (PredictRow, error) {
	rec := *r.r
	rec.Prune, rec.LowRank = x.Prune, x.LowRank
	row := PredictRow{Model: r.model.Name, Pattern: x.Prune.Pattern, Target: x.Prune.Target, BaseUS: r.times.StepCPUUS}
	for _, s := range x.LowRank {
		row.LowRank = s.words()
	}
	by, err := PredictFrom(r.model, r.dev, r.hw, &rec, r.times)
	if err != nil {
		return row, err
	}
	bare, err := Predict(r.model, r.dev, r.hw, &rec)
	if err != nil {
		return row, err
	}
	if !by.Measured {
		row.Skipped = or(by.Note, by.Text) // a target out of reach has no note
		return row, errNotPredicted
	}
	m, err := r.asPredicted(&rec)
	if err != nil {
		return row, err
	}
	o, err := r.trainerOptions()
	if err != nil {
		return row, err
	}
	dense, err := train.New(r.model.Clone(), r.dev, o, nil)
	if err != nil {
		return row, err
	}
	defer dense.Close()
	now, err := train.New(m, r.dev, o, nil)
	if err != nil {
		return row, err
	}
	defer now.Close()
	_, step, infer := r.turns()
	steps, err := r.checkTurns(step(dense), step(now))
	if err != nil {
		return row, err
	}
	infers, err := r.checkTurns(infer(dense), infer(now))
	if err != nil {
		return row, err
	}
	row.DenseUS, row.DenseBand = quartile(steps[0])
	row.NowUS, row.NowBand = quartile(steps[1])
	d, _ := quartile(infers[0])
	n, _ := quartile(infers[1])
	predicted := by.Now.StepCPUUS
	profile := bare.Now.StepCPUUS
	if by.Adapters != nil && bare.Adapters != nil {
		predicted, profile = by.Adapters.CPUUS, bare.Adapters.CPUUS
	}
	row.Predicted, row.Profile, row.Measured = predicted/by.Dense.StepCPUUS-1, profile/bare.Dense.StepCPUUS-1, row.NowUS/row.DenseUS-1
	row.Error, row.ProfileError = (1+row.Predicted)/(1+row.Measured)-1, (1+row.Profile)/(1+row.Measured)-1
	row.InferPredicted, row.InferMeasured = by.Now.InferUS/by.Dense.InferUS-1, n/d-1
	row.Text = by.Text
	return row, nil
}

// checkRounds and checkWindow are the turns of a check: many and short, so that some are
// undisturbed on a machine that others share.
const checkRounds = 21

var checkWindow = 40 * time.Millisecond // tests have less patience

// checkTurns measures CPU µs per run of a and b in turn.
func (r *run) checkTurns(a, b func(int) error) (out [2][]float64, err error) {
	for i := -1; i < checkRounds; i++ {
		for side, fn := range []func(int) error{a, b} {
			from, begin, n := r.meter.Mark(), time.Now(), 0
			for ; n == 0 || time.Since(begin) < checkWindow; n++ {
				if err := fn(n); err != nil {
					return out, err
				}
			}
			if i >= 0 {
				out[side] = append(out[side], float64(r.busyUS(from, r.meter.Mark()))/float64(n))
			}
		}
	}
	return out, nil
}

// quartile is the lower one, and ± half of what lies between it and the median in %.
func quartile(x []float64) (q, band float64) {
	slices.Sort(x)
	q = x[len(x)/4]
	return q, 50 * (x[len(x)/2] - q) / q
}

// asPredicted is the model that a recipe makes, all at once, from the weights as they
// are; with adapters as while these train.
func (r *run) asPredicted(rec *Recipe) (*graph.Model, error) {
	m, _, err := factorised(r.model, rec)
	if err != nil {
		return nil, err
	}
	m = m.Clone()
	rs, _, err := prune.Step(m, rec.ruleOn(r.dev, r.loop.Base), rec.Prune.Target, prune.NewBase(m))
	if err != nil {
		return nil, err
	}
	for _, x := range rs {
		if _, err := x.Apply(m); err != nil {
			return nil, err
		}
	}
	a, err := adapted(m, rec)
	if a == nil || err != nil {
		return m, err
	}
	for i := range a.Params { // adapters have their own
		if j := m.Param(a.Params[i].Name); j >= 0 {
			a.Params[i].Data = m.Params[j].Data
		} else {
			a.Params[i].Data = make([]float32, a.Params[i].Shape.Len())
		}
	}
	return a, nil
}
