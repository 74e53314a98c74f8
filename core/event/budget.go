package event

import "fmt"

// Amount prints an amount in the budget's unit: "12.4 J".
func (b Budget) Amount(v float64) string { return fmt.Sprintf("%.4g %s", v, b.Unit) }

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
	return fmt.Sprintf("%s%s of %s, about %s at the end if all goes on like the last epoch", b.Amount(b.Spent), b.Mark(), b.Amount(b.Limit), b.Amount(b.Finish))
}
