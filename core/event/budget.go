package event

import (
	"fmt"
	"math"
	"strconv"
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
func (b Budget) Amount(v float64) string {
	digits := 0
	if v > 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(v))))
	}
	return strconv.FormatFloat(v, 'f', min(digits, 12), 64) + " " + b.Unit
}

// Mark is how the joules behind the amount are known: " E ±70 %". Wall time has
// none.
func (b Budget) Mark() string {
	switch {
	case b.Tier == "":
		return ""
	case b.Band >= 5:
		return fmt.Sprintf(" %s ±%.0f %%", b.Tier, b.Band)
	}
	return " " + b.Tier
}

// Text is one line: "6.2 J E of 50 J, about 48 J at the end".
func (b Budget) Text() string {
	if b.Finish <= b.Spent {
		return fmt.Sprintf("%s%s of %s", b.Amount(b.Spent), b.Mark(), b.Amount(b.Limit))
	}
	return fmt.Sprintf("%s%s of %s, about %s%s at the end if all epochs are like the last", b.Amount(b.Spent), b.Mark(), b.Amount(b.Limit), b.Amount(b.Finish), b.Mark())
}
