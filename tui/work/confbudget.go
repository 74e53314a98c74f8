package work

import (
	"math"

	"pare/core"
	"pare/core/event"
)

// The form's budget: one limit, in the unit that the recipe has it in, else in J, or in
// seconds where no joules can be known; and what happens once it is spent. A recipe of
// several limits keeps them, or has none.

var (
	spentActions = []string{core.BudgetStop, core.BudgetTarget, core.BudgetWarn}
	spentWords   = []string{"stop the run", "take what is gone", "say so, go on"}
)

// budgetLimit is a key of the recipe's budget.
type budgetLimit struct {
	unit string
	at   func(*core.BudgetSpec) *float64
}

func budgetLimits(r *core.Recipe) []budgetLimit {
	return []budgetLimit{
		{"J", func(b *core.BudgetSpec) *float64 { return &b.Joules }},
		{"s", func(b *core.BudgetSpec) *float64 { return &b.Seconds }},
		{"kWh", func(b *core.BudgetSpec) *float64 { return &b.KWh }},
		{r.Grid.Currency, func(b *core.BudgetSpec) *float64 { return &b.Money }},
		{"g CO2e", func(b *core.BudgetSpec) *float64 { return &b.GCO2e }},
	}
}

// budgetLimitOf is the limit that the form shows of r; ok is false where r has several.
func budgetLimitOf(r *core.Recipe, tier string) (one budgetLimit, ok bool) {
	all := budgetLimits(r)
	if one = all[0]; tier == "" {
		one = all[1]
	}
	n := 0
	for _, l := range all {
		if *l.at(&r.Budget) > 0 {
			one, n = l, n+1
		}
	}
	return one, n < 2
}

// budgetFields are the limit and what happens once it is spent.
func budgetFields(r *core.Recipe, st *event.State) []field {
	action := r.Budget.Action
	if action == "" {
		action = core.BudgetStop
	}
	then := pick("spent", "once spent", action, spentActions, spentWords)
	l, ok := budgetLimitOf(r, st.Started.Tier)
	if !ok {
		return []field{pick("budget", "budget", asRecipe, []string{asRecipe, "none"}, []string{"as in the recipe", "none"}), then}
	}
	f := field{key: "budget", label: "budget, " + l.unit, kind: number, num: *l.at(&r.Budget), hi: 1e15, zero: "none"}
	bill := st.Spent()
	switch {
	case l.unit == "s":
		f.first = twice(float64(bill.WallUS) / 1e6)
	case l.unit == "J" && bill.Energy.UJ != nil:
		f.first = twice(float64(*bill.Energy.UJ) / 1e6)
	case f.num > 0:
		f.first = f.num / 8
	default:
		f.first = 1000
	}
	return []field{f, then}
}

// twice is at least 2x, in one digit.
func twice(x float64) float64 {
	if x <= 0 {
		return 1
	}
	digit := math.Pow(10, math.Floor(math.Log10(2*x)))
	return math.Ceil(2*x/digit) * digit
}

// setBudget takes the fields into r.
func (f *form) setBudget(r *core.Recipe) {
	x, then := f.get("budget"), f.get("spent")
	if then.touched {
		r.Budget.Action = then.chosen()
	}
	switch {
	case !x.touched:
	case x.kind == choice:
		if x.chosen() == "none" {
			r.Budget = core.BudgetSpec{Action: r.Budget.Action}
		}
	default:
		for _, l := range budgetLimits(r) {
			if x.label == "budget, "+l.unit {
				*l.at(&r.Budget) = x.num
			}
		}
	}
}
