package cli

import (
	"strings"
	"testing"
)

// A budget in money needs no recipe: the price of a kWh and the facility's share are flags of
// run as they are of the verbs that bill.
func TestBudgetInMoneyByFlags(t *testing.T) {
	run := []string{"run", "--model", "lenet-300-100", "--epochs", "1", "--sessions", t.TempDir(), "--budget", "0.0000000001EUR", "--plain"}
	for want, flags := range map[string][]string{
		"needs the price of a kWh in EUR: --price 0.21EUR, say": nil,
		"needs the price of a kWh in EUR":                       {"--price", "0.21USD"},
		`--price "cheap": give`:                                 {"--price", "cheap"},
		"--pue 0.3: give facility energy over IT energy":        {"--price", "0.21EUR", "--pue", "0.3"},
		`grid.country = "Narnia"`:                               {"--grid", "Narnia"},
	} {
		if code, _, errs := call(t, append(run, flags...)...); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d: %s", flags, code, errs)
		}
	}
	code, out, errs := call(t, append(run, "--price", "0.21EUR", "--pue", "1.3")...)
	if code != 4 || !strings.Contains(out+errs, "EUR") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}
