package report

import (
	"fmt"

	"pare/core/energy"
	"pare/core/event"
)

// spent says in sentences what the bills of all stages come to: CO2e and money where
// somebody said what electricity it was, and the budget where there is one.
func spent(st *event.State) (out []string) {
	j, known := billed(st)
	tier := energy.Tier(j.Tier)
	if g := st.Started.Grid; g != nil && known {
		what := ""
		if c := g.Emitted(j); c != nil {
			what = energy.FormatGrams(*c, tier) + " of CO2e"
		}
		if c := g.Cost(j); c != nil {
			if what != "" {
				what += " and "
			}
			what += energy.FormatMoney(*c, g.Currency, tier)
		}
		if what != "" {
			s := "This run comes to " + what + " (" + g.Text
			if g.Source != "" {
				s += "; " + g.Source
			}
			out = append(out, short(s)+").")
		}
	}
	if b := st.Budget; b != nil {
		out = append(out, short(fmt.Sprintf("Of the budget of %s, %s%s were spent when the last epoch ended.", b.Amount(b.Limit), b.Amount(b.Spent), b.Mark())))
	}
	return out
}

// billed is the energy of all stages, with the worst tier; known when any has some.
func billed(st *event.State) (j event.Joules, known bool) {
	sum := int64(0)
	for s := event.Baseline; s <= event.Deploy; s++ {
		e := st.Stages[s].Cost.Energy
		if m := st.Metric; m.Stage == s && m.CPUUS > st.Stages[s].Cost.CPUUS {
			e = m.Energy
		}
		if e.UJ != nil {
			sum, known = sum+*e.UJ, true
			j.Tier = string(energy.Tier(j.Tier).Worse(energy.Tier(e.Tier)))
		}
	}
	j.UJ = &sum
	return j, known
}
