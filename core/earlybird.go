package core

import (
	"fmt"

	"pare/core/event"
	"pare/core/prune"
	"pare/core/train"
)

// earlyBird is the schedule that ends the dense training when the mask has settled.
const earlyBird = "earlybird"

// defaultDistance is the paper's threshold for the distance of masks.
const defaultDistance = 0.1

func (r *run) newBird() *prune.EarlyBird {
	eps := r.r.Prune.Distance
	if eps == 0 {
		eps = defaultDistance
	}
	return &prune.EarlyBird{Eps: eps}
}

// watchMask draws the mask after an epoch of the baseline and ends the dense training
// when it has settled. It follows from the weights alone, so a resumed run ends it at the
// same step.
func (r *run) watchMask(epoch int, _ train.Score) error {
	planned := r.r.Train.Epochs
	if r.r.Prune.Schedule != earlyBird || r.loop.Ended > 0 || epoch >= planned {
		return nil
	}
	if r.bird == nil {
		r.bird = r.newBird()
	}
	if err := r.t.Pull(); err != nil {
		return err
	}
	spec := r.rule()
	if spec.Needs() {
		var err error
		if spec.Evidence, err = r.evidence(r.loop.Step); err != nil {
			return err
		}
	}
	m, err := prune.Draw(r.model, spec, r.r.Prune.Target, r.loop.Base)
	if err != nil {
		return err
	}
	before := len(r.bird.Past)
	d, settled, err := r.bird.Add(m)
	if err != nil {
		return err
	}
	e := &event.EarlyBird{Stage: event.Baseline, Epoch: epoch, Step: r.loop.Step, Distance: d, Eps: r.bird.Eps, Settled: settled, Planned: planned}
	e.Text = fmt.Sprintf("the mask has moved by up to %.3f over %s; it has settled when that is under %g over %d", d, several(before, "epoch"), e.Eps, prune.EarlyBirds)
	switch {
	case before == 0:
		e.Text = fmt.Sprintf("the mask was drawn for the first time; it has settled when it moves by under %g over %d epochs", e.Eps, prune.EarlyBirds)
	case settled:
		e.Text = fmt.Sprintf("the mask has settled: it moved by at most %.3f over %d epochs; the dense training ends at epoch %d of %d", d, prune.EarlyBirds, epoch, planned)
		r.loop.Ended = r.loop.Step
	}
	return r.emit(e)
}

// sparseEpochs is the length of stage 3, or of a level of it, in epochs.
func (r *run) sparseEpochs() int64 {
	p := r.r.Prune
	if p.Schedule != earlyBird || p.Epochs > 0 {
		return int64(p.Epochs)
	}
	dense := int64(r.r.Train.Epochs)
	if r.loop.Ended > 0 {
		dense = r.loop.Ended / max(r.perEpoch(), 1)
	}
	return max(1, int64(r.r.Train.Epochs)-dense)
}

func (r *run) sparseSteps() int64 { return r.perEpoch() * r.sparseEpochs() }

// earlyBirdDone says what ending the dense training early has saved of all training: both
// stages' training steps against the planned dense epochs, at the price of those that
// were trained. What a rollback spent is counted.
func (r *run) earlyBirdDone() (string, error) {
	if r.r.Prune.Schedule != earlyBird {
		return "", nil
	}
	base, sparse := r.bill.trained[event.Baseline], r.bill.trained[event.Sparsify]
	n, planned := len(r.loop.History), r.r.Train.Epochs
	if n == 0 || base.WallUS == 0 {
		return "", nil
	}
	by := float64(planned) / float64(n)
	spent := base.Plus(sparse)
	dense := event.StageCost{CPUUS: int64(by * float64(base.CPUUS)), WallUS: int64(by * float64(base.WallUS)), Energy: base.Energy}
	if uj := base.Energy.UJ; uj != nil {
		v := int64(by * float64(*uj))
		dense.Energy.UJ = &v
	}
	ended := int(r.loop.Ended / max(r.perEpoch(), 1))
	e := &event.EarlyBird{Stage: event.Sparsify, Epoch: ended, Step: r.loop.Step, Distance: -1, Settled: r.loop.Ended > 0, Planned: planned, Spent: &spent, Dense: &dense}
	if r.bird != nil {
		e.Eps = r.bird.Eps
	}
	a, b := float64(r.busy(spent.CPUUS, spent.WallUS)), float64(r.busy(dense.CPUUS, dense.WallUS))
	e.Text = fmt.Sprintf("all training steps took %.1f s of %s, those of %s would have taken %.1f (%d were trained): %s %%", a/1e6, r.timeName(), several(planned, "dense epoch"), b/1e6, n, signed(-100*saved(a, b), 0))
	if a, b := spent.Energy.UJ, dense.Energy.UJ; a != nil && b != nil && r.meter.Measured() {
		e.Text += fmt.Sprintf("; %.1f J against %.1f J %s", float64(*a)/1e6, float64(*b)/1e6, spent.Energy.Tier)
	}
	if !e.Settled {
		e.Text += "; the mask did not settle before the end"
	}
	return "; " + e.Text, r.emit(e)
}
