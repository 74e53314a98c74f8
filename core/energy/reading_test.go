package energy

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFormat(t *testing.T) {
	uj := func(v float64) *int64 { i := int64(v); return &i }
	for _, c := range []struct {
		r    Reading
		want string
	}{
		{Reading{UJ: uj(12.4e9), Tier: TierB, Coverage: 1}, "12.4 kJ B"},
		{Reading{UJ: uj(12.4e9), Tier: TierE, Band: 40, Coverage: 1}, "≈12 kJ E ±40 %"},
		{Reading{UJ: uj(12.4e9), Tier: TierD, Band: 12, Coverage: 1}, "≈12 kJ D ±12 %"},
		{Reading{}, "–"},
		{Reading{UJ: uj(5)}, "–"}, // joules without a tier are not shown
		{Reading{UJ: uj(5), Tier: "X"}, "–"},
		{Reading{UJ: uj(0), Tier: TierE, Band: 40, Coverage: 1}, "≈0 J E ±40 %"},
		{Reading{UJ: uj(21e3), Tier: TierB, Band: 12.4, Coverage: 1}, "21.0 mJ B ±12 %"},
		{Reading{UJ: uj(3e6), Tier: TierB, Band: 0.3, Coverage: 0.579}, "3.00 J B (57 % covered)"},
		{Reading{UJ: uj(999.6e6), Tier: TierB, Coverage: 1}, "1.00 kJ B"},
		{Reading{UJ: uj(1234e6), Tier: TierA, Coverage: 1}, "1.23 kJ A"},
		{Reading{UJ: uj(124e6), Tier: TierE, Band: 70, Coverage: 1}, "≈120 J E ±70 %"},
		{Reading{UJ: uj(7), Tier: TierB, Coverage: 1}, "7 µJ B"},
		{Reading{UJ: uj(5.4321e18), Tier: TierB, Coverage: 1}, "5430 GJ B"},
	} {
		if got := Format(c.r); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := FormatJoules(-1500, 2); got != "-1.5 mJ" {
		t.Errorf("%q", got)
	}
}

// What is printed is the value within half a unit of its last digit.
func TestFormatJoulesProperty(t *testing.T) {
	units := map[string]float64{"µJ": 1, "mJ": 1e3, "J": 1e6, "kJ": 1e9, "MJ": 1e12, "GJ": 1e15}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64Range(1, 900e15).Draw(t, "uj")
		digits := rapid.IntRange(2, 5).Draw(t, "digits")
		s := FormatJoules(v, digits)
		num, unit, ok := strings.Cut(s, " ")
		x, err := strconv.ParseFloat(num, 64)
		if !ok || err != nil || units[unit] == 0 {
			t.Fatalf("%d: %q", v, s)
		}
		if (x < 1 || x >= 1000) && unit != "µJ" {
			t.Fatalf("%d: %q has the wrong unit", v, s)
		}
		if rel := math.Abs(x*units[unit]-float64(v)) / float64(v); rel > 0.5001*math.Pow(10, float64(1-digits)) {
			t.Fatalf("%d printed as %q with %d digits", v, s, digits)
		}
	})
}

func TestTiers(t *testing.T) {
	measured := map[Tier]bool{TierA: true, TierB: true, TierC: true, TierD: false, TierE: false, TierNone: false, "b": false, "F": false}
	for tier, want := range measured {
		if tier.Measured() != want || tier.Meaning() == "" {
			t.Errorf("tier %q: measured %v, %q", tier, tier.Measured(), tier.Meaning())
		}
	}
	for _, c := range []struct{ a, b, want Tier }{{TierB, TierE, TierE}, {TierE, TierB, TierE}, {TierNone, TierB, TierB}, {TierB, TierNone, TierB}, {TierA, TierA, TierA}} {
		if got := c.a.Worse(c.b); got != c.want {
			t.Errorf("worse of %q and %q: %q", c.a, c.b, got)
		}
	}
}
