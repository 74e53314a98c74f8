package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// EnergyForm writes the energy section of the Model Documentation Form of the EU's
// Code of Practice for general-purpose AI (10 July 2025; AI Act, Annex XI, section
// 1, point 2 (d) and (e)) as Markdown. costs are the bills of the run's stages by
// stage, recipe the text of recipe.toml ("" unknown). Figures have two significant
// digits with their uncertainty; what the session does not hold is "not measured",
// with the reason.
func EnergyForm(w io.Writer, st *event.State, costs []event.StageCost, recipe string) error {
	var b bytes.Buffer
	f := form{Buffer: &b, st: st, costs: costs}
	f.head()
	f.training()
	f.energy()
	f.inference()
	f.limits(recipe)
	if _, err := w.Write(printable(b.Bytes())); err != nil {
		return fmt.Errorf("energy form of session %q: %w", st.Started.Session, err)
	}
	return nil
}

// form is the section being written.
type form struct {
	*bytes.Buffer
	st    *event.State
	costs []event.StageCost
}

// trains are the stages that the form calls training.
var trains = []event.Stage{event.Baseline, event.Sparsify}

// others are the stages that are not.
var others = []event.Stage{event.Configure, event.Validate, event.Deploy}

func (f *form) say(format string, a ...any) { fmt.Fprintf(f, format, a...) }

