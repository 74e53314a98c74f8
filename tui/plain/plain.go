// Package plain is the front without a screen: one line per event that a person
// would want to know, append-only, fit for logs and screen readers, and the
// final ledger as a table. It is a fold over the same events as the workbench.
//
// Of core it uses the words only, of sessions the log; it draws nothing.
package plain

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// Line is what an event says in one line, "" when it says nothing a reader of
// plain output needs. st is the fold up to and including e. Texts of others cannot
// move the cursor or look like a line of pare's.
func Line(e event.Event, st *event.State) string {
	return harmless(line(tame(e), st))
}

func line(e event.Event, st *event.State) string {
	switch b := e.Body.(type) {
	case *event.Started:
		return fmt.Sprintf("session %s: %s on %s, %s (%s, %d threads), %s\nenergy: %s", b.Session, b.Model, b.Data, b.Device, b.ISA, b.Threads, orDash(b.Machine), Meter(b))
	case *event.Branch:
		return "\n" + b.Text()
	case *event.Idle:
		return "idle power before the run: " + b.Text()
	case *event.Model:
		if st.Dense.Step == b.Step && b.Params == st.Dense.Params {
			return fmt.Sprintf("model: %s params in %d layers; samples: %d train, %d validation, %d test", Count(b.Params), len(b.Layers), b.Train, b.Val, b.Test)
		}
		return fmt.Sprintf("model: now %s params", Count(b.Params))
	case *event.Plan:
		if b.Memory != nil {
			return "  memory: " + b.Memory.Text()
		}
		return ""
	case *event.StageChange:
		switch b.State {
		case "started":
			return fmt.Sprintf("\n%d %s", int(b.Stage), b.Stage)
		case "done":
			return fmt.Sprintf("  done: %s", b.Evidence)
		}
		return fmt.Sprintf("  %s: %s", b.State, b.Evidence)
	case *event.Eval:
		if b.Split == "test" {
			return fmt.Sprintf("  test set: %.1f %% (95 %%: %.1f–%.1f), %d %s%s", 100*b.Acc(), 100*b.Lo, 100*b.Hi, b.N, counted(st), perplexity(b))
		}
		s := fmt.Sprintf("  epoch %2d: validation %.1f %% (%.1f–%.1f)", b.Epoch, 100*b.Acc(), 100*b.Lo, 100*b.Hi) + perplexity(b)
		if b.Stage == event.Sparsify {
			s += fmt.Sprintf(", %.1f %% zeros", 100*b.Zeros)
		}
		if n := len(st.Epochs); n > 0 && st.Epochs[n-1].Step == b.Step && st.Epochs[n-1].Stage == b.Stage {
			c := st.Epochs[n-1]
			s += fmt.Sprintf(" · %s %s · %s", Micros(float64(st.BusyUS(&c))), st.Started.Clock().Unit, Joules(c.Energy))
			switch {
			case c.Short:
				s += " J (too short for the counter)"
			case c.Over > 1:
				s += fmt.Sprintf(" (mean of %d short epochs)", c.Over)
			}
		}
		return s
	case *event.Floor:
		return fmt.Sprintf("  floor: %.1f %% is under %.1f %% at %.1f %% zeros: back to checkpoint %s, no more zeros from here", 100*b.Acc, 100*b.Floor, 100*b.Zeros, b.Back)
	case *event.Decision:
		return fmt.Sprintf("  decision at step %d by %s: %s", b.Step, b.By, decided(b, st))
	case *event.Budget:
		if b.Spent < 0.8*b.Limit && b.Spent < b.Finish { // no news
			return ""
		}
		return "  budget: " + b.Text()
	case *event.LastPoints:
		switch {
		case b.Advice != "":
			return "  advice: " + b.Advice
		case b.Live: // said again when the baseline is done
			return ""
		}
		return "  " + b.Text
	case *event.Factors:
		var lines []string
		for _, l := range b.Layers {
			lines = append(lines, "  "+l.Text)
		}
		return strings.Join(lines, "\n")
	case *event.FineTune:
		return "  " + b.Text
	case *event.EarlyBird:
		return "  " + b.Text
	case *event.Scan:
		if b.State == "running" {
			return "  " + ScanHead(b)
		}
		return "  " + ScanEnd(b)
	case *event.ScanRow:
		if st.Scan == nil {
			return ""
		}
		return ScanLine(st.Scan, b)
	case *event.Spread:
		return "  " + b.Text + spreadLayers(b)
	case *event.Attribution:
		return attribution(b, st.Started.Clock())
	case *event.Verdict:
		return "  " + b.Text
	case *event.Export:
		return fmt.Sprintf("  wrote %s (%s), read it again: largest difference %.1g over %d samples", b.File, Bytes(b.Bytes), b.MaxDiff, b.Samples)
	case *event.LayerVerdicts:
		return layerTable(b)
	case *event.Warning:
		return "  warning: " + withFix(b.Text, b.Fix)
	case *event.Failure:
		return "error: " + withFix(b.Text, b.Fix)
	case *event.Diverged:
		return fmt.Sprintf("  the loss became %s at step %d: back to checkpoint %s", b.Loss, b.Step, b.Back)
	case *event.Paused:
		if b.By != "" {
			return fmt.Sprintf("  %s at step %d by %s", b.Why, b.Step, b.By)
		}
		return fmt.Sprintf("  paused at step %d: %s", b.Step, st.PausedFor())
	case *event.Continued:
		return "  going on"
	case *event.Resumed:
		return fmt.Sprintf("  going on from checkpoint %s (%s), step %d of stage %d", b.Checkpoint, b.Why, b.Step, int(b.Stage))
	case *event.Done:
		return "\n" + Ledger(st) + b.Text + weights(b)
	}
	return ""
}

