package energy

import (
	"math"
	"strings"
	"testing"
)

func ptrTo(v float64) *float64 { return &v }

// TestGridTables: every row is whole and possible.
func TestGridTables(t *testing.T) {
	if c, r := len(Countries()), len(Regions()); c < 200 || r < 40 {
		t.Fatalf("%d countries, %d regions", c, r)
	}
	codes := map[string]bool{}
	for _, c := range Countries() {
		if i := c.Intensity; len(c.Code) != 3 || c.Name == "" || codes[c.Code] || !(i.Grams > 0 && i.Grams < 1500) || i.Year < 2005 || i.Year > 2026 {
			t.Errorf("%+v", c)
		}
		codes[c.Code] = true
	}
	for _, r := range Regions() {
		if !codes[r.Country] || r.Place == "" || !strings.HasPrefix(r.Intensity.Source, "https://") || !(r.Intensity.Grams > 0 && r.Intensity.Grams < 1500) {
			t.Errorf("%+v", r)
		}
	}
}

// TestGridResolve: a person's own figure before the region's before the country's;
// what nobody said stays unknown.
func TestGridResolve(t *testing.T) {
	for _, c := range []struct {
		g     Grid
		grams float64 // −1 unknown
		text  string
	}{
		{Grid{}, -1, "PUE 1: the machine alone"},
		{Grid{Country: "FRA"}, 56.039, "FRA 2023, 56.04 g/kWh, PUE 1: the machine alone"},
		{Grid{Country: "france", PUE: 1.2}, 56.039, "FRA 2023, 56.04 g/kWh, PUE 1.2"},
		{Grid{Country: "fr"}, 56.039, ""},
		{Grid{Region: "europe-west9"}, 34, "gcp/europe-west9 2023, 34 g/kWh, PUE 1: the machine alone"},
		{Grid{Region: "GCP/europe-west9", Country: "FRA"}, 34, ""},
		{Grid{Region: "gcp/europe-west9", GramsKWh: ptrTo(0)}, 0, "given, 0 g/kWh, PUE 1: the machine alone"},
		{Grid{PriceKWh: ptrTo(0.25), Currency: "EUR"}, -1, "0.25 EUR/kWh, PUE 1: the machine alone"},
	} {
		r, err := c.g.Resolve()
		if err != nil {
			t.Errorf("%+v: %v", c.g, err)
			continue
		}
		switch g := r.Grams(3.6e12); {
		case (g == nil) != (c.grams < 0), g != nil && math.Abs(*g-c.grams*r.PUE) > 1e-9:
			t.Errorf("%+v: %v grams a kWh", c.g, g)
		}
		if c.text != "" && r.Text() != c.text {
			t.Errorf("%+v: %q", c.g, r.Text())
		}
	}
	r, _ := Grid{Country: "FRA", PUE: 2, PriceKWh: ptrTo(0.5), Currency: "EUR"}.Resolve()
	if m := r.Money(3.6e12 / 4); m == nil || *m != 0.25 { // a quarter kWh of the machine is half a kWh of the facility
		t.Errorf("money %v", m)
	}
	for want, g := range map[string]Grid{
		"perhaps FRA France":            {Country: "Francce"},
		"perhaps gcp/europe-west":       {Region: "europe-west99"},
		"grid.pue":                      {PUE: 0.9},
		"grid.g_per_kwh":                {GramsKWh: ptrTo(math.NaN())},
		"grid.price_per_kwh":            {PriceKWh: ptrTo(-1), Currency: "EUR"},
		"of which grid.currency":        {PriceKWh: ptrTo(1)},
		"lies in FRA, grid.country say": {Region: "europe-west9", Country: "DEU"},
	} {
		if _, err := g.Resolve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if a := (Grid{PUE: 1.3}).At("gcp/europe-west9"); a.Region == "" || a.Country != "" || a.PUE != 1.3 {
		t.Errorf("%+v", a)
	}
	if a := (Grid{Region: "x"}).At("Norway"); a.Country != "Norway" || a.Region != "" {
		t.Errorf("%+v", a)
	}
}

func TestTwoDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0451: "0.045", 9.96: "10.0", 62.4: "62", 6240: "6200", 1.26: "1.3"} {
		if got := TwoDigits(v); got != want {
			t.Errorf("%g = %q, want %q", v, got, want)
		}
	}
}

// FuzzGrid: whatever a recipe says is an error of one line or figures that print.
func FuzzGrid(f *testing.F) {
	f.Add("FRA", "", "EUR", 56.0, 0.25, 1.2)
	f.Add("", "gcp/europe-west9", "", -1.0, -1.0, 0.0)
	f.Add("Frankreich\n", "aws/us-east-1", "€", math.Inf(1), math.NaN(), math.NaN())
	f.Fuzz(func(t *testing.T, country, region, currency string, grams, price, pue float64) {
		g := Grid{Country: country, Region: region, Currency: currency, PUE: pue}
		if grams >= 0 || math.IsNaN(grams) {
			g.GramsKWh = &grams
		}
		if price >= 0 || math.IsNaN(price) {
			g.PriceKWh = &price
		}
		r, err := g.At(region).Resolve()
		if err != nil {
			if s := err.Error(); strings.ContainsAny(s, "\n\r") || len(s) > 600 {
				t.Fatalf("%q", s)
			}
			return
		}
		out := r.Text()
		if g := r.Grams(3.6e12); g != nil {
			out += FormatGrams(*g, TierE)
		}
		if strings.Contains(out, "NaN") || strings.Contains(out, "Inf") || strings.ContainsAny(out, "\n\r") {
			t.Fatalf("%q of %+v", out, r)
		}
	})
}
