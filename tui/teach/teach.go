// Package teach owns the explaining words: what a stage does, what a number means,
// what the field claims and what is known of it, and the glossary. Every explanation
// speaks with the figures of the run that is shown; a claim never stands without
// its source. It draws nothing: screens and the command line lay its paragraphs out.
//
// It may import core and its parts and tui/plain.
package teach

import (
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
	"pare/core/prune"
	"pare/tui/plain"
)

// Section is a heading with its paragraphs.
type Section struct {
	Title string
	Paras []string
}

// Of says what to explain.
type Of struct {
	State  *event.State
	Recipe *core.Recipe // nil when it is not known
	Stage  event.Stage
	Step   *int64 // under the cursor, nil for the newest
	Floor  float64
	// Predicted is the newest prediction of the form; nil for the run's own.
	Predicted *event.Ledger
	Field     string // of the configure form, by its recipe key; "" for none
	Choice    string // chosen in that field
}

// Explain is the stage, the number under the cursor, and the claims about it.
func Explain(o Of) []Section {
	out := []Section{{Title: fmt.Sprintf("%d %s", o.Stage, o.Stage), Paras: stage(o)}}
	if o.Field != "" {
		out = append(out, Section{"the marked field", field(o)})
	} else if p := number(o); len(p) > 0 {
		out = append(out, Section{"the number under the cursor", p})
	}
	for _, c := range Claims(o.Stage) {
		paras := []string{"Said: " + c.Said + " (" + c.By + ").", "Known: " + c.Known + ".", "Source: " + c.Source + "."}
		if own := here(o, c); own != "" {
			paras = append(paras, "Here: "+own+".")
		}
		out = append(out, Section{"a claim", paras})
	}
	return out
}

func percent(x float64) string { return minus(fmt.Sprintf("%.1f %%", 100*x)) }

func points(x float64) string { return minus(fmt.Sprintf("%+.1f pt", 100*x)) }

// minus writes the sign as one.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

// joules names an amount with what its tier means.
func joules(j event.Joules) string {
	if j.UJ == nil {
		return "joules were not measured"
	}
	return fmt.Sprintf("%s (tier %s: %s)", plain.Joules(j), j.Tier, energy.Tier(j.Tier).Meaning())
}

func stage(o Of) []string {
	switch o.Stage {
	case event.Baseline:
		return baseline(o)
	case event.Configure:
		return configure(o)
	case event.Sparsify:
		return sparsify(o)
	case event.Validate:
		return validate(o)
	}
	return deploy(o)
}

// last is the newest evaluation of a stage on the validation set.
func last(st *event.State, s event.Stage, upTo int64) (event.Eval, bool) {
	var best event.Eval
	ok := false
	for _, e := range st.Evals {
		if e.Stage == s && e.Split == "val" && e.Step <= upTo {
			best, ok = e, true
		}
	}
	return best, ok
}

func baseline(o Of) []string {
	st := o.State
	p := []string{"The dense model is trained, or only evaluated, so that everything later has something to be compared with. Without it no saving means anything."}
	if m := st.Dense; m.Name != "" {
		s := fmt.Sprintf("%s has %s weights; one sample takes %s multiply-adds forward.", m.Name, plain.Count(m.Params), plain.Count(m.MACs))
		if m.Train > 0 {
			s += fmt.Sprintf(" It learns from %s samples and is judged on %s others.", plain.Count(int64(m.Train)), plain.Count(int64(m.Val)))
		}
		p = append(p, s)
	}
	if cost, n := mean(st, event.Baseline); n > 0 {
		s := fmt.Sprintf("An epoch took %s of %s on average of %d, and ", plain.Micros(float64(busy(st, cost))/float64(n)), st.Started.Clock().Name, n)
		if cost.Energy.UJ != nil {
			j := cost.Energy
			x := *j.UJ / int64(n)
			j.UJ = &x
			s += joules(j) + "."
		} else {
			s += "its joules were not measured."
		}
		p = append(p, s)
	}
	if st.LastPoints != nil {
		p = append(p, "What the last points of accuracy cost: "+st.LastPoints.Text+".")
	}
	return p
}