// weights is the line that shows equal bits: two runs that did the same have the
// same hash.
func weights(b *event.Done) string {
	if b.Weights == "" {
		return ""
	}
	return "\nweights " + b.Weights
}

// decided is a decision in words.
func decided(b *event.Decision, st *event.State) string {
	switch {
	case b.Cmd == core.CmdTarget:
		return fmt.Sprintf("target %.1f %% zeros", 100*b.Value)
	case b.Cmd == core.CmdSettle && b.Stage == event.Baseline:
		return "ended here, taken as the baseline"
	case b.Cmd == core.CmdSettle:
		return fmt.Sprintf("target lowered to the %.1f %% zeros reached", 100*b.Value)
	case b.Cmd == core.CmdConfigure:
		return configured(b, st)
	case b.Text != "":
		return b.Cmd + " " + b.Text
	}
	return b.Cmd
}

func withFix(text, fix string) string {
	if fix == "" {
		return text
	}
	return text + ": " + fix
}

// Meter says how the joules are known.
func Meter(b *event.Started) string {
	t := energy.Tier(b.Tier)
	s := fmt.Sprintf("%s, tier %s (%s)", t.Meaning(), orDash(b.Tier), orDash(b.Meter))
	if b.MeterWhy != "" {
		s += "; " + b.MeterWhy
	}
	return s
}

func layerTable(b *event.LayerVerdicts) string {
	var s strings.Builder
	w := 16
	for _, l := range b.Layers {
		w = max(w, utf8.RuneCountInString(l.Name))
	}
	fmt.Fprintf(&s, "  %s %-12s %7s  %-8s %10s %10s", pad("layer", w), "shape", "zeros", "runs as", "dense ms", "now ms")
	for _, l := range b.Layers {
		fmt.Fprintf(&s, "\n  %s %-12s %5.1f %%  %-8s %10.3f %10.3f  %s", pad(l.Name, w), Shape(l.Shape), 100*l.Zeros, l.RunsAs, l.DenseMS, l.NowMS, l.Text)
	}
	return s.String()
}

