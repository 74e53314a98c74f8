package report

import (
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// ledger is dense against pared.
type ledger struct {
	Head  string // what the table is
	Rows  []ledgerRow
	Notes []string

	Predicted bool
}

type ledgerRow struct {
	Name, Dense, Now, Change string
	Main                     bool // set large
}

// tile is one headline figure.
type tile struct{ Name, Value, Change, Note string }

// newLedger is the measured ledger, else the predicted one, else empty.
func newLedger(st *event.State) ledger {
	l, head := st.Ledger, ""
	switch {
	case l != nil:
		how := "measured"
		if known(l.Now.StepEnergy) && !energy.Tier(l.Now.StepEnergy.Tier).Measured() {
			how = "timed" // the joules below are an estimate
		}
		head = fmt.Sprintf("Dense against pared, %s in %s in turn on the same machine; batch %d.", how, plural(l.Rounds, "alternation"), l.Batch)
	case st.Predicted != nil:
		l = st.Predicted
		head = fmt.Sprintf("Predicted in stage 2 for %s, from counted work; nothing of this has been run.", or(l.Hardware, "this machine"))
		if l.Measured {
			head = "Predicted in stage 2 from what the baseline's steps took on this machine; nothing of the pared model has been run."
		}
	default:
		return ledger{}
	}
	d, n := l.Dense, l.Now
	v := ledger{Head: head, Predicted: l.Predicted}
	row := func(name, dense, now, change string) {
		v.Rows = append(v.Rows, ledgerRow{Name: name, Dense: dense, Now: now, Change: change})
	}
	if !l.Predicted {
		row("accuracy on the test set (95 %)", interval(d.Acc, d.Lo, d.Hi), interval(n.Acc, n.Lo, n.Hi), points(n.Acc-d.Acc))
		if d.Perplexity > 0 && n.Perplexity > 0 {
			row("perplexity on the test set", event.Num(d.Perplexity, 4), event.Num(n.Perplexity, 4), change(d.Perplexity, n.Perplexity))
		}
	}
	row("zeros, of the prunable weights", percent(d.Zeros), percent(n.Zeros), "")
	row("params", count(d.Params), count(n.Params), change(float64(d.Params), float64(n.Params)))
	row("packed file", size(d.FileBytes), size(n.FileBytes), change(float64(d.FileBytes), float64(n.FileBytes)))
	if d.Resident > 0 || n.Resident > 0 {
		row("bytes resident", size(d.Resident), size(n.Resident), change(float64(d.Resident), float64(n.Resident)))
	}
	joules, timeChange, energyChange := joules, timeChange, energyChange
	step := stepName(l.HWKind)
	if l.Predicted { // nothing was measured, and the bands of both sides go the same way
		joules = func(j event.Joules) string {
			if !known(j) {
				return none
			}
			return energy.Format(core.Reading(j))
		}
		timeChange = func(d, _, n, _ float64) string { return or(change(d, n), none) }
	}
	cpu := energyChange
	energyChange = func(d, n event.Joules) string { return asClock(l.HWKind, cpu(d, n)) }
	row(step, millis(d.StepCPUUS, d.StepBand), millis(n.StepCPUUS, n.StepBand), timeChange(d.StepCPUUS, d.StepBand, n.StepCPUUS, n.StepBand))
	row("energy per training step", joules(d.StepEnergy), joules(n.StepEnergy), energyChange(d.StepEnergy, n.StepEnergy))
	if a := l.Adapters; a != nil && a.CPUUS > 0 {
		row(step+" while adapters train", millis(d.StepCPUUS, d.StepBand), millis(a.CPUUS, a.Band), timeChange(d.StepCPUUS, d.StepBand, a.CPUUS, a.Band))
	}
	infer := "inference"
	if l.Tokens > 0 {
		infer = fmt.Sprintf("%d tokens", l.Tokens)
	}
	time := "time per "
	if !l.Predicted && l.HWKind != "gpu" && known(n.InferEnergy) && energy.Tier(n.InferEnergy.Tier) == energy.TierE {
		time = "wall time per " // beside joules that come from CPU time
	}
	row(time+infer+", batch 1", millis(d.InferUS, d.InferBand), millis(n.InferUS, n.InferBand), timeChange(d.InferUS, d.InferBand, n.InferUS, n.InferBand))
	row("energy per "+infer, joules(d.InferEnergy), joules(n.InferEnergy), energyChange(d.InferEnergy, n.InferEnergy))
	if d.StepBytes > 0 {
		row("bytes moved per training step", size(d.StepBytes), size(n.StepBytes), change(float64(d.StepBytes), float64(n.StepBytes)))
	}
	if text := estimated(energy.Tier(n.StepEnergy.Tier)); known(n.StepEnergy) && text != "" {
		v.Notes = append(v.Notes, asClock(l.HWKind, text))
	}
	if p := pays(st); p != "" {
		v.Notes = append(v.Notes, p)
	}
	for _, s := range []string{l.Text, l.Note} {
		if s != "" {
			v.Notes = append(v.Notes, s)
		}
	}
	return v
}

// estimated is what is said wherever joules do not come from a meter; "" where they
// do.
func estimated(t energy.Tier) string {
	switch t {
	case energy.TierD:
		return "Energy here is an estimate: the machine's load, turned into power by a curve that was taken on this machine. It is no reading of a meter."
	case energy.TierE:
		return "Energy here is an estimate: busy power is taken as constant, so a saving in J equals the saving in CPU time. It is no claim about the machine's power."
	}
	return ""
}

// timeChange is the relative change, and whether it is larger than what the
// alternations scatter (core's rule for the same sentence).
func timeChange(d, dBand, n, nBand float64) string {
	c := change(d, n)
	if c == "" || !(n > 0) {
		return none
	}
	band := event.Scatter(d, dBand, n, nBand)
	if !(band > 0) {
		return c
	}
	if math.Abs(100*(n/d-1)) <= band {
		return fmt.Sprintf("no difference beyond ±%.0f %%", math.Ceil(band))
	}
	return fmt.Sprintf("%s (±%.0f)", c, math.Ceil(band))
}

func energyChange(d, n event.Joules) string {
	if !known(d) || !known(n) {
		return none
	}
	c := change(float64(*d.UJ), float64(*n.UJ))
	if c == "" {
		return none
	}
	switch energy.Tier(n.Tier) {
	case energy.TierD:
		return c + ", estimated"
	case energy.TierE:
		return c + ", as CPU time"
	}
	return c
}

// pays says after how many inferences the joules of sparsifying are back. It
// wants a saving that is larger than its scatter.
func pays(st *event.State) string {
	n, tier, ok := st.BreakEven()
	if st.NeverEven() {
		return fmt.Sprintf("Sparsifying took %s. That is not paid back: an inference saves no J beyond what the alternations scatter.", joules(st.Stages[event.Sparsify].Cost.Energy))
	}
	if !ok {
		return ""
	}
	unit := ""
	switch {
	case n >= 1e6:
		n, unit = n/1e6, " million"
	case n >= 1e3:
		n, unit = n/1e3, " thousand"
	}
	by := ""
	if !energy.Tier(tier).Measured() {
		by = ", by tier " + tier
	}
	cost := joules(st.Stages[event.Sparsify].Cost.Energy)
	if n >= 100 {
		return fmt.Sprintf("Sparsifying took %s. That is paid back after %.0f%s inferences%s.", cost, n, unit, by)
	}
	return fmt.Sprintf("Sparsifying took %s. That is paid back after %.2g%s inferences%s.", cost, n, unit, by)
}

// asClock says of a card's time that it is not CPU time.
func asClock(kind, text string) string {
	if kind == "gpu" {
		return strings.ReplaceAll(text, "CPU time", "time")
	}
	return text
}

// stepName names the time of a training step; a card's is not CPU time.
func stepName(kind string) string {
	if kind == "gpu" {
		return "time per training step"
	}
	return "CPU per training step"
}

// tiles are the headline figures of a measured ledger.
func tiles(st *event.State) []tile {
	l := st.Ledger
	if l == nil {
		return nil
	}
	d, n := l.Dense, l.Now
	out := []tile{
		{"accuracy, test set", percent(n.Acc), points(n.Acc - d.Acc), "dense " + percent(d.Acc)},
		{"zeros", percent(n.Zeros), "", "of the prunable weights"},
		{"packed file", size(n.FileBytes), change(float64(d.FileBytes), float64(n.FileBytes)), "dense " + size(d.FileBytes)},
		{stepName(l.HWKind), millis(n.StepCPUUS, 0), timeChange(d.StepCPUUS, d.StepBand, n.StepCPUUS, n.StepBand), "dense " + millis(d.StepCPUUS, 0)},
	}
	e := tile{"energy per training step", joules(n.StepEnergy), asClock(l.HWKind, energyChange(d.StepEnergy, n.StepEnergy)), "dense " + joules(d.StepEnergy)}
	if !known(n.StepEnergy) {
		e = tile{"energy per training step", none, "", "not measured"}
	}
	return append(out, e)
}
