package event

import "testing"

// TestBudgetTold: an estimate has two digits and says that it is one.
func TestBudgetTold(t *testing.T) {
	for want, b := range map[string]Budget{
		"12.4 J B of 50.0 J, about 48.1 J B at the end if all epochs are like the last": {Unit: "J", Limit: 50, Spent: 12.41, Finish: 48.06, Tier: "B"},
		"12.4 J C ±8 % of 50.0 J": {Unit: "J", Limit: 50, Spent: 12.41, Tier: "C", Band: 8},
		"≈12 J E ±70 % of 50.0 J, about 48 J E ±70 % at the end if all epochs are like the last": {Unit: "J", Limit: 50, Spent: 12.41, Finish: 48.06, Tier: "E", Band: 70},
		"≈0.0000031 kWh D ±20 % of 0.00000400 kWh":                                               {Unit: "kWh", Limit: 4e-6, Spent: 3.14e-6, Tier: "D", Band: 20},
		"≈12000 J E ±70 % of 20000 J":                                                            {Unit: "J", Limit: 2e4, Spent: 12345, Tier: "E", Band: 70},
		"12.4 s of 50.0 s":                                                                       {Unit: "s", Limit: 50, Spent: 12.41},
	} {
		if got := b.Text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