// mean sums the epochs of a stage that stand.
func mean(st *event.State, s event.Stage) (sum event.StageCost, n int) {
	for _, e := range st.Epochs {
		if e.Stage != s {
			continue
		}
		c := event.StageCost{CPUUS: e.CPUUS, WallUS: e.WallUS, Energy: e.Energy}
		if n == 0 {
			sum = c
		} else {
			sum = sum.Plus(c)
		}
		n++
	}
	return sum, n
}

// busy is the time of a bill.
func busy(st *event.State, c event.StageCost) int64 { return st.Started.Busy(c.CPUUS, c.WallUS) }

// cpuOnly says of a bill of whole stages that it is of CPU time, which on a card it is not.
func cpuOnly(st *event.State) string {
	if st.Started.OnCard() {
		return ""
	}
	return " of CPU time"
}

func configure(o Of) []string {
	p := []string{"Here is decided what goes, how much of it and how fast, what accuracy is accepted, and for which machine. Nothing is trained; the ledger at the right is counted from the work that would be left."}
	if r := o.Recipe; r != nil {
		q := r.Prune
		p = append(p, fmt.Sprintf("Now: %s, %s, %.4g %% zeros, in %s.", about(prune.Scores(), q.Score), about(prune.Patterns(), q.Pattern), 100*q.Target, plain.Epochs(q.Epochs)))
		if q.Schedule == "oneshot" && q.Target > 0.7 {
			p = append(p, fmt.Sprintf("Careful: %.4g %% in one shot. Beyond about 70 %% accuracy falls off unless many epochs follow the cut: cubic and iterative train between smaller ones.", 100*q.Target))
		}
		if q.Pattern == "element" {
			p = append(p, "Careful: single weights gain on few machines. GPUs have no kernels that skip them; choose blocks or whole neurons to gain elsewhere.")
		}
	}
	l := o.State.Predicted
	if o.Predicted != nil {
		l = o.Predicted
	}
	if l != nil && l.Dense.StepCPUUS > 0 {
		p = append(p, fmt.Sprintf("The prediction for %s: %s time a step, every figure ±%.0f %%. It is arithmetic, not a measurement.", l.Hardware, plain.Change(l.Dense.StepCPUUS, l.Now.StepCPUUS), math.Ceil(max(l.Dense.StepBand, l.Now.StepBand))))
	}
	return p
}

// about is a word of the recipe with what it means.
func about(l []prune.Word, name string) string {
	for _, w := range l {
		if w.Name == name {
			return w.Name + " (" + w.About + ")"
		}
	}
	return name
}

// field explains the field of the form that is marked.
func field(o Of) []string {
	for key, l := range map[string][]prune.Word{"score": prune.Scores(), "pattern": prune.Patterns(), "distribution": prune.Distributions(), "schedule": prune.Schedules()} {
		if key != o.Field {
			continue
		}
		var p []string
		for _, w := range l {
			mark := ""
			if w.Name == o.Choice {
				mark = " (chosen)"
			}
			p = append(p, w.Name+mark+": "+w.About+".")
		}
		return p
	}
	if name, ok := strings.CutPrefix(o.Field, "by hand "); ok {
		return []string{name + ": its share of zeros by hand; an empty number leaves it to the spread again. The other layers make up for it, so that the target stays. Only for patterns that mask."}
	}
	return []string{map[string]string{
		"target":      "target zeros: the share of prunable weights that are to go. At 90 % one weight in ten stays.",
		"hardware":    "hardware: the machine for which time and joules are predicted. The run itself stays on this one.",
		"epochs":      "epochs: how long is trained while weights go. Longer loses less accuracy and costs more joules.",
		"floor":       "accepted loss: how many points under the dense model are still good. Under it the run goes back to the last checkpoint above it and removes no more.",
		"atfloor":     "under it: what happens once accuracy has fallen under the floor and the run has gone back. Either it trains on with the zeros it has, or it pauses there, and you set another target, roll back further or go on.",
		"budget":      "budget: what the whole run may spend, the baseline included. At the end of each epoch the run says what is spent and where it will end; at 80 % it warns.",
		"spent":       "once spent: stop with a checkpoint, validate the zeros reached so far, or only say so. It acts before the epoch that would go beyond; validating and deploying count, too.",
		"packed":      "packed: a file that holds only the weights that are left, for pare's own kernels.",
		"safetensors": "safetensors: all weights with their zeros, which any framework reads.",
		"onnx":        "ONNX: the model as a graph for other runtimes. They mostly do not skip zeros.",
		"lowrank":     "low rank: a layer as the product of two thin matrices, or an adapter beside it.",
		"rank":        "rank: how thin these matrices are.",
	}[o.Field]}
}

