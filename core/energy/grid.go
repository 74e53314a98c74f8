package energy

import (
	"embed"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

//go:embed griddata
var gridData embed.FS

// Grid is where the electricity comes from, as a person says it. What is left out is
// unknown: there is no average of the world that stands in for it.
type Grid struct {
	Country  string   `toml:"country,omitempty"`       // ISO 3166 code or name
	Region   string   `toml:"region,omitempty"`        // cloud region: "gcp/europe-west9", or without the provider
	GramsKWh *float64 `toml:"g_per_kwh,omitempty"`     // gCO2e per kWh, instead of the table's figure
	PriceKWh *float64 `toml:"price_per_kwh,omitempty"` // in Currency; there is no table of prices
	Currency string   `toml:"currency,omitempty"`      // "EUR"
	PUE      float64  `toml:"pue,omitempty"`           // energy of the facility over that of its machines; 0 is 1
}

// Intensity is what a kWh emits.
type Intensity struct {
	Grams  float64 // gCO2e per kWh
	Year   int     // of the figure; 0 unknown
	Source string
}

// Rates are what a grid's electricity emits and costs.
type Rates struct {
	Intensity   *Intensity // nil: unknown
	PriceKWh    *float64   // nil: unknown
	Currency    string
	PUE         float64 // at least 1
	Country     string  // ISO code; empty unknown
	CountryName string
	Provider    string // of the cloud, empty for none
	Region      string
	Place       string // of the region
}

// Country and Region are rows of the tables.
type (
	Country struct {
		Code, Code2, Name string // ISO 3166, three and two letters
		Intensity         Intensity
	}
	Region struct {
		Provider, Name, Place, Country string
		Intensity                      Intensity
	}
)

// Countries and Regions are the tables of carbon intensity that pare carries, see
// griddata/README.md; it says why the two are not to be compared.
func Countries() []Country { return gridTables().countries }
func Regions() []Region    { return gridTables().regions }

type tables struct {
	countries []Country
	regions   []Region
}

var gridTables = sync.OnceValue(func() (t tables) {
	for _, r := range gridRows("countries.csv") {
		if r[3] != "" { // empty: unknown
			t.countries = append(t.countries, Country{r[0], r[1], r[2], Intensity{gridNumber(r[3]), int(gridNumber(r[4])), "Our World in Data"}})
		}
	}
	for _, r := range gridRows("regions.csv") {
		t.regions = append(t.regions, Region{r[0], r[1], r[2], r[3], Intensity{gridNumber(r[4]), int(gridNumber(r[5])), r[6]}})
	}
	return t
})

// gridRows and gridNumber read what is embedded; a test reads all of it.
func gridRows(name string) [][]string {
	b, err := gridData.ReadFile("griddata/" + name)
	if err != nil {
		panic(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	if err != nil {
		panic(err)
	}
	return rows[1:]
}

func gridNumber(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// Known reports whether the grid says anything.
func (g Grid) Known() bool { return g != Grid{} }

// At is the grid at another place, a country or a cloud region, or of another
// intensity in g per kWh; price and PUE stay.
func (g Grid) At(place string) Grid {
	g.Country, g.Region, g.GramsKWh = place, "", nil
	if v, err := strconv.ParseFloat(place, 64); err == nil {
		g.Country, g.GramsKWh = "", &v
		return g
	}
	if _, err := findCountry(place); err != nil {
		if _, err := findRegion(place); err == nil || strings.Contains(place, "/") {
			g.Country, g.Region = "", place
		}
	}
	return g
}

// Resolve looks the grid up: a figure of the person's own comes before the region's,
// that before the country's. Its errors name the key in a recipe.
func (g Grid) Resolve() (Rates, error) {
	r := Rates{PUE: 1, PriceKWh: g.PriceKWh, Currency: g.Currency}
	switch {
	case g.PUE != 0 && !(g.PUE >= 1 && g.PUE <= 10):
		return r, fmt.Errorf("grid.pue = %g: give the facility's energy over its machines', 1 to 10", g.PUE)
	case g.GramsKWh != nil && !(*g.GramsKWh >= 0 && *g.GramsKWh <= 1e4):
		return r, fmt.Errorf("grid.g_per_kwh = %g: give gCO2e per kWh, 0 to 10000", *g.GramsKWh)
	case g.PriceKWh != nil && !(*g.PriceKWh >= 0 && *g.PriceKWh <= 1e6):
		return r, fmt.Errorf("grid.price_per_kwh = %g: give a price from 0 to a million", *g.PriceKWh)
	case g.PriceKWh != nil && g.Currency == "":
		return r, fmt.Errorf("grid.price_per_kwh = %g: say of which grid.currency", *g.PriceKWh)
	case len(g.Currency) > 8 || strings.ContainsFunc(g.Currency, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.Sc) }):
		return r, fmt.Errorf("grid.currency = %.20q: give up to 8 letters, like EUR", g.Currency)
	}
	r.PUE = math.Max(1, g.PUE)
	country := g.Country
	if g.Region != "" {
		x, err := findRegion(g.Region)
		if err != nil {
			return r, err
		}
		r.Provider, r.Region, r.Place, r.Country, r.Intensity = x.Provider, x.Name, x.Place, x.Country, &x.Intensity
		if country == "" {
			country = x.Country
		}
	}
	if country != "" {
		c, err := findCountry(country)
		if err != nil {
			return r, err
		}
		if r.Country != "" && r.Country != c.Code {
			return r, fmt.Errorf("grid.region = %q lies in %s, grid.country says %s: leave one out", g.Region, r.Country, c.Code)
		}
		r.Country, r.CountryName = c.Code, c.Name
		if r.Intensity == nil {
			r.Intensity = &c.Intensity
		}
	}
	if g.GramsKWh != nil {
		r.Intensity = &Intensity{Grams: *g.GramsKWh, Source: "given"}
	}
	return r, nil
}

func findCountry(name string) (Country, error) {
	if strings.EqualFold(name, "UK") {
		name = "GBR"
	}
	near := closest{to: name}
	for _, c := range Countries() {
		if strings.EqualFold(c.Code, name) || strings.EqualFold(c.Code2, name) || strings.EqualFold(c.Name, name) {
			return c, nil
		}
		near.add(c.Name, c.Code+" "+c.Name)
	}
	return Country{}, fmt.Errorf("grid.country = %.40q: no such country%s; `pare energy carbon` lists them", name, near)
}

func findRegion(name string) (Region, error) {
	provider, rest, given := strings.Cut(name, "/")
	if !given {
		provider, rest = "", name
	}
	var found []Region
	near := closest{to: rest}
	for _, r := range Regions() {
		if given && !strings.EqualFold(r.Provider, provider) {
			continue
		}
		if strings.EqualFold(r.Name, rest) {
			found = append(found, r)
		}
		near.add(r.Name, r.Provider+"/"+r.Name)
	}
	switch len(found) {
	case 0:
		return Region{}, fmt.Errorf("grid.region = %.60q: no such region%s; `pare energy carbon` lists them, grid.g_per_kwh takes any figure", name, near)
	case 1:
		return found[0], nil
	}
	return Region{}, fmt.Errorf("grid.region = %.60q: several clouds have it; put the cloud before it, as in %s/%s", name, found[0].Provider, found[0].Name)
}

// closest keeps the names that begin most like a mistaken one.
type closest struct {
	to    string
	most  int // letters in common
	names []string
}

func (c *closest) add(name, text string) {
	n := 0
	for n < min(len(name), len(c.to)) && strings.EqualFold(name[:n+1], c.to[:n+1]) {
		n++
	}
	if n > c.most {
		c.most, c.names = n, nil
	}
	if n == c.most && n >= 3 && len(c.names) < 3 {
		c.names = append(c.names, text)
	}
}

func (c closest) String() string {
	if len(c.names) == 0 {
		return ""
	}
	return ", perhaps " + strings.Join(c.names, ", ")
}

// facility is the energy in kWh with what the building adds.
func (r Rates) facility(uj int64) float64 { return float64(uj) / ujPerKWh * math.Max(1, r.PUE) }

// Grams is what the energy emits in g CO2e, with the PUE; nil where the intensity
// is unknown.
func (r Rates) Grams(uj int64) *float64 {
	if r.Intensity == nil {
		return nil
	}
	g := r.facility(uj) * r.Intensity.Grams
	return &g
}

// Money is what the energy costs in Currency, with the PUE; nil where the price is
// unknown.
func (r Rates) Money(uj int64) *float64 {
	if r.PriceKWh == nil {
		return nil
	}
	m := r.facility(uj) * *r.PriceKWh
	return &m
}

// Text says what the figures rest on: "FRA 2023, 56 g/kWh, 0.21 EUR/kWh, PUE 1.2";
// a PUE of 1 says that only the machine is counted.
func (r Rates) Text() string {
	var t []string
	where := r.Country
	if r.Region != "" {
		where = r.Provider + "/" + r.Region
	}
	if r.Intensity != nil {
		if r.Intensity.Source == "given" {
			where = "given"
		} else if r.Intensity.Year > 0 {
			where = fmt.Sprintf("%s %d", where, r.Intensity.Year)
		}
	}
	if where != "" {
		t = append(t, where)
	}
	if r.Intensity != nil {
		t = append(t, fmt.Sprintf("%.4g g/kWh", r.Intensity.Grams))
	}
	if r.PriceKWh != nil {
		t = append(t, fmt.Sprintf("%.4g %s/kWh", *r.PriceKWh, r.Currency))
	}
	if r.PUE > 1 {
		return strings.Join(append(t, fmt.Sprintf("PUE %.4g", r.PUE)), ", ")
	}
	return strings.Join(append(t, "PUE 1: the machine alone"), ", ")
}

// FormatGrams prints a mass of CO2e with two digits and the tier of the joules it
// comes from: "≈0.62 mg E".
func FormatGrams(g float64, t Tier) string {
	for _, u := range []struct {
		from float64
		name string
	}{{1e3, "kg"}, {1, "g"}, {1e-3, "mg"}} {
		if g >= u.from {
			return likeJoules(TwoDigits(g/u.from)+" "+u.name, t)
		}
	}
	return likeJoules(TwoDigits(g*1e6)+" µg", t)
}

// FormatMoney prints an amount with two digits and the tier of its joules.
func FormatMoney(v float64, currency string, t Tier) string {
	return likeJoules(TwoDigits(v)+" "+currency, t)
}

// likeJoules marks what follows from joules as they are marked themselves.
func likeJoules(s string, t Tier) string {
	if !t.Measured() {
		s = "≈" + s
	}
	return s + " " + string(t)
}

// TwoDigits prints two significant digits of a number that is not negative, never
// with an exponent.
func TwoDigits(v float64) string {
	if !(v > 0) || math.IsInf(v, 0) {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', max(0, -int(math.Round(math.Log10(unit)))), 64)
}
