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

// ProfileOf is the hardware profile of that name, for a run that has started: "" is what it
// computes on, the processor or a card. One that no profile describes has a profile without figures.
func ProfileOf(name string, on event.Started) (hwprofiles.Profile, error) {
	switch {
	case name != "":
		return hwprofiles.Load(name)
	case !on.OnCard():
		return hwprofiles.Local(), nil
	}
	p, err := hwprofiles.Load(on.Hardware)
	if err != nil { // the name of a card, not of a profile
		return hwprofiles.Profile{Name: on.Hardware, Title: on.Hardware, Kind: "gpu"}, nil
	}
	return p, nil
}

// profile is ProfileOf of the run's device.
func (r *run) profile(name string) (hwprofiles.Profile, error) { return ProfileOn(name, r.dev) }

// ProfileOn is ProfileOf of a device.
func ProfileOn(name string, dev device.Device) (hwprofiles.Profile, error) {
	on, kind := hardware(dev)
	return ProfileOf(name, event.Started{Hardware: on, HWKind: kind})
}

// predict makes the ledger of the configure stage: what the recipe should bring
// on the chosen hardware, from counted multiply-adds and bytes, without running
// anything.
func (r *run) predict() error {
	l, err := PredictFrom(r.model, r.dev, r.hw, r.r, r.times)
	if err != nil {
		return err
	}
	l.Dense.Acc = r.loop.BaseAcc
	return r.emit(l)
}

// Predict is PredictFrom without a baseline.
func Predict(m *graph.Model, dev device.Device, hw hwprofiles.Profile, rec *Recipe) (*event.Ledger, error) {
	return PredictFrom(m, dev, hw, rec, nil)
}

// PredictFrom is the predicted ledger of a recipe for a dense model on a hardware
// profile. For the machine on which the baseline ran it starts from what was measured
// there, see calibrated and fromCard. For any other, or without a baseline (nil), calls, bytes and
// multiply-adds are those of pare's plans on dev, and the profile's roofline says what
// they take. Pure and quick: it can be called for every position of a slider.
func PredictFrom(m *graph.Model, dev device.Device, hw hwprofiles.Profile, rec *Recipe, times *event.StepTimes) (*event.Ledger, error) {
	p := &prediction{m: m, dev: dev, hw: hw, rec: rec, precision: precisionOn(hw, rec.Hardware.Device), batch: max(rec.Train.Batch, 1), base: measured{times}}
	var err error
	if p.optim, err = train.Optim(or(rec.Train.Optimizer, "momentum"), rec.Train.Momentum, rec.Train.WeightDecay); err != nil {
		return nil, err
	}
	if p.base.holds(m, dev, hw) {
		p.batch = times.Batch
		return p.fromBaseline()
	}
	if p.base.onCard(hw, rec.Hardware.Device) {
		p.batch = times.Batch
		return p.fromCard()
	}
	return p.fromProfile()
}

// prediction is what a predicted ledger is made from.
type prediction struct {
	m         *graph.Model
	dev       device.Device
	hw        hwprofiles.Profile
	rec       *Recipe
	precision string // of a card, see precisionOn
	batch     int
	optim     device.Optim
	base      measured
}

func (p *prediction) count(m *graph.Model, o plan.Options, pruned map[int]bool) (work, error) {
	return count(m, p.dev, p.precision, o, pruned)
}

func (p *prediction) step() plan.Options {
	return plan.Options{Mode: plan.Train, Batch: p.batch, Micros: p.rec.Train.Accumulate, Recompute: p.rec.Train.Recompute, Optim: p.optim}
}

func (p *prediction) infer() plan.Options { return plan.Options{Mode: plan.Infer, Batch: 1} }

// ledger is the part that hangs on no hardware. end is the model with the factors it
// will have.
func (p *prediction) ledger(end *graph.Model) (*event.Ledger, map[int]bool) {
	pruned, gone := prunable(end, p.rec)
	all, _ := p.m.NumParams()
	then, _ := end.NumParams()
	l := &event.Ledger{Predicted: true, Hardware: p.hw.Name, HWKind: p.hw.Kind, Batch: p.batch, Tokens: p.m.Input().Seq}
	l.Dense = event.Side{Params: all, FileBytes: all * 4}
	l.Now = event.Side{Params: then - gone, Zeros: p.rec.Prune.Target, FileBytes: packedGuess(then, gone, p.rec.Prune.Pattern)}
	return l, pruned
}