func sparsify(o Of) []string {
	st := o.State
	p := []string{"Weights that matter least are set to zero while training goes on, so that the others take over their work. What is removed stays removed."}
	zeros, of := st.Mask.Zeros, st.Mask.Of
	if of > 0 {
		s := fmt.Sprintf("Now %s of %s prunable weights are zero: %s", plain.Count(int64(zeros)), plain.Count(int64(of)), percent(float64(zeros)/float64(of)))
		if o.Recipe != nil {
			s += fmt.Sprintf(", of %.4g %% wanted", 100*o.Recipe.Prune.Target)
		}
		p = append(p, s+".")
	}
	if o.Floor > 0 {
		s := fmt.Sprintf("The floor is %s on validation.", percent(o.Floor))
		if n := len(st.Floors); n > 0 {
			f := st.Floors[n-1]
			s += fmt.Sprintf(" At step %d it was %s, so the run went back to %s.", f.Step, percent(f.Acc), f.Back)
		}
		p = append(p, s)
	}
	skip, dense := 0, 0
	for _, l := range st.Plan.Layers {
		if l.Format == "dense" {
			dense++
		} else {
			skip++
		}
	}
	if skip+dense > 0 {
		p = append(p, fmt.Sprintf("Zeros save time only where a kernel skips them: %d of %d layers run on one that does.", skip, skip+dense))
	}
	return p
}

func validate(o Of) []string {
	st := o.State
	p := []string{"The test set, used for nothing before, judges the dense and the pared model on the same samples. Both are then timed in turn, so that a warm or busy machine is fair to both."}
	if v := st.Verdict; v != nil {
		p = append(p, fmt.Sprintf("On %s samples the pared model is %s against dense; with 95 %% certainty between %s and %s. The floor is %s.", plain.Count(int64(v.N)), points(v.Diff), points(v.Lo), points(v.Hi), percent(v.Floor)))
		switch v.Verdict {
		case "PASS":
			p = append(p, "PASS: even the lower end of that interval is above the floor.")
		case "FAIL":
			p = append(p, "FAIL: even the upper end of that interval is below the floor.")
		default:
			p = append(p, "UNDECIDED: the floor lies inside the interval; more test samples would tell.")
		}
		p = append(p, fmt.Sprintf("It was look %d at the test set. Who tunes after a look tunes to the test set: each look makes it less of a test.", v.Looks))
	}
	if l := st.Ledger; l != nil && l.Dense.StepCPUUS > 0 {
		p = append(p, fmt.Sprintf("A training step took %s ms of %s dense and %s ms pared: %s, by %d alternations.", plain.Num(l.Dense.StepCPUUS/1000), st.Started.Clock().Name, plain.Num(l.Now.StepCPUUS/1000), plain.Change(l.Dense.StepCPUUS, l.Now.StepCPUUS), l.Rounds))
	}
	return p
}

func deploy(o Of) []string {
	st := o.State
	p := []string{"The model is written, each file read again and run against the model in memory; only then it counts as written. Every layer gets a verdict: what it runs on and what that gained, or that it gained nothing and why."}
	for _, e := range st.Exports {
		p = append(p, fmt.Sprintf("%s: %s on disk; read again it differs by %.1g at most.", e.Format, plain.Bytes(e.Bytes), e.MaxDiff))
	}
	if v := st.LayerVerdicts; v != nil {
		for _, l := range v.Layers {
			p = append(p, fmt.Sprintf("%s, %s zeros, runs as %s: %s.", l.Name, percent(l.Zeros), l.RunsAs, l.Text))
		}
	}
	return p
}

