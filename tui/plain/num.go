package plain

import (
	"fmt"
	"math"
)

// Num prints x with three significant digits, and large ones without an exponent: 0.361,
// 12.4, 1,730.
func Num(x float64) string {
	if !(x >= 999.5 && x < 1e15) {
		return fmt.Sprintf("%.3g", x)
	}
	unit := math.Pow10(int(math.Log10(x)) - 2)
	return Count(int64(math.Round(x/unit) * unit))
}