// fromProfile predicts by the roofline of a profile.
func (p *prediction) fromProfile() (*event.Ledger, error) {
	m, hw, rec := p.m, p.hw, p.rec
	end, notes, err := factorised(m, rec)
	if err != nil {
		return nil, err
	}
	l, pruned := p.ledger(end)
	step, err := p.count(m, p.step(), nil)
	if err != nil {
		return nil, err
	}
	infer, err := p.count(m, p.infer(), nil)
	if err != nil {
		return nil, err
	}
	stepEnd, err := p.count(end, p.step(), pruned)
	if err != nil {
		return nil, err
	}
	inferEnd, err := p.count(end, p.infer(), pruned)
	if err != nil {
		return nil, err
	}
	if hw.Kind == "cpu" && hw.CPUs() == 0 { // CPU time and joules of a step do not depend on it
		hw.Visible = 1
		notes = append(notes, "the number of CPUs is unknown: one taken")
	}
	one := hw // one sample at a time runs on one CPU
	if hw.Kind == "cpu" {
		one.Visible = 1
	}
	target, pattern := rec.Prune.Target, hwPattern(rec.Prune.Pattern)
	stepCosts, inferCosts := stepEnd.pared(target, pattern), inferEnd.pared(target, pattern)
	cut, note, never := p.cut(end)
	if cut != nil { // what works on the channels shrinks, too
		s, err := p.count(cut, p.step(), nil)
		if err != nil {
			return nil, err
		}
		i, err := p.count(cut, p.infer(), nil)
		if err != nil {
			return nil, err
		}
		stepCosts, inferCosts, notes = s.dense(), i.dense(), append(notes, note)
		left, _ := cut.NumParams()
		l.Now.Params, l.Now.FileBytes = left, left*4
	}
	steps := [2]hwprofiles.Estimate{hw.Estimate(step.dense()), hw.Estimate(stepCosts)}
	infers := [2]hwprofiles.Estimate{one.Estimate(infer.dense()), one.Estimate(inferCosts)}
	for i, s := range []*event.Side{&l.Dense, &l.Now} {
		e, f := steps[i], infers[i]
		s.StepCPUUS, s.StepBand, s.StepEnergy, s.StepBytes = cpuMicros(e, hw), e.BandPct, estimated(e, hw), e.Moved
		s.InferUS, s.InferBand, s.InferEnergy = micros(f), f.BandPct, estimated(f, hw)
	}
	// What zeros bring is in the sentence; the note is the rest.
	o := outlook{hw: hw, prune: rec.Prune, work: stepEnd, dense: steps[0], now: steps[1], band: steps[1].BandPct}
	if p.base.onCard(hw, rec.Hardware.Device) {
		o.band = cardBand
	}
	text, why := o.sentence()
	l.Text = text
	l.LaunchesApart, l.AtLeast = hw.LaunchesUnknown(), steps[0].AtLeast
	if never != nil { // said here, and refused in the run; the model stays as it is
		l.Text, l.Now = never.Error(), l.Dense
		return l, nil
	}
	if err := p.adaptersByProfile(l, end, cut, hw); err != nil {
		return nil, err
	}
	bf16, err := p.inBF16(step)
	if err != nil {
		return nil, err
	}
	if l.Text += bf16; bf16 != "" {
		notes = append(notes, "bf16 is device cuda:bf16 on an NVIDIA card, and its own baseline shows its accuracy")
	}
	notes = append(notes, why)
	if steps[0].Seconds != nil { // else the sentence has it
		notes = append(notes, steps[0].Note, infers[0].Note)
		if hw.Kind == "cpu" {
			notes = append(notes, "by the profile's rates: no baseline has run there")
		}
	}
	l.Note = once(append(notes, p.cutNote(), p.panelNote()))
	return l, nil
}

// cut is the model that a recipe which cuts out channels leaves of end, without weights where it
// is large; nil where it cuts none. never says why the rule cannot reach the target.
func (p *prediction) cut(end *graph.Model) (m *graph.Model, note string, never error) {
	if s := p.rec.Prune; s.Target <= 0 || !prune.Structured(s.Pattern) {
		return nil, "", nil
	}
	m = shapeOf(end)
	if filled(end) {
		m = end.Clone()
	}
	ok, note, never := cutDown(m, p.dev, p.rec, prune.NewBase(p.m))
	if !ok || never != nil {
		return nil, "", never
	}
	return m, note, nil
}

// cutNote says that what a cut leaves needs no kernel for zeros.
func (p *prediction) cutNote() string {
	if s := p.rec.Prune; s.Target <= 0 || !prune.Structured(s.Pattern) {
		return ""
	}
	return "what is cut out leaves a smaller model, which runs dense"
}

// panelNote warns of cuts to numbers that kernels fill up again; on a card cuts keep good ones
// (ruleOn).
func (p *prediction) panelNote() string {
	s, n := p.rec.Prune, p.dev.Panel()
	if p.hw.Kind == "gpu" || !prune.Structured(s.Pattern) || s.Pattern == "head" || s.Pattern == "layer" || n <= 1 || s.RoundTo != 0 && s.RoundTo%n == 0 {
		return ""
	}
	return fmt.Sprintf("pare's kernels take %d channels at a time and fill up what is missing: keep multiples (prune.round_to = %d)", n, n)
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
	if gone == 0 {
		return all * 4
	}
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
	case prune.Structured(pattern): // what is left is dense, whatever was cut out
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

// cpuMicros is micros of all CPUs, as the finished ledger has it.
func cpuMicros(e hwprofiles.Estimate, hw hwprofiles.Profile) float64 {
	us := micros(e)
	if hw.Kind == "cpu" {
		us *= float64(max(hw.CPUs(), 1))
	}
	return us
}

func estimated(e hwprofiles.Estimate, hw hwprofiles.Profile) event.Joules {
	j := event.Joules{Tier: "E", Source: "profile " + hw.Name, Band: e.BandPct}
	if e.Joules != nil {
		uj := int64(math.Round(*e.Joules * 1e6))
		j.UJ = &uj
	}
	return j
}