func (f *form) table(head ...string) {
	f.say("\n| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
}

func (f *form) row(cells ...string) { f.say("| %s |\n", strings.Join(cells, " | ")) }

func (f *form) head() {
	s, begun := f.st.Started, none
	if !f.st.Begun.IsZero() {
		begun = when(f.st.Begun)
	}
	f.say("# Model Documentation Form: energy\n\n")
	f.say("%s on %s, pare session %s, begun %s. For the EU AI Act, Annex XI, section 1, point 2 (d) and (e); filled in by pare %s from the session alone.\n",
		md(or(s.Model, "a model")), md(or(s.Data, "unknown data")), md(or(s.Session, none)), begun, md(or(s.Pare, none)))
	if f.st.Done == nil {
		f.say("\nThe run has not finished: these are its figures so far.\n")
	}
}

// sum adds up the bills of some stages: joules nil as soon as one that began has
// none, named in missing, and the worst coverage. Uncertainties add up: a stage's
// error may go the same way as another's.
func (f *form) sum(stages []event.Stage) (c event.StageCost, byTier map[energy.Tier]int64, missing []string) {
	byTier = map[energy.Tier]int64{}
	var uj int64
	var off float64
	tier, sources, cover := energy.TierNone, []string(nil), (*float64)(nil)
	for _, s := range stages {
		if int(s) >= len(f.costs) {
			continue
		}
		x := f.costs[s]
		if x.WallUS == 0 && x.CPUUS == 0 {
			continue // never began
		}
		c.WallUS, c.CPUUS = c.WallUS+x.WallUS, c.CPUUS+x.CPUUS
		if !known(x.Energy) {
			missing = append(missing, s.String())
			continue
		}
		t := energy.Tier(x.Energy.Tier)
		uj, off, tier = uj+*x.Energy.UJ, off+float64(*x.Energy.UJ)*x.Energy.Band, tier.Worse(t)
		byTier[t] += *x.Energy.UJ
		if p := x.Energy.Coverage; p != nil && (cover == nil || *p < *cover) {
			cover = p
		}
		if n := len(sources); n == 0 || sources[n-1] != x.Energy.Source {
			sources = append(sources, x.Energy.Source)
		}
	}
	if len(missing) == 0 && tier.Known() {
		c.Energy = event.Joules{UJ: &uj, Tier: string(tier), Source: strings.Join(sources, ", then "), Coverage: cover}
		if uj > 0 {
			c.Energy.Band = off / float64(uj)
		}
	}
	return c, byTier, missing
}

// training says how long it took, on what, and how much was computed.
func (f *form) training() {
	s := f.st.Started
	c, _, _ := f.sum(trains)
	f.say("\n## Training: time and compute\n")
	f.table("Field", "Value")
	if c.WallUS == 0 {
		f.row("Training time", "not measured: the run has not begun to train")
	} else {
		days := float64(c.WallUS) / 86400e6
		f.row("Training time, wall clock", fmt.Sprintf("%s days (%s), pauses left out; range: %s", scientific(days), seconds(two(float64(c.WallUS))), months(days)))
		f.row("Hardware-days", fmt.Sprintf("%s days of 1 machine with %s; CPU time %s core-days", scientific(days), md(or(s.Machine, "a processor not known")), scientific(float64(c.CPUUS)/86400e6)))
	}
	hw := md(or(s.Machine, "not known"))
	if s.Threads > 0 {
		hw += ", " + plural(s.Threads, "thread")
	}
	for _, x := range []string{s.ISA, s.Device} {
		if x != "" {
			hw += ", " + md(x)
		}
	}
	f.row("Hardware", hw)
	f.row("Training compute", f.compute())
}

// compute is the FLOPs of the training steps, counted.
func (f *form) compute() string {
	var macs, skipped int64
	for _, e := range f.st.Epochs {
		if e.MACs <= 0 {
			return "not measured: the session's log does not count the multiply-adds of its epochs"
		}
		macs, skipped = macs+e.MACs, skipped+e.Skipped
	}
	if macs == 0 {
		return "not measured: the session holds no whole epoch of training"
	}
	t := fmt.Sprintf("%s FLOPs, counted: 2 for each multiply-add that the kernels of the training steps computed", scientific(2*float64(macs-skipped)))
	if skipped > 0 {
		t += fmt.Sprintf("; dense it would have been %s FLOPs", scientific(2*float64(macs)))
	}
	return t + ". Steps of epochs cut short are not in it."
}

// months is the form's range of a training time.
func months(days float64) string {
	const month = 365.25 / 12
	switch {
	case days < month:
		return "less than 1 month"
	case days <= 3*month:
		return "1–3 months"
	case days <= 6*month:
		return "3–6 months"
	}
	return "more than 6 months"
}

// energy is the heart of the section.
func (f *form) energy() {
	c, byTier, missing := f.sum(trains)
	f.say("\n## Energy consumption (known or estimated)\n")
	f.table("Field", "Value")
	f.row("Energy used for training", f.amount(c, missing))
	if len(byTier) > 1 && c.Energy.UJ != nil {
		var s []string
		for _, t := range []energy.Tier{energy.TierA, energy.TierB, energy.TierC, energy.TierD, energy.TierE} {
			if uj, ok := byTier[t]; ok {
				s = append(s, fmt.Sprintf("%.0f %% tier %s", 100*float64(uj)/float64(max(*c.Energy.UJ, 1)), t))
			}
		}
		f.row("Joules by tier", strings.Join(s, ", "))
	}
	o, _, without := f.sum(others)
	if o.WallUS > 0 {
		f.row("Beside training: choosing, validating, exporting", f.amount(o, without))
	}
	f.say("\n%s\n", f.method(c))
}

// amount is an energy in MWh with two digits, its uncertainty and how it is known.
func (f *form) amount(c event.StageCost, missing []string) string {
	j := c.Energy
	switch {
	case c.WallUS == 0 && c.CPUUS == 0:
		return "not measured: the run has not begun to train"
	case j.UJ == nil:
		return fmt.Sprintf("not measured in %s: %s", strings.Join(missing, ", "), md(or(f.st.Started.MeterWhy, "the meter gave no figure")))
	}
	how := "estimated"
	if energy.Tier(j.Tier).Measured() {
		how = "measured"
	}
	return fmt.Sprintf("%s MWh (%s) %s, %s, tier %s", scientific(float64(*j.UJ)/3.6e15), energy.FormatJoules(*j.UJ, 2), uncertain(j.Band), how, j.Tier)
}

// uncertain is a band for a figure of two digits.
func uncertain(band float64) string {
	if !(band > 0) {
		return "(uncertainty not known)"
	}
	return fmt.Sprintf("±%.0f %%", math.Ceil(band))
}

// method describes in at most about a hundred words how the joules are known.
func (f *form) method(c event.StageCost) string {
	j, s := c.Energy, f.st.Started
	if j.UJ == nil {
		return "Method: none, as the energy is not known. It may be estimated from the time and the compute above."
	}
	tier := energy.Tier(j.Tier)
	t := fmt.Sprintf("Method: %s (tier %s), source %s; boundary: %s.", tier.Meaning(), tier, md(or(j.Source, "not known")), md(or(s.Boundary, "not known")))
	switch {
	case tier == energy.TierE:
		t += " The CPU time of the run times the constant watts of a busy processor; the uncertainty is the profile's."
	case tier == energy.TierD:
		t += " A model of the machine's power; the uncertainty is the calibration's."
	default:
		t += " The uncertainty is of the edges of the windows; the meter's own is not in it."
	}
	if p := j.Coverage; p != nil && *p < 0.995 {
		t += fmt.Sprintf(" The meter covered %.0f %% of the time or more; the rest is not in the figure.", math.Floor(100**p))
	}
	return t + " Training is stages 1 (baseline) and 3 (sparsify): their steps, validation passes and checkpoints, those before a crash or a step back included, pauses left out. Facility overhead (PUE) is not in the figure."
}

// inference is the benchmark of the validate stage.
func (f *form) inference() {
	f.say("\n## Inference benchmark\n")
	l := f.st.Ledger
	if l == nil {
		f.say("\nNot measured: the run has not validated, which is when single inferences are timed.\n")
		return
	}
	s := f.st.Started
	f.say("\nTask: classify 1 sample of %s, batch 1. Hardware: %s, %s. Dense and pared in turn, means of %s.\n",
		md(or(s.Data, "unknown data")), md(or(s.Machine, "not known")), plural(max(s.Threads, 1), "thread"), plural(l.Rounds, "alternation"))
	f.table("Model", "FLOPs per inference", "Time", "Energy")
	flops := func(macs int64, most string) string {
		if macs <= 0 {
			return "not measured: the log does not describe the model"
		}
		return most + scientific(2*float64(macs))
	}
	for _, x := range []struct {
		name, flops string
		side        event.Side
	}{
		{"dense", flops(f.st.Dense.MACs, ""), l.Dense},
		{"pared, " + percent(l.Now.Zeros) + " zeros", flops(f.st.Model.MACs, "at most "), l.Now},
	} {
		e := "not measured: " + md(or(s.MeterWhy, "the meter gave no figure"))
		if j := x.side.InferEnergy; known(j) {
			how := "estimated"
			if energy.Tier(j.Tier).Measured() {
				how = "measured"
			}
			e = fmt.Sprintf("%s %s, %s, tier %s", energy.FormatJoules(*j.UJ, 2), uncertain(j.Band), how, j.Tier)
		}
		time := "not measured"
		if x.side.InferUS > 0 {
			time = seconds(two(x.side.InferUS)) + " " + uncertain(x.side.InferBand)
		}
		f.row(x.name, x.flops, time, e)
	}
	f.say("\nFLOPs are 2 for each multiply-add of the model's shape; what the pared model's kernels skip of them is not counted off.\n")
}

// two rounds to two significant digits.
func two(x float64) float64 {
	if !(x > 0) || math.IsInf(x, 0) {
		return x
	}
	scale := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(x/scale) * scale
}

// limits says what a reader might look for and does not find.
func (f *form) limits(recipe string) {
	f.say("\n## Not measured\n\n")
	f.say("- Cooling, power supplies, network and other machines, unless the boundary above names them: pare reads the meter of this machine only.\n")
	f.say("- Making the hardware (embodied energy): no source on this machine knows it.\n")
	r, err := core.ParseRecipe([]byte(recipe))
	switch {
	case recipe == "" || err != nil:
		f.say("- What the model may have cost before this session: the recipe is not known.\n")
	case r.Model.Path != "":
		f.say("- What the model cost before this session: it was loaded from a file, %s.\n", md(base(r.Model.Path)))
	}
	f.say("- Other trials, searches and failed runs: each is a session of its own.\n")
}

// base is the last element of a path of any system.
func base(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

var mdEscape = strings.NewReplacer("\n", " ", "\r", " ", `\`, `\\`, "|", `\|`, "<", `\<`, "`", "\\`", "*", `\*`, "[", `\[`, "]", `\]`)

// md keeps a name from the log from being read as Markdown, and short.
func md(s string) string { return mdEscape.Replace(short(s)) }
