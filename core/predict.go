package core

import (
	"fmt"
	"math"
	"strings"

	"pare/core/device"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/prune"
	"pare/core/train"
	"pare/hwprofiles"
)

// Profile is the hardware profile of that name, "" that of this machine.
func Profile(name string) (hwprofiles.Profile, error) {
	if name == "" {
		return hwprofiles.Local(), nil
	}
	return hwprofiles.Load(name)
}

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
// profile. Calls, bytes and multiply-adds are those of pare's plans on dev; the
// profile says what they take. Pure and quick: it can be called for every position
// of a slider.
func Predict(m *graph.Model, dev device.Device, hw hwprofiles.Profile, rec *Recipe) (*event.Ledger, error) {
	batch := max(rec.Train.Batch, 1)
	optim, err := train.Optim(or(rec.Train.Optimizer, "momentum"), rec.Train.Momentum, rec.Train.WeightDecay)
	if err != nil {
		return nil, err
	}
	pruned, gone := prunable(m, rec)
	step, err := count(m, dev, plan.Options{Mode: plan.Train, Batch: batch, Optim: optim}, pruned)
	if err != nil {
		return nil, err
	}
	infer, err := count(m, dev, plan.Options{Mode: plan.Infer, Batch: 1}, pruned)
	if err != nil {
		return nil, err
	}
	var notes []string
	if hw.Kind == "cpu" && hw.CPUs() == 0 { // CPU time and joules of a step do not depend on it
		hw.Visible = 1
		notes = append(notes, "the number of CPUs is unknown: one taken")
	}
	one := hw // one sample at a time runs on one CPU
	if hw.Kind == "cpu" {
		one.Visible = 1
	}
	all, _ := m.NumParams()
	l := &event.Ledger{Predicted: true, Hardware: hw.Name, HWKind: hw.Kind, Batch: batch, Tokens: m.Input().Seq}
	l.Dense = event.Side{Params: all, FileBytes: all * 4}
	l.Now = event.Side{Params: all - gone, Zeros: rec.Prune.Target, FileBytes: packedGuess(all, gone, rec.Prune.Pattern)}
	steps := [2]hwprofiles.Estimate{hw.Estimate(step.dense()), hw.Estimate(step.pared(rec.Prune.Target, hwPattern(rec.Prune.Pattern)))}
	infers := [2]hwprofiles.Estimate{one.Estimate(infer.dense()), one.Estimate(infer.pared(rec.Prune.Target, hwPattern(rec.Prune.Pattern)))}
	for i, s := range []*event.Side{&l.Dense, &l.Now} {
		e, f := steps[i], infers[i]
		s.StepCPUUS, s.StepBand, s.StepEnergy, s.StepBytes = micros(e), e.BandPct, estimated(e, hw), e.Moved
		if hw.Kind == "cpu" { // of all CPUs, as the finished ledger has it
			s.StepCPUUS *= float64(max(hw.CPUs(), 1))
		}
		s.InferUS, s.InferBand, s.InferEnergy = micros(f), f.BandPct, estimated(f, hw)
	}
	// What zeros bring is in the sentence; the note is the rest.
	text, why := outlook{hw, rec.Prune, step, steps[0], steps[1]}.sentence()
	l.Text = text
	l.LaunchesApart = hw.LaunchesUnknown()
	notes = append(notes, why)
	if steps[0].Seconds != nil { // else the sentence has it
		notes = append(notes, steps[0].Note, infers[0].Note)
	}
	if p := dev.Panel(); prune.Structured(rec.Prune.Pattern) && rec.Prune.Pattern != "head" && rec.Prune.Pattern != "layer" && p > 1 && (rec.Prune.RoundTo == 0 || rec.Prune.RoundTo%p != 0) {
		notes = append(notes, fmt.Sprintf("pare's kernels take %d channels at a time and fill up what is missing: keep multiples (prune.round_to = %d)", p, p))
	}
	l.Note = once(notes)
	return l, nil
}

// once joins notes, which may be joined themselves, and leaves out repetitions.
func once(notes []string) string {
	var out []string
	seen := map[string]bool{"": true}
	for _, n := range notes {
		for _, s := range strings.Split(n, "; ") {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, "; ")
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// prunable are the weights, by param, that the recipe may take zeros from, and how
// many go altogether.
func prunable(m *graph.Model, rec *Recipe) (pruned map[int]bool, gone int64) {
	skip := map[string]bool{}
	for _, s := range rec.Prune.Skip {
		skip[s] = true
	}
	pruned = map[int]bool{}
	for _, l := range m.Layers() {
		if !skip[l.Name] && !pruned[l.Param] {
			pruned[l.Param] = true
			gone += int64(rec.Prune.Target * float64(m.Params[l.Param].Shape.Len()))
		}
	}
	return pruned, gone
}

// packedGuess is the expected size of the packed file: the kept values, and per
// pattern what says where they are.
func packedGuess(all, gone int64, pattern string) int64 {
	kept := all - gone
	switch pattern {
	case "neuron", "head", "width", "layer":
		return kept * 4
	case "block4x1", "block8x1", "block16x1":
		return kept*4 + kept/4*2
	}
	return min(all*4, kept*4+all/8)
}

// hwPattern is a recipe's pattern in the words of the profiles, which know one
// height of blocks: higher ones cost the same or less.
func hwPattern(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "block"):
		return hwprofiles.Block4x1
	case pattern == "layer": // what is left is dense
		return hwprofiles.Neuron
	case pattern == "2:4-both":
		return hwprofiles.TwoFour
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
		uj := int64(math.Round(*e.Joules * 1e6))
		j.UJ = &uj
	}
	return j
}
