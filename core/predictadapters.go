package core

import (
	"fmt"

	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/prune"
	"pare/hwprofiles"
)

// adaptersByProfile adds what a training step takes while adapters train: the base
// has no gradients of its weights and no optimiser there. With a mask the adapter is
// inside the weight and needs them.
func (p *prediction) adaptersByProfile(l *event.Ledger, end, cut *graph.Model, hw hwprofiles.Profile) error {
	m := cut
	if cut == nil {
		m = shapeOf(end)
		if !prune.Structured(p.rec.Prune.Pattern) {
			if _, _, err := cutDown(m, p.dev, p.rec, prune.NewBase(p.m)); err != nil {
				return err
			}
		}
	}
	a, err := adapted(m, p.rec)
	if a == nil || err != nil {
		return err
	}
	pruned, _ := prunable(a, p.rec)
	w, err := p.count(a, p.step(), pruned)
	if err != nil {
		return err
	}
	costs := w.pared(p.rec.Prune.Target, hwPattern(p.rec.Prune.Pattern))
	if cut != nil {
		costs = w.dense()
	}
	e := hw.Estimate(costs)
	l.Adapters = &event.StepSide{CPUUS: cpuMicros(e, hw), Band: e.BandPct, Energy: estimated(e, hw), Bytes: e.Moved}
	if e.Seconds != nil {
		l.Text += p.adaptersText(l, a)
	}
	return nil
}

// adaptersByBaseline is adaptersByProfile from what the dense model took here. scale
// is of the layers with a sparse format.
func (p *prediction) adaptersByBaseline(l *event.Ledger, end *graph.Model, c calibrated, scale map[string]float64) error {
	a, err := adapted(end, p.rec)
	if a == nil || err != nil {
		return err
	}
	w, err := p.count(a, p.step(), nil)
	if err != nil {
		return err
	}
	us := c.of(w, w.dense(), scale)
	l.Adapters = &event.StepSide{CPUUS: us, Band: adaptersBand, Energy: scaledJoules(p.base.StepEnergy, us/p.base.StepCPUUS, adaptersBand, byTime)}
	if l.Adapters.Bytes, err = p.packedMoved(a, plan.Choose(a, p.dev, p.rec.prices())); err != nil {
		return err
	}
	l.Text += p.adaptersText(l, a)
	return nil
}

// adaptersBand is the ± % of predicted steps with adapters: products of such low rank
// were not timed.
const adaptersBand = 30

func (p *prediction) adaptersText(l *event.Ledger, a *graph.Model) string {
	trainable, of := int64(0), int64(0)
	for _, q := range a.Params {
		if n := int64(q.Shape.Len()); q.Role != graph.Running {
			of += n
			if !q.Frozen {
				trainable += n
			}
		}
	}
	masked := ""
	for _, x := range a.Adapters() {
		if x.Masked {
			masked = ", which are inside the masked weights and need the gradients of these"
		}
	}
	return fmt.Sprintf("; with adapters%s %s %% per step, while %.2g %% of the values train", masked, signed(100*(l.Adapters.CPUUS/l.Dense.StepCPUUS-1), 0), 100*float64(trainable)/float64(max(of, 1)))
}
