package plain

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestNum: three digits and no exponent from a thousandth to what no run reaches.
func TestNum(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.0361: "0.0361", 1: "1", 12.35: "12.3", 999.4: "999", 999.6: "1,000", 1000: "1,000", 1734: "1,730", 9996: "10,000", 52_345: "52,300", 1_234_567: "1,230,000", math.Inf(1): "+Inf"} {
		if got := Num(x); got != want {
			t.Errorf("%g: %s, want %s", x, got, want)
		}
	}
	for x := 1e-3; x < 1e14; x *= 1.37 {
		s := Num(x)
		if v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64); err != nil || math.Abs(v-x) > 0.00501*x || strings.Contains(s, "e") {
			t.Errorf("%g: %s", x, s)
		}
	}
}