// number explains the point under the cursor.
func number(o Of) []string {
	st := o.State
	if o.Stage != event.Baseline && o.Stage != event.Sparsify {
		return nil
	}
	step := int64(math.MaxInt64)
	if o.Step != nil {
		step = *o.Step
	}
	e, ok := last(st, o.Stage, step)
	if !ok {
		return nil
	}
	what := "samples"
	if st.Model.LM {
		what = "tokens"
	}
	p := []string{fmt.Sprintf("At step %d, %s of %s validation %s were right: %s. That many %s leave room for chance: between %s and %s with 95 %% certainty.", e.Step, plain.Count(int64(e.Correct)), plain.Count(int64(e.N)), what, percent(e.Acc()), what, percent(e.Lo), percent(e.Hi))}
	if base, ok := st.BaselineAcc(); ok && o.Stage == event.Sparsify {
		s := fmt.Sprintf("That is %s against the dense model's %s", points(e.Acc()-base), percent(base))
		if d := math.Abs(e.Acc() - base); d > 0 && d < (e.Hi-e.Lo)/2 {
			s += ", which chance alone can do"
		}
		p = append(p, s+fmt.Sprintf("; %s of the prunable weights were zero then.", percent(e.Zeros)))
	}
	for i := len(st.Epochs) - 1; i >= 0; i-- {
		c := st.Epochs[i]
		if c.Stage != o.Stage || c.Step != e.Step {
			continue
		}
		s := fmt.Sprintf("The epoch that ended there took %s of %s and %s", plain.Micros(float64(st.BusyUS(&c))), st.Started.Clock().Name, joules(c.Energy))
		if base, n := mean(st, event.Baseline); n > 0 && o.Stage == event.Sparsify {
			s += "; against a dense epoch that is " + plain.Change(float64(busy(st, base))/float64(n), float64(st.BusyUS(&c))) + " " + st.Started.Clock().Name
		}
		p = append(p, s+".")
		if t := energy.Tier(c.Energy.Tier); c.Energy.UJ != nil && (t == energy.TierD || t == energy.TierE) {
			p = append(p, "These joules come from "+st.Started.Clock().Name+" and a power taken as constant: they say the same as the seconds, not more.")
		}
		break
	}
	return p
}

// here is what this run says of a claim, "" when it says nothing.
func here(o Of, c Claim) string {
	st := o.State
	switch {
	case c.Stage == event.Baseline && st.LastPoints != nil:
		return st.LastPoints.Text
	case strings.HasPrefix(c.Said, "beyond about 70"):
		if e, ok := last(st, event.Sparsify, math.MaxInt64); ok && e.Zeros > 0.7 {
			if base, ok := st.BaselineAcc(); ok {
				return fmt.Sprintf("%s zeros at %s against dense", percent(e.Zeros), points(e.Acc()-base))
			}
		}
	case strings.HasPrefix(c.Said, "sparsity saves"), c.Stage == event.Sparsify, strings.HasPrefix(c.Said, "hardware for"):
		if l := st.Ledger; l != nil && l.Dense.StepCPUUS > 0 {
			return fmt.Sprintf("%s %s a step at %s zeros", plain.Change(l.Dense.StepCPUUS, l.Now.StepCPUUS), st.Started.Clock().Name, percent(l.Now.Zeros))
		}
		base, n := mean(st, event.Baseline)
		if k := len(st.Epochs); n > 0 && k > 0 && st.Epochs[k-1].Stage == event.Sparsify {
			return fmt.Sprintf("%s %s an epoch so far, at %s zeros", plain.Change(float64(busy(st, base))/float64(n), float64(st.BusyUS(&st.Epochs[k-1]))), st.Started.Clock().Name, percent(st.Epochs[k-1].Zeros))
		}
	case c.Stage == event.Validate:
		if s := st.Spent(); s.CPUUS > 0 {
			return fmt.Sprintf("all stages took %s%s so far, and %s", plain.Micros(float64(busy(st, s))), cpuOnly(st), joules(s.Energy))
		}
	}
	return ""
}
