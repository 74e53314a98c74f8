package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// Actions of a spent budget. Whatever is set, the run says so at 80 %.
const (
	BudgetStop   = "stop"   // leave a checkpoint and end with exit code 4
	BudgetWarn   = "warn"   // say so and go on
	BudgetTarget = "target" // while sparsifying: take what is gone as the target and validate it; before: stop
)

// near is the share of a budget from which on the run warns.
const near = 0.8

// limit is one bound of the recipe's budget.
type limit struct {
	key  string // in the recipe
	max  float64
	unit string
	// of is what a bill comes to in the unit; nil unknown.
	of func(event.StageCost) *float64
}

// limits are the bounds that the recipe sets.
func (b BudgetSpec) limits(rates energy.Rates) []limit {
	joules := func(per float64) func(event.StageCost) *float64 {
		return func(c event.StageCost) *float64 {
			if c.Energy.UJ == nil {
				return nil
			}
			v := float64(*c.Energy.UJ) / per
			return &v
		}
	}
	by := func(f func(int64) *float64) func(event.StageCost) *float64 {
		return func(c event.StageCost) *float64 {
			if c.Energy.UJ == nil {
				return nil
			}
			return f(*c.Energy.UJ)
		}
	}
	var out []limit
	for _, l := range []limit{
		{"budget.joules", b.Joules, "J", joules(1e6)},
		{"budget.kwh", b.KWh, "kWh", joules(3.6e12)},
		{"budget.money", b.Money, rates.Currency, by(rates.Money)},
		{"budget.gco2e", b.GCO2e, "g CO2e", by(rates.Grams)},
		{"budget.seconds", b.Seconds, "s", func(c event.StageCost) *float64 { v := float64(c.WallUS) / 1e6; return &v }},
	} {
		if l.max > 0 {
			out = append(out, l)
		}
	}
	return out
}

// checkBudget refuses a budget that could never be seen to be spent.
func (r *run) checkBudget() error {
	b := r.r.Budget
	if b.Joules+b.KWh+b.Money+b.GCO2e > 0 && r.meter.Tier() == energy.TierNone {
		return &fixable{fmt.Errorf("the budget is of energy, but this machine can neither measure nor estimate joules"), "see `pare doctor`, give budget.seconds, or leave the budget out"}
	}
	return nil
}

// budget says at the end of every epoch what is spent and how much the whole
// run should come to, and does what the recipe says when the next epoch would
// exceed it. It acts before, not after: what is spent cannot be given back. ended
// reports that training ends here, with a checkpoint.
func (r *run) budget(epoch *event.EpochCost) (ended bool, err error) {
	limits := r.r.Budget.limits(r.rates)
	if len(limits) == 0 {
		return false, nil
	}
	spent := r.bill.sum()
	last := minus(spent, r.spentBefore)
	if r.spentBefore == nil || last.WallUS <= 0 { // the first epoch of the stage, or since the run went on
		last = event.StageCost{CPUUS: epoch.CPUUS, WallUS: epoch.WallUS, Energy: epoch.Energy}
	}
	r.spentBefore = &spent
	left := r.epochsLeft()
	var worst *event.Budget
	over := false // the worst is spent, or would be by the next epoch
	for _, l := range limits {
		s, e := l.of(spent), l.of(last)
		if s == nil {
			continue // told by the meter's own warnings: joules that are not known bound nothing
		}
		if e == nil { // an epoch too short for the counter: no forecast
			e = new(float64)
		}
		x := r.budgetEvent(l, spent, *s, *s+*e*float64(left))
		out := *s >= l.max || left > 0 && *s+*e > l.max
		if worst == nil || out && !over || out == over && x.Spent/x.Limit > worst.Spent/worst.Limit {
			worst, over = x, out
		}
	}
	if worst == nil {
		return false, nil
	}
	if err := r.emit(worst); err != nil {
		return false, err
	}
	if worst.Spent >= near*worst.Limit && !r.loop.Warned {
		r.loop.Warned = true
		text := fmt.Sprintf("%.0f %% of the budget is spent: %s", 100*worst.Spent/worst.Limit, worst.Text())
		if worst.Finish > worst.Limit {
			text += "; when it is spent: " + worst.Action
		}
		if err := r.refuse("%s", text); err != nil {
			return false, err
		}
	}
	if !over {
		return false, nil
	}
	return r.overBudget(worst)
}

