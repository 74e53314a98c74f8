package report

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// layers is the table of layers: timed ones after deploy, else what masks and
// plan say so far.
type layers struct {
	Note  string
	Timed bool
	Rows  []layerRow
}

type layerRow struct {
	Name, Shape, Zeros, RunsAs, Dense, Now, Text string
	Bar                                          int // of 100
	Gain                                         bool
}

func newLayers(st *event.State) layers {
	var v layers
	if l := st.LayerVerdicts; l != nil {
		v.Timed, v.Note = true, st.Started.Clock().Of("ms of one training step, dense and as it runs now, timed in alternation.")
		for _, x := range l.Layers {
			v.Rows = append(v.Rows, layerRow{
				Name: short(x.Name), Shape: shape(x.Shape), Zeros: percent(x.Zeros), Bar: bar(x.Zeros), RunsAs: short(or(x.RunsAs, none)),
				Dense: layerMS(x.DenseMS), Now: layerMS(x.NowMS), Text: short(x.Text), Gain: strings.Contains(x.Text, "× less "),
			})
		}
		return v
	}
	m := st.Model
	if len(m.Layers) == 0 {
		return v
	}
	v.Note = "So far; what each layer gained is timed in stage 5, deploy."
	for _, x := range m.Layers {
		r := layerRow{Name: short(x.Name), Shape: shape(x.Shape), Zeros: none, RunsAs: none, Dense: none, Now: none}
		for _, k := range st.Mask.Layers {
			if k.Name == x.Name && k.Of > 0 {
				z := float64(k.Zeros) / float64(k.Of)
				r.Zeros, r.Bar = percent(z), bar(z)
			}
		}
		for _, k := range st.Plan.Layers {
			if k.Name == x.Name {
				r.RunsAs, r.Text = short(or(k.Format, none)), short(k.Why)
			}
		}
		v.Rows = append(v.Rows, r)
	}
	return v
}

func bar(share float64) int { return int(math.Round(100 * min(max(share, 0), 1))) }

