package event

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestNum: no exponent from a thousandth to what no run reaches, and the digits asked for.
func TestNum(t *testing.T) {
	for _, c := range []struct {
		x    float64
		n    int
		want string
	}{
		{0, 3, "0"}, {0.0361, 3, "0.0361"}, {1, 3, "1"}, {999.4, 3, "999"}, {999.6, 3, "1,000"}, {2170, 3, "2,170"}, {1_234_567, 3, "1,230,000"}, {-2170, 3, "-2,170"}, {-217_000, 3, "-217,000"},
		{50_257, 4, "50,260"}, {1234.56, 5, "1,234.6"}, {1.5, 2, "1.5"}, {math.Inf(1), 3, "+Inf"}, {math.NaN(), 3, "NaN"},
	} {
		if got := Num(c.x, c.n); got != c.want {
			t.Errorf("%g with %d digits: %s, want %s", c.x, c.n, got, c.want)
		}
	}
	for x := 1e-3; x < 1e14; x *= 1.37 {
		for n := 2; n < 6; n++ {
			s := Num(x, n)
			if v, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64); err != nil || math.Abs(v-x) > 0.5001*math.Pow10(1-n)*x || strings.Contains(s, "e") {
				t.Errorf("%g with %d digits: %s", x, n, s)
			}
		}
	}
}