// budgetEvent is what a bill comes to of a limit; wall time has no tier.
func (r *run) budgetEvent(l limit, bill event.StageCost, spent, finish float64) *event.Budget {
	x := &event.Budget{Stage: r.loop.Stage, Step: r.loop.Step, Key: l.key, Unit: l.unit, Limit: l.max, Spent: spent, Finish: finish, Action: r.r.Budget.action()}
	if l.unit != "s" {
		x.Tier, x.Band = bill.Energy.Tier, bill.Energy.Band
	}
	return x
}

// overBudget does what the recipe says.
func (r *run) overBudget(b *event.Budget) (ended bool, err error) {
	why := isSpent(b)
	if b.Spent < b.Limit {
		why = "the next epoch would exceed the budget of " + b.Amount(b.Limit) + ": " + b.Told(b.Spent) + " spent"
	}
	switch {
	case b.Action == BudgetWarn:
		if r.loop.Over {
			return false, nil
		}
		r.loop.Over = true
		return false, r.refuse("%s; it goes on, as budget.action says", why)
	case b.Action == BudgetTarget && r.loop.Stage == event.Sparsify:
		if r.epochsLeft() == 0 { // nothing of it can be spared any more
			return false, nil
		}
		if r.settles() { // the recipe knows at which step
			return false, nil
		}
		return true, r.settle(Command{Cmd: CmdSettle, Value: r.zeros(), Text: why}, "pare")
	}
	return true, r.stopSpent(why, b.Key, r.lastAcc)
}

// stopSpent leaves a checkpoint of that accuracy and ends the run. Who sets a larger budget
// goes on from it in a branch.
func (r *run) stopSpent(why, key string, acc float64) error {
	r.loop.Spent = fmt.Sprintf("%s; `pare branch %s --at %s --set %s=MORE` goes on from here", why, r.cfg.Session, r.stepName(), key)
	if err := r.checkpoint(r.stepName(), acc); err != nil { // a run that dies behind it ends when it is resumed
		return err
	}
	return r.spent()
}

// spent ends a run whose budget is.
func (r *run) spent() error {
	if err := r.emit(&event.Done{Exit: ExitBudget, Text: r.loop.Spent, Weights: r.model.WeightHash()}); err != nil {
		return err
	}
	return outcome{ExitBudget, r.loop.Spent}
}

// settle ends the training of a stage here and takes what there is: the weights as
// the baseline, the share of zeros reached as the target.
func (r *run) settle(c Command, by string) error {
	p, acc := r.r.Prune, -1.0
	if r.loop.Step%r.perEpoch() == 0 {
		acc = r.lastAcc
	}
	switch r.loop.Stage {
	case event.Baseline:
		switch {
		case r.loop.Step == 0:
			return r.refuse("nothing was trained yet: set the epochs to 0 to take the model as it is")
		case p.Schedule == "iterative" && p.RewindStep > r.loop.Step:
			return r.refuse("the recipe goes back to baseline step %d later: train at least until then", p.RewindStep)
		}
		if err := r.decide(c, by); err != nil {
			return err
		}
		r.loop.Ended = r.loop.Step
	case event.Sparsify:
		z := r.zeros()
		c.Value = z
		if err := r.decide(c, by); err != nil {
			return err
		}
		if c.Text != "" {
			if err := r.refuse("%s: the target is lowered to the %.1f %% zeros reached", c.Text, 100*z); err != nil {
				return err
			}
		}
		r.loop.Settled, r.loop.Step, r.loop.Broke = &z, r.sched.Steps(), c.Text != ""
	default:
		return r.refuse("only training can be ended early, not stage %s", r.loop.Stage)
	}
	return r.checkpoint(r.stepName(), acc)
}

// settles reports whether the recipe holds the step at which sparsifying ends.
func (r *run) settles() bool {
	for _, l := range [][]Decision{r.redo, r.pending} {
		for _, d := range l {
			if d.Cmd == CmdSettle {
				return true
			}
		}
	}
	return false
}

// epochsLeft is how many epochs of training are still to come.
func (r *run) epochsLeft() int64 {
	per := max(r.perEpoch(), 1)
	p := r.r.Prune
	sparse := r.sparseEpochs()
	if p.Schedule == "iterative" {
		sparse *= int64(p.Levels)
	}
	if r.sched != nil {
		sparse = (r.sched.Steps() + per - 1) / per
	}
	done := r.loop.Step / per
	if r.loop.Stage == event.Baseline {
		return max(0, int64(r.r.Train.Epochs)-done) + sparse
	}
	return max(0, sparse-done)
}