func layerMS(ms float64) string {
	switch {
	case !(ms > 0):
		return none
	case ms < 0.0995:
		return fmt.Sprintf("%.4f", ms)
	case ms < 99.5:
		return fmt.Sprintf("%.3g", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// classes is the accuracy of every class on the test set.
type classes struct {
	Note string
	Rows []ledgerRow
	Fold bool // too many to lay open
}

func newClasses(st *event.State) classes {
	var v classes
	if st.Verdict == nil {
		return v
	}
	var worst *event.ClassRow
	for i := range st.Verdict.Classes {
		c := &st.Verdict.Classes[i]
		r := ledgerRow{Name: short(or(c.Name, none)) + fmt.Sprintf(" (%s)", count(int64(c.N))), Dense: none, Now: none, Change: none}
		if c.N > 0 {
			n := float64(c.N)
			r.Dense, r.Now, r.Change = percent(float64(c.Dense)/n), percent(float64(c.Now)/n), points(float64(c.Now-c.Dense)/n)
			if worst == nil || float64(c.Now-c.Dense)/n < float64(worst.Now-worst.Dense)/float64(worst.N) {
				worst = c
			}
		}
		v.Rows = append(v.Rows, r)
	}
	if worst != nil && worst.Now < worst.Dense {
		v.Note = fmt.Sprintf("Test samples in brackets. %s lost most: %s of %s fewer right.", short(worst.Name), count(int64(worst.Dense-worst.Now)), count(int64(worst.N)))
	} else if worst != nil {
		v.Note = "Test samples in brackets. No class lost accuracy."
	}
	v.Fold = len(v.Rows) > 24
	return v
}

type exportRow struct{ Format, File, Bytes, Exact, SHA, Diff string }

func exports(st *event.State) []exportRow {
	var out []exportRow
	for _, e := range st.Exports {
		// A session may have been written on Windows.
		out = append(out, exportRow{
			Format: short(e.Format), File: short(path.Base(strings.ReplaceAll(e.File, `\`, "/"))), Bytes: size(e.Bytes), Exact: count(e.Bytes) + " bytes",
			SHA: short(or(e.SHA, none)), Diff: fmt.Sprintf("%s over %s", scientific(e.MaxDiff), plural(e.Samples, "sample")),
		})
	}
	return out
}

// energyView says how the joules are known.
type energyView struct {
	Rows  []pair
	Tiers []tierRow
	Note  string
}

type tierRow struct {
	Letter, Text string
	Here         bool
}

func newEnergy(st *event.State) energyView {
	s := st.Started
	t := energy.Tier(s.Tier)
	v := energyView{}
	add := func(name, text string) {
		if text != "" {
			v.Rows = append(v.Rows, pair{Name: name, Text: text})
		}
	}
	if t.Known() {
		add("tier", s.Tier+", "+t.Meaning())
		add("source", or(s.Meter, none))
		add("what it includes", s.Boundary)
		add("why not better", s.MeterWhy)
	} else {
		add("joules", "not measured")
		add("why", or(s.MeterWhy, "the log does not say"))
	}
	if i := st.Idle; i != nil && (i.Watts != nil || t.Measured()) {
		text := i.Text()
		if i.At != "" {
			text += ", " + i.At
		}
		add("idle power before the run", text)
		spent := st.Spent()
		if above := core.AboveIdle(i, spent); above != "" {
			add("above idle", above+" of "+joules(spent.Energy)+" in all: what was drawn beyond that idle power. Every other figure is the total.")
		}
	}
	if used := sources(st); len(used) > 1 {
		add("sources of single figures", strings.Join(used, "; "))
	}
	v.Note = estimated(t)
	for _, k := range []energy.Tier{energy.TierA, energy.TierB, energy.TierC, energy.TierD, energy.TierE} {
		v.Tiers = append(v.Tiers, tierRow{string(k), k.Meaning(), k == t})
	}
	return v
}

// sources are the distinct sources of the bills, best tier first: a resumed run
// may have had another meter.
func sources(st *event.State) []string {
	var out []string
	add := func(j event.Joules) {
		if !known(j) {
			return
		}
		if s := j.Tier + " " + or(j.Source, none); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for i := range st.Stages {
		add(st.Stages[i].Cost.Energy)
	}
	for _, e := range st.Epochs {
		add(e.Energy)
	}
	slices.Sort(out)
	return out
}

// origin is where the figures come from: enough to do it again.
func origin(st *event.State) []pair {
	s := st.Started
	var out []pair
	add := func(name, text string, mono bool) {
		if text != "" {
			out = append(out, pair{name, short(text), mono})
		}
	}
	add("session", s.Session, false)
	add("begun", whenOrNone(st), false)
	if d := st.At.Sub(st.Begun); d > 0 {
		add("last event", fmt.Sprintf("%s, event %s of the log", when(st.At), count(st.Seq)), false)
	}
	if s.Pare != "" {
		add("pare", fmt.Sprintf("%s, log format %d", s.Pare, s.Format), false)
	}
	add("machine", s.Machine, false)
	if s.Device != "" {
		add("device", fmt.Sprintf("%s, %s, %s", s.Device, or(s.ISA, "instruction set not known"), plural(s.Threads, "thread")), false)
	}
	add("hardware profile", s.Hardware, false)
	if m := st.Plan.Memory; m != nil {
		add("memory", m.Text(), false)
	}
	if m := st.Dense; m.Name != "" {
		text := fmt.Sprintf("%s params, %s multiply-adds per sample", count(m.Params), count(m.MACs))
		if n := st.Model; n.Params != m.Params {
			text += fmt.Sprintf("; now %s and %s", count(n.Params), count(n.MACs))
		}
		add("model", m.Name+": "+text, false)
		add("samples", fmt.Sprintf("%s to train, %s to validate, %s to test", count(int64(m.Train)), count(int64(m.Val)), count(int64(m.Test))), false)
	}
	add("data hash", s.DataHash, true)
	add("recipe hash", s.Recipe, true)
	if k := st.Mask; k.Of > 0 {
		add("masks", fmt.Sprintf("%s; %s of %s prunable weights are zero", or(k.Rule, "rule not recorded"), count(int64(k.Zeros)), count(int64(k.Of))), false)
		add("mask hash", k.Hash, true)
	}
	add("plan hash", st.Plan.Hash, true)
	switch {
	case st.Done != nil:
		add("final weights hash", st.Done.Weights, true)
	case len(st.Checkpoints) > 0:
		c := st.Checkpoints[len(st.Checkpoints)-1]
		add("last checkpoint", fmt.Sprintf("%s, stage %d, step %s", c.Name, int(c.Stage), count(c.Step)), false)
		add("its SHA-256", c.SHA, true)
	}
	return out
}

func whenOrNone(st *event.State) string {
	if st.Begun.IsZero() {
		return ""
	}
	return when(st.Begun)
}
