package tensor

import (
	"math"
	"testing"
)

// Half against the definition in IEEE 754, over all 65,536 inputs.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := float64(1-2*(h>>15)), h>>10&31, h&0x3ff
		want := sign * math.Ldexp(float64(frac)/1024+1, exp-15)
		switch {
		case exp == 0:
			want = sign * math.Ldexp(float64(frac)/1024, -14)
		case exp == 31 && frac == 0:
			want = sign * math.Inf(1)
		case exp == 31:
			want = math.NaN()
		}
		got := float64(Half(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (sign < 0) {
			t.Fatalf("%04x: got %g, want %g", h, got, want)
		}
	}
}
