package plain

import "pare/core/event"

// Num prints x with three significant digits, and large ones without an exponent: 0.361,
// 12.4, 1,730.
func Num(x float64) string { return event.Num(x, 3) }
