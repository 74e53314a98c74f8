package core

import (
	"fmt"
	"strings"

	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/hwprofiles"
)

// predict makes the ledger of the configure stage: what the recipe should bring
// on the chosen hardware, from counted multiply-adds and bytes, without running
// anything.
func (r *run) predict() error {
	l, err := Predict(r.model, r.dev, r.hw, r.r)
	if err != nil {
		return err
	}
	l.Dense.Acc = r.loop.BaseAcc
	return r.emit(l)
}

// Predict is the predicted ledger of a recipe for a dense model on a hardware
// profile. Pure: it can be called for every position of a slider.
func Predict(m *graph.Model, dev device.Device, hw hwprofiles.Profile, rec *Recipe) (*event.Ledger, error) {
	batch := max(rec.Train.Batch, 1)
	ws := plan.Weights(m, nil)
	step, err := plan.Build(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: device.Optim{Momentum: 0.9}})
	if err != nil {
		return nil, err
	}
	infer, err := plan.Build(m, dev, plan.Options{Mode: plan.Infer, Batch: 1})
	if err != nil {
		return nil, err
	}
	skip := map[string]bool{}
	for _, s := range rec.Prune.Skip {
		skip[s] = true
	}
	pruned := map[int]bool{}
	all, _ := m.NumParams()
	gone := int64(0)
	for _, l := range m.Layers() {
		if !skip[l.Name] {
			pruned[l.Param] = true
			gone += int64(rec.Prune.Target * float64(m.Params[l.Param].Shape.Len()))
		}
	}
	one := hw // one sample at a time runs on one CPU
	if hw.Kind == "cpu" {
		one.Visible = 1
	}
	l := &event.Ledger{Predicted: true, Hardware: hw.Name, Batch: batch}
	l.Dense = event.Side{Params: all, FileBytes: all * 4}
	l.Now = event.Side{Params: all - gone, Zeros: rec.Prune.Target, FileBytes: packedGuess(all, gone, rec.Prune.Pattern)}
	for i, s := range []*event.Side{&l.Dense, &l.Now} {
		share := 0.0
		if i == 1 {
			share = rec.Prune.Target
		}
		e := hw.Estimate(hwCosts(step, ws, batch, share, pruned, rec.Prune.Pattern))
		s.StepCPUUS, s.StepBand, s.StepEnergy = micros(e), e.BandPct, estimated(e, hw)
		if hw.Kind == "cpu" { // of all CPUs, as the finished ledger has it
			s.StepCPUUS *= float64(max(hw.CPUs(), 1))
		}
		f := one.Estimate(hwCosts(infer, ws, 1, share, pruned, rec.Prune.Pattern))
		s.InferUS, s.InferBand, s.InferEnergy = micros(f), f.BandPct, estimated(f, hw)
		if e.Note != "" {
			l.Note = e.Note
		}
	}
	if p := dev.Panel(); rec.Prune.Pattern == "neuron" && p > 1 && (rec.Prune.RoundTo == 0 || rec.Prune.RoundTo%p != 0) {
		l.Note = joined(l.Note, fmt.Sprintf("kernels here take %d channels at a time and fill up what is missing: keep multiples (prune.round_to = %d)", p, p))
	}
	return l, nil
}

// joined puts two notes into one line.
func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// hwCosts turns a plan's calls into the profile's plain numbers, with a share of
// the prunable weights gone.
func hwCosts(p *device.Plan, ws []device.Weight, batch int, share float64, pruned map[int]bool, pattern string) []hwprofiles.Cost {
	var out []hwprofiles.Cost
	i := 0
	costs := plan.Costs(p, ws, batch)
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			k := costs[i]
			i++
			h := hwprofiles.Cost{MACs: k.MACs, Skipped: k.Skipped, Read: k.Read, Written: k.Written}
			if share > 0 && k.MACs > 0 && len(c.W) > 0 && pruned[c.W[0]] {
				h.Skipped = int64(share * float64(k.MACs))
				h.Pattern = hwPattern(pattern)
			}
			out = append(out, h)
		}
	}
	return out
}

// packedGuess is the expected size of the packed file: the kept values, and per
// pattern what says where they are.
func packedGuess(all, gone int64, pattern string) int64 {
	kept := all - gone
	switch pattern {
	case "neuron":
		return kept * 4
	case "block4x1", "block8x1", "block16x1":
		return kept*4 + kept/4*2
	}
	return min(all*4, kept*4+all/8)
}

// hwPattern is a recipe's pattern in the words of the profiles, which know one
// height of blocks: higher ones cost the same or less.
func hwPattern(pattern string) string {
	if strings.HasPrefix(pattern, "block") {
		return hwprofiles.Block4x1
	}
	return pattern
}

// micros is the predicted time in µs, 0 when the profile cannot tell.
func micros(e hwprofiles.Estimate) float64 {
	if e.Seconds == nil {
		return 0
	}
	return 1e6 * *e.Seconds
}

func estimated(e hwprofiles.Estimate, hw hwprofiles.Profile) event.Joules {
	j := event.Joules{Tier: "E", Source: "profile " + hw.Name, Band: e.BandPct}
	if e.Joules != nil {
		uj := int64(*e.Joules * 1e6)
		j.UJ = &uj
	}
	return j
}

// PredictText says in words what to expect of a predicted ledger.
func PredictText(l *event.Ledger) string {
	if l.Dense.StepCPUUS <= 0 || l.Now.StepCPUUS <= 0 {
		return l.Note
	}
	s := fmt.Sprintf("expected on %s: %s %% time per training step (±%.0f %%)", l.Hardware, signed(100*(l.Now.StepCPUUS/l.Dense.StepCPUUS-1), 0), l.Now.StepBand)
	if l.Note != "" {
		s += "; " + l.Note
	}
	return s
}
