package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Budget is what the run has spent of a limit of its recipe, at the end of an epoch.
// Of several limits it is the one that is spent furthest.
type Budget struct {
	Stage  Stage   `json:"stage"`
	Step   int64   `json:"step"`
	Key    string  `json:"key"` // in the recipe: budget.joules
	Unit   string  `json:"unit"`
	Limit  float64 `json:"limit"`
	Spent  float64 `json:"spent"`
	Finish float64 `json:"finish"` // expected when all epochs are done, each like the last one
	Action string  `json:"action"` // warn | stop | target
	Tier   string  `json:"tier,omitempty"`
	Band   float64 `json:"band,omitempty"` // ± %
}

// Amount prints an amount in the budget's unit: "12.4 J".
func (b Budget) Amount(v float64) string { return b.amount(v, 3) }

// amount prints so many digits; of 3, all before the point.
func (b Budget) amount(v float64, digits int) string {
	after := 0
	if v > 0 {
		after = digits - 1 - int(math.Floor(math.Log10(v)))
		if after < 0 && digits < 3 {
			unit := math.Pow(10, float64(-after))
			v = math.Round(v/unit) * unit
		}
		after = max(0, after)
	}
	return strconv.FormatFloat(v, 'f', min(after, 12), 64) + " " + b.Unit
}

// Told prints an amount with how it is known: "12.4 J B", "≈12 J E ±70 %", "12.4 s".
func (b Budget) Told(v float64) string {
	if b.Tier == "D" || b.Tier == "E" {
		return "≈" + b.amount(v, 2) + b.mark()
	}
	return b.Amount(v) + b.mark()
}

// mark is how the joules behind the amount are known: " E ±70 %". Wall time has
// none.
func (b Budget) mark() string {
	switch {
	case b.Tier == "":
		return ""
	case b.Band >= 5:
		return fmt.Sprintf(" %s ±%.0f %%", b.Tier, b.Band)
	}
	return " " + b.Tier
}

// Text is one line: "≈6.2 J E ±70 % of 50.0 J, about 48 J E ±70 % at the end if …".
func (b Budget) Text() string {
	if b.Finish <= b.Spent {
		return fmt.Sprintf("%s of %s", b.Told(b.Spent), b.Amount(b.Limit))
	}
	return fmt.Sprintf("%s of %s, about %s at the end if all epochs are like the last", b.Told(b.Spent), b.Amount(b.Limit), strings.TrimPrefix(b.Told(b.Finish), "≈"))
}