// Ledger is the final table, dense against pared. Empty before validate.
func Ledger(st *event.State) string {
	l := st.Ledger
	if l == nil {
		return ""
	}
	var s strings.Builder
	row := func(name, dense, now, change string) {
		fmt.Fprintf(&s, "  %s%s%s   %s\n", pad(name, 20), padLeft(dense, 21), padLeft(now, 21), change)
	}
	row("ledger", "dense", "pared", "change")
	for _, r := range Rows(l) {
		row(r.Name, r.Dense, r.Now, r.Change)
	}
	for _, e := range st.Exports {
		if e.Format == "packed" {
			row("packed file written", "", Bytes(e.Bytes), filepath.Base(e.File))
		}
	}
	spent := st.Spent()
	if above := core.AboveIdle(st.Idle, spent); above != "" {
		row("J this run", "", Joules(spent.Energy), "all stages")
		row("J above idle", "", above, fmt.Sprintf("of these: the idle machine drew %.3g W %s", *st.Idle.Watts, st.Idle.Tier))
	}
	for _, r := range Grid(st.Started.Grid, spent.Energy) {
		row(r.Name, "", r.Now, st.Started.Grid.Text)
	}
	if l.Note != "" {
		fmt.Fprintf(&s, "  %s\n", l.Note)
	}
	if st.Verdict != nil {
		fmt.Fprintf(&s, "  %s\n", st.Verdict.Text)
	}
	if b := BreakEven(st); b != "" {
		fmt.Fprintf(&s, "  %s\n", b)
	}
	return s.String()
}

// counted is what accuracy counts: samples, or tokens.
func counted(st *event.State) string {
	if st.Model.LM {
		return "tokens"
	}
	return "samples"
}

// perplexity is a language model's, after a comma.
func perplexity(e *event.Eval) string {
	if e.Perplexity > 0 {
		return ", perplexity " + event.Num(e.Perplexity, 4)
	}
	return ""
}

// atLeast is ms of a time that is a lower limit.
func atLeast(us, band float64) string {
	if s := ms(us, band); us > 0 {
		return "≥" + s
	}
	return "–"
}

func ms(us, band float64) string {
	if us <= 0 {
		return "–"
	}
	s := Num(us / 1000)
	if band > 0 {
		s += fmt.Sprintf(" ±%.0f %%", math.Ceil(band))
	}
	return s
}

// Change is the relative change in percent.
func Change(from, to float64) string {
	switch {
	case from <= 0:
		return "–"
	case from == to:
		return "0 %"
	}
	return strings.Replace(fmt.Sprintf("%+.0f %%", 100*(to/from-1)), "-", "−", 1)
}

// Joules prints an amount with unit and tier, "–" when it was not measured.
func Joules(j event.Joules) string {
	return energy.Format(core.Reading(j))
}

// Micros prints a duration given in microseconds.
func Micros(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e6:
		return Num(us/1000) + " ms"
	case us < 100e6:
		return Num(us/1e6) + " s"
	}
	return time.Duration(us * 1000).Round(time.Second).String()
}

// Bytes prints a size in powers of 1000.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return Num(float64(n)/1e3) + " kB"
	case n < 1e9:
		return Num(float64(n)/1e6) + " MB"
	}
	return Num(float64(n)/1e9) + " GB"
}

// Count prints a number with thin groups of three: 266,610.
func Count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Shape prints 300×784.
func Shape(d []int) string {
	p := make([]string, len(d))
	for i, v := range d {
		p[i] = fmt.Sprint(v)
	}
	return strings.Join(p, "×")
}

func pad(s string, n int) string     { return s + strings.Repeat(" ", max(0, n-len([]rune(s)))) }
func padLeft(s string, n int) string { return strings.Repeat(" ", max(0, n-len([]rune(s)))) + s }

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
