package plain

import (
	"fmt"

	"pare/core/energy"
	"pare/core/event"
)

// Grid is what an amount of energy emits and costs, nothing where nobody said where
// the electricity comes from. A gram is known as well as its joules, so it carries
// their tier.
func Grid(g *event.Grid, j event.Joules) []Row {
	var rows []Row
	how := func(v string) string {
		if !energy.Tier(j.Tier).Measured() {
			v = "≈" + v
		}
		return v + " " + j.Tier
	}
	if c := g.Emitted(j); c != nil {
		rows = append(rows, Row{Name: "CO2e this run", Now: how(grams(*c))})
	}
	if c := g.Cost(j); c != nil {
		rows = append(rows, Row{Name: "cost this run", Now: how(fmt.Sprintf("%.2g %s", *c, g.Currency))})
	}
	return rows
}

// grams prints a mass with two digits.
func grams(g float64) string {
	switch {
	case g >= 1000:
		return fmt.Sprintf("%.2g kg", g/1000)
	case g >= 1 || g == 0:
		return fmt.Sprintf("%.2g g", g)
	case g >= 1e-3:
		return fmt.Sprintf("%.2g mg", g*1e3)
	}
	return fmt.Sprintf("%.2g µg", g*1e6)
}

// Spent is the bill of the whole run so far. Stages without joules count as not
// covered.
func Spent(st *event.State) (sum event.StageCost) {
	for s := event.Baseline; s <= event.Deploy; s++ {
		c := st.Stages[s].Cost
		if m := st.Metric; m.Stage == s && m.CPUUS > c.CPUUS { // the stage goes on
			c = event.StageCost{CPUUS: m.CPUUS, WallUS: m.WallUS, Energy: m.Energy}
		}
		sum = sum.Plus(c)
	}
	return sum
}

// BreakEven says after how many inferences the joules of sparsifying are back, ""
// where that is unknown or never.
func BreakEven(st *event.State) string {
	n, tier, ok := st.BreakEven()
	if !ok {
		return ""
	}
	s := fmt.Sprintf("pays for itself after %s inferences", about(n))
	if !energy.Tier(tier).Measured() {
		s += " (tier " + tier + ")"
	}
	return s
}

// about is a number with two digits.
func about(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2g billion", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2g million", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0f thousand", n/1e3)
	}
	return fmt.Sprintf("%.2g", n)
}
