package work

import (
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestBudgetByKeys: a budget is set in the form, in the unit of the recipe, with what happens
// once it is spent.
func TestBudgetByKeys(t *testing.T) {
	s := newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor")
	d, f := watching(t, 80, 24, s)
	for d.conf.fields[d.conf.at].key != "budget" {
		key(d, "down")
	}
	sees(t, d, "budget, J", "none")
	key(d, "right") // twice of what is spent, in one digit
	first := d.conf.get("budget").num
	spent := d.run.st.Spent()
	if j := float64(*spent.Energy.UJ) / 1e6; first < 2*j || first > 4*j {
		t.Errorf("begins with %g J where %g J are spent", first, j)
	}
	key(d, "right")
	if n := d.conf.get("budget").num; n != 2*first {
		t.Errorf("%g J after %g J", n, first)
	}
	key(d, "left", "left") // under what is spent there is none
	sees(t, d, "none")
	key(d, "4", "5", "0", "0", "enter", "down", "right")
	sees(t, d, "4500", "once spent", "← take what is gone →")
	key(d, "enter")
	r, err := core.ParseRecipe([]byte(f.sent[len(f.sent)-1].Text))
	if err != nil || r.Budget != (core.BudgetSpec{Joules: 4500, Action: core.BudgetTarget}) {
		t.Fatalf("sent %+v, %v", f.sent, err)
	}
}

// TestBudgetFields: the fields say what the recipe says, and leave it alone where nobody
// changes them.
func TestBudgetFields(t *testing.T) {
	some := event.State{}
	some.Started.Tier = "B"
	for _, c := range []struct {
		have        core.BudgetSpec
		label, says string
	}{
		{core.BudgetSpec{}, "budget, J", "none"},
		{core.BudgetSpec{Joules: 12.3456789}, "budget, J", "12.3457"},
		{core.BudgetSpec{KWh: 0.2, Action: core.BudgetWarn}, "budget, kWh", "0.2"},
		{core.BudgetSpec{Money: 1.5, Action: core.BudgetTarget}, "budget, EUR", "1.5"},
		{core.BudgetSpec{GCO2e: 20}, "budget, g CO2e", "20"},
		{core.BudgetSpec{Seconds: 1800, Action: core.BudgetStop}, "budget, s", "1800"},
		{core.BudgetSpec{Seconds: 1800, Joules: 3, Action: core.BudgetWarn}, "budget", "as in the recipe"},
	} {
		r := &core.Recipe{Budget: c.have}
		r.Grid.Currency = "EUR"
		f := form{fields: budgetFields(r, &some)}
		if x := f.get("budget"); x.label != c.label || x.value() != c.says {
			t.Errorf("%+v: %q %q, want %q %q", c.have, x.label, x.value(), c.label, c.says)
		}
		if f.setBudget(r); r.Budget != c.have {
			t.Errorf("%+v became %+v untouched", c.have, r.Budget)
		}
		x := f.get("budget")
		if x.kind == choice {
			x.turn(1)
		} else if err := x.set("0"); err != nil {
			t.Error(err)
		}
		if f.setBudget(r); r.Budget.Joules+r.Budget.KWh+r.Budget.Money+r.Budget.GCO2e+r.Budget.Seconds != 0 {
			t.Errorf("%+v became %+v with none", c.have, r.Budget)
		}
	}
	// Where no joules can be known the budget is of time.
	if l := budgetFields(&core.Recipe{}, new(event.State))[0].label; l != "budget, s" {
		t.Errorf("without joules: %q", l)
	}
}

// TestCommaOfThousands: numbers of a thousand and more stand on the screen with a comma, and who types
// one is asked which number is meant, not given a thousandth of the budget.
func TestCommaOfThousands(t *testing.T) {
	f := budgetFields(&core.Recipe{}, new(event.State))[0]
	for typed, want := range map[string]float64{"4500": 4500, "4,5": 4.5, "0,125": 0.125, "12,25": 12.25, "1234,567": 1234.567} {
		if err := f.set(typed); err != nil || f.num != want {
			t.Errorf("%s: %g, %v", typed, f.num, err)
		}
	}
	f.num = 7
	for _, typed := range []string{"4,500", " 12,125 ", "1,234,567"} {
		if err := f.set(typed); err == nil || f.num != 7 {
			t.Errorf("%s: %g, %v", typed, f.num, err)
		}
	}
	if err := f.set("4,500"); err == nil || err.Error() != `"4,500": give 4500 or 4.500` {
		t.Error(err)
	}
}
