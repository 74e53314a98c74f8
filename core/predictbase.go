package core

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pare/core/energy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/prune"
	"pare/hwprofiles"
)

// fromBaseline predicts from what the dense model took here.
func (p *prediction) fromBaseline() (*event.Ledger, error) {
	rec := p.rec
	fact, notes, err := factorised(p.m, rec)
	if err != nil {
		return nil, err
	}
	end := fact
	if filled(fact) {
		end = fact.Clone()
	} else {
		end = shapeOf(fact)
	}
	zeros, note, err := cutDown(end, p.dev, rec, prune.NewBase(p.m))
	if err != nil { // the rule cannot reach the target: said here, and refused in the run
		l, e := p.fromProfile()
		if e == nil { // the model stays as it is
			l.Text, l.Now = err.Error(), l.Dense
		}
		return l, e
	}
	l, pruned := p.ledger(fact)
	step, err := p.count(p.m, p.step(), nil)
	if err != nil {
		return nil, err
	}
	infer, err := p.count(p.m, p.infer(), nil)
	if err != nil {
		return nil, err
	}
	if !zeros { // a cut of a large model, by its share alone
		end = fact
	} else {
		pruned = nil
	}
	cs := plan.Choose(end, p.dev, rec.prices())
	f := formatsOf(end, cs)
	if prune.Structured(rec.Prune.Pattern) && slices.ContainsFunc(end.Nodes, func(n graph.Node) bool { return n.Op == "conv2d" }) {
		f.band = convCutBand
	}
	now := func(o plan.Options) (work, []hwprofiles.Cost, error) {
		w, err := p.count(end, o, pruned)
		if err != nil || pruned == nil {
			return w, w.dense(), err
		}
		return w, w.pared(rec.Prune.Target, hwPattern(rec.Prune.Pattern)), nil
	}
	w, costs, err := now(p.step())
	if err != nil {
		return nil, err
	}
	w1, costs1, err := now(p.infer())
	if err != nil {
		return nil, err
	}
	byStep, byInfer := p.base.calibrate(step, true), p.base.calibrate(infer, false)
	l.Measured = true
	l.Dense.StepCPUUS, l.Now.StepCPUUS = p.base.StepCPUUS, byStep.of(w, costs, f.step)
	l.Dense.InferUS, l.Now.InferUS = p.base.InferUS, byInfer.of(w1, costs1, f.infer)
	l.Dense.StepEnergy = p.base.StepEnergy
	l.Now.StepEnergy = scaledJoules(p.base.StepEnergy, l.Now.StepCPUUS/l.Dense.StepCPUUS, f.band, byTime)
	one := scaledJoules(p.base.StepEnergy, l.Dense.InferUS/l.Dense.StepCPUUS, inferBand, byTime) // runs on one CPU
	l.Dense.InferEnergy, l.Now.InferEnergy = one, one.Part(l.Now.InferUS/max(l.Dense.InferUS, 1e-9))
	l.Now.StepBand, l.Now.InferBand = f.band, inferBand
	l.Dense.StepBytes, l.Now.StepBytes = moved(step.dense()), moved(costs)
	if pruned == nil && !prune.Structured(rec.Prune.Pattern) { // bytes of packed weights: of the formats themselves
		if l.Now.StepBytes, err = p.packedMoved(end, cs); err != nil {
			return nil, err
		}
	}
	if zeros && prune.Structured(rec.Prune.Pattern) {
		then, _ := end.NumParams()
		l.Now.Params, l.Now.FileBytes = then, then*4
	}
	text, err := p.calibratedText(l, f)
	if err != nil {
		return nil, err
	}
	l.Text = text
	if err := p.adaptersByBaseline(l, end, byStep, f.step); err != nil {
		return nil, err
	}
	l.Note = once(append(notes, note, p.panelNote()))
	return l, nil
}

// inferBand is the ± % of predicted inferences: the kernel chooser's prices are of
// training steps.
const inferBand = 50

// prices are what formats cost by the recipe, else the default ones.
func (r *Recipe) prices() plan.Prices {
	if r.Plan.Known() {
		return r.Plan.Prices
	}
	return plan.DefaultPrices()
}

// moved are the bytes of calls.
func moved(costs []hwprofiles.Cost) (n int64) {
	for _, c := range costs {
		n += c.Read + c.Written - c.Spared
	}
	return n
}

// packedMoved are the bytes that a training step moves with the weights packed.
func (p *prediction) packedMoved(m *graph.Model, cs []plan.Choice) (int64, error) {
	q, err := plan.Build(m, p.dev, p.step())
	if err != nil {
		return 0, err
	}
	t := plan.Total(plan.Costs(q, plan.Weights(m, cs), p.batch))
	return t.Read + t.Written, nil
}

// How joules were scaled, behind their source.
const (
	byTime     = ", scaled by CPU time"
	byRoofline = ", scaled by the profile's roofline"
)

// scaledJoules is measured energy for another time, busy power taken as constant: an
// estimate, however well the base is known.
func scaledJoules(j event.Joules, by, band float64, how string) event.Joules {
	if j.UJ == nil {
		return j
	}
	s := j.Part(by)
	s.Coverage = nil
	s.Source = or(j.Source, "baseline") + how
	if t := energy.Tier(j.Tier); t.Measured() {
		s.Tier = string(energy.TierD)
	}
	s.Band = math.Hypot(j.Band, band)
	return s
}

// calibratedText says what to expect of a training step, and what of it no zeros touch.
func (p *prediction) calibratedText(l *event.Ledger, f formats) (string, error) {
	s, why := p.rec.Prune, f.why
	q, err := plan.Build(p.m, p.dev, p.step())
	if err != nil {
		return "", err
	}
	share, parts := p.base.unchanged(p.m, q)
	stays := ""
	if share >= 0.1 {
		stays = fmt.Sprintf("; %.0f %% of the dense step is not in the layers", 100*share)
		if parts != "" {
			stays += ": " + parts
		}
		if prune.Structured(s.Pattern) {
			stays = ""
		}
	}
	change := l.Now.StepCPUUS/l.Dense.StepCPUUS - 1
	if s.Target <= 0 && l.Now.Params == l.Dense.Params {
		return "no gain here: nothing is removed" + stays, nil
	}
	if change > -noGain {
		text := "no gain here: "
		switch {
		case len(why) > 0:
			text += why[0]
		case change > noGain:
			text += fmt.Sprintf("a step takes %s %% CPU time", signed(100*change, 0))
		default:
			text += "the dense kernels are as fast"
		}
		return text + stays, nil
	}
	text := fmt.Sprintf("expected here: %s %% CPU time per step, %s instead of the baseline's %s; ±%.0f %%", signed(100*change, 0), millis(l.Now.StepCPUUS), millis(l.Dense.StepCPUUS), f.band)
	if n := len(why); n > 0 {
		var names []string
		for _, w := range why {
			name, _, _ := strings.Cut(w, ":")
			names = append(names, name)
		}
		text += "; no gain in " + strings.Join(names[:min(n, 4)], ", ")
		if n > 4 {
			text += fmt.Sprintf(" and %d more", n-4)
		}
	}
	return text + stays, nil
}

// millis prints µs as ms, of long steps as s.
func millis(us float64) string {
	if us >= 999.5e3 {
		return event.Num(us/1e6, 3) + " s"
	}
	return fmt.Sprintf("%.3g ms", us/1e3)
}
