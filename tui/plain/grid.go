package plain

import (
	"fmt"
	"math"
	"strconv"

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
		rows = append(rows, Row{Name: "cost this run", Now: how(two(*c)+" "+g.Currency)})
	}
	return rows
}

// grams prints a mass with two digits.
func grams(g float64) string {
	for _, u := range []struct {
		from float64
		name string
	}{{1e3, "kg"}, {1, "g"}, {1e-3, "mg"}} {
		if g >= u.from {
			return two(g/u.from) + " " + u.name
		}
	}
	return two(g*1e6) + " µg"
}

// two prints two digits, never with an exponent.
func two(v float64) string {
	if v <= 0 {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', max(0, -int(math.Round(math.Log10(unit)))), 64)
}

// Spent is the bill of the whole run so far.
func Spent(st *event.State) (cpuUS int64, j event.Joules) {
	sum, known := int64(0), false
	for s := event.Baseline; s <= event.Deploy; s++ {
		c := st.Stages[s].Cost
		if m := st.Metric; m.Stage == s && m.CPUUS > c.CPUUS { // the stage goes on
			c.CPUUS, c.Energy = m.CPUUS, m.Energy
		}
		cpuUS += c.CPUUS
		if c.Energy.UJ != nil {
			sum, known = sum+*c.Energy.UJ, true
			if j.Tier < c.Energy.Tier { // E after A: the worse stands
				j = c.Energy
			}
		}
	}
	j.UJ = nil
	if known {
		j.UJ = &sum
	}
	return cpuUS, j
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
		return two(n/1e9) + " billion"
	case n >= 1e6:
		return two(n/1e6) + " million"
	case n >= 1e4:
		return two(n/1e3) + " thousand"
	}
	return two(n)
}
