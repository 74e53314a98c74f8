package report

import (
	"fmt"

	"pare/core/energy"
	"pare/core/event"
)

// spent says in sentences what the bills of all stages come to: CO2e and money where
// somebody said what electricity it was, and the budget where there is one.
func spent(st *event.State) (out []string) {
	j := st.Spent().Energy
	tier := energy.Tier(j.Tier)
	if g := st.Started.Grid; g != nil {
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
		out = append(out, short(fmt.Sprintf("Of the budget of %s, %s were spent.", b.Amount(b.Limit), b.Told(b.Spent))))
	}
	return out
}
