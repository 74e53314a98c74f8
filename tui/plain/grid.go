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
	if c := g.Emitted(j); c != nil {
		rows = append(rows, Row{Name: "CO2e this run", Now: energy.FormatGrams(*c, energy.Tier(j.Tier))})
	}
	if c := g.Cost(j); c != nil {
		rows = append(rows, Row{Name: "cost this run", Now: energy.FormatMoney(*c, g.Currency, energy.Tier(j.Tier))})
	}
	return rows
}

// BreakEven says after how many inferences the joules of sparsifying are back, or that they
// do not come back; "" where that is unknown.
func BreakEven(st *event.State) string {
	n, tier, ok := st.BreakEven()
	if st.NeverEven() {
		return "does not pay for itself: an inference saves no J beyond what the alternations scatter"
	}
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
	for _, u := range []struct {
		from, unit float64
		name       string
	}{{1e9, 1e9, " billion"}, {1e6, 1e6, " million"}, {1e4, 1e3, " thousand"}} {
		if n >= u.from {
			return energy.TwoDigits(n/u.unit) + u.name
		}
	}
	return energy.TwoDigits(n)
}