// sum is the bill of all stages. A stage too short for the counter has no joules;
// it does not hide those of the others.
func (b *bill) sum() (s event.StageCost) {
	for _, c := range b.cost {
		s = s.Plus(c)
	}
	return s
}

// minus is what was billed between b and a.
func minus(a event.StageCost, b *event.StageCost) event.StageCost {
	if b == nil {
		return a
	}
	a.CPUUS, a.WallUS = a.CPUUS-b.CPUUS, a.WallUS-b.WallUS
	if a.Energy.UJ == nil || b.Energy.UJ == nil {
		a.Energy.UJ = nil
		return a
	}
	d := max(0, *a.Energy.UJ-*b.Energy.UJ)
	a.Energy.UJ = &d
	return a
}

// gridOf is the grid as the log has it, nil where nobody said anything.
func gridOf(g energy.Grid, r energy.Rates) *event.Grid {
	if !g.Known() {
		return nil
	}
	e := &event.Grid{Country: r.Country, Name: r.CountryName, Provider: r.Provider, Region: r.Region, Price: r.PriceKWh, Currency: r.Currency, PUE: r.PUE, Text: r.Text()}
	if i := r.Intensity; i != nil {
		e.Grams, e.Year, e.Source = &i.Grams, i.Year, i.Source
	}
	return e
}

// words are the limits for the recipe's line: ", budget 5 kJ".
func (b BudgetSpec) words(rates energy.Rates) (s string) {
	for _, l := range b.limits(rates) {
		s += ", budget " + event.Budget{Unit: l.unit}.Amount(l.max)
	}
	if s != "" {
		s += " (" + b.action() + ")"
	}
	return s
}

// likeEnergy reports whether three capital letters are a unit of energy, power or carbon
// rather than a currency: GWH, MWS, TOE. No currency of ISO 4217 ends in WH, WS or WT, or
// is one of the others.
func likeEnergy(unit string) bool {
	switch unit {
	case "KWP", "KVA", "MVA", "GVA", "VAH", "MAH", "CAL", "BTU", "TOE", "TCE", "ERG", "KGC":
		return true
	}
	return strings.HasSuffix(unit, "WH") || strings.HasSuffix(unit, "WS") || strings.HasSuffix(unit, "WT")
}

// ParseBudget reads a limit with its unit: "5000" and "5 kJ" are joules, "0.2 kWh",
// "30m" and "2h" wall time, "20 g" grams of CO2e, "1.5 EUR" money.
// The currency is returned beside it.
func ParseBudget(s string) (b BudgetSpec, currency string, err error) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.+-", r) })
	if end < 0 {
		end = len(s)
	}
	v, err := strconv.ParseFloat(s[:end], 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return b, "", fmt.Errorf("%.40q: give an amount above 0 with its unit, like 5kJ, 0.2kWh, 30m, 20g (CO2e) or 1.5EUR", s)
	}
	switch unit := strings.TrimSpace(s[end:]); unit {
	case "", "J":
		b.Joules = v
	case "kJ":
		b.Joules = v * 1e3
	case "MJ":
		b.Joules = v * 1e6
	case "Wh":
		b.KWh = v / 1e3
	case "kWh":
		b.KWh = v
	case "MWh":
		b.KWh = v * 1e3
	case "g", "gCO2e":
		b.GCO2e = v
	case "kg", "kgCO2e":
		b.GCO2e = v * 1e3
	default:
		for _, known := range []string{"J", "kJ", "MJ", "Wh", "kWh", "MWh", "g", "kg", "gCO2e", "kgCO2e", "s", "m", "min", "h"} {
			if unit != known && strings.EqualFold(unit, known) {
				return b, "", fmt.Errorf("%.40q: unknown unit %.20q, perhaps %s", s, unit, known)
			}
		}
		if d, err := time.ParseDuration(strings.ReplaceAll(s, " ", "")); err == nil {
			b.Seconds = d.Seconds()
			break
		}
		if len(unit) != 3 || strings.ToUpper(unit) != unit || likeEnergy(unit) {
			return b, "", fmt.Errorf("%.40q: unknown unit %.20q; give J, kJ, MJ, Wh, kWh, MWh, g or kg (CO2e), a time like 30m, or a currency like EUR", s, unit)
		}
		b.Money, currency = v, unit
	}
	return b, currency, nil
}
