package event

import (
	"math"
	"strconv"
	"strings"
)

// Num prints x with n significant digits, those of large numbers in groups of three and
// without an exponent: 0.0361, 12.4, 1,730.
func Num(x float64, n int) string {
	s := strconv.FormatFloat(x, 'g', n, 64)
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(v) < 1 || math.IsInf(v, 0) || v != v {
		return s
	}
	s = strconv.FormatFloat(v, 'f', -1, 64)
	whole, least := len(s), len("-")
	if i := strings.IndexByte(s, '.'); i >= 0 {
		whole = i
	}
	if v > 0 {
		least = 0
	}
	for i := whole - 3; i > least; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
