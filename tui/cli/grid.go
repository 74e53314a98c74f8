package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pare/core/energy"
	"pare/sessions"
)

var pricePerKWh = regexp.MustCompile(`^(\d+(?:\.\d+)?) ?([A-Z]{3})$`)

// gridFlags say where a run's electricity came from, over what its recipe says.
type gridFlags struct {
	place, price string
	grams, pue   float64
}

func (g *gridFlags) add(f *pflag.FlagSet) {
	f.StringVar(&g.place, "grid", "", "`place`: a country or Google Cloud region, FRA or gcp/europe-west9, or g of CO2e per kWh, 56 (the recipe's by default)")
	f.Float64Var(&g.grams, "intensity", 0, "carbon intensity of the grid, `grams` of CO2e per kWh, instead of the table's")
	g.addPUE(f)
}

// addPrice adds what turns joules into money.
func (g *gridFlags) addPrice(f *pflag.FlagSet) {
	f.StringVar(&g.price, "price", "", "`price` of a kWh with its currency, like 0.21EUR")
}

// addPUE adds what turns a machine's joules into a facility's.
func (g *gridFlags) addPUE(f *pflag.FlagSet) {
	f.Float64Var(&g.pue, "pue", 1, "facility energy over IT energy")
}

// over is the recipe's grid with the flags that were given.
func (g *gridFlags) over(c *cobra.Command, base energy.Grid) (energy.Grid, energy.Rates, error) {
	given := c.Flags().Changed
	switch m := pricePerKWh.FindStringSubmatch(g.price); {
	case given("pue") && !(g.pue >= 1 && g.pue <= 10):
		return base, energy.Rates{}, usagef("--pue %g: give facility energy over IT energy, from 1 to 10", g.pue)
	case given("intensity") && !(g.grams >= 0 && g.grams <= 1e4):
		return base, energy.Rates{}, usagef("--intensity %g: give gCO2e per kWh from 0 to 10000", g.grams)
	case given("price") && m == nil:
		return base, energy.Rates{}, usagef("--price %q: give the price of a kWh with its currency, like 0.21EUR", g.price)
	case given("price"):
		v, _ := strconv.ParseFloat(m[1], 64) // digits and a point: it is a number
		base.PriceKWh, base.Currency = &v, m[2]
	}
	if given("grid") {
		base = base.At(g.place)
	}
	if given("pue") {
		base.PUE = g.pue
	}
	if given("intensity") {
		base.GramsKWh = &g.grams
	}
	r, err := base.Resolve()
	if err != nil && given("grid") {
		err = usage{err}
	}
	return base, r, err
}

// of is the grid of a session's run.
func (g *gridFlags) of(c *cobra.Command, s *sessions.Session) (energy.Grid, energy.Rates, error) {
	var base energy.Grid
	if r, err := s.Recipe(); err == nil { // without it the flags alone say
		base = r.Grid
	}
	return g.over(c, base)
}

func (e *env) carbon() *cobra.Command {
	return &cobra.Command{
		Use: "carbon [COUNTRY|REGION ...]", Short: "carbon intensity of electricity by country and cloud region", Args: takes(0, 1000),
		Long: `carbon prints the tables that pare carries: gCO2e per kWh of electricity, with the
year and the source of each figure. Countries are from Our World in Data, regions of
Google Cloud from Google, both as CodeCarbon keeps them; no other provider is
in them. A recipe names one as grid.country or grid.region, or gives a figure of its
own as grid.g_per_kwh.`,
		Example: `  pare energy carbon FRA Norway gcp/europe-west9`,
		RunE: func(_ *cobra.Command, args []string) error {
			type row struct {
				Code, Place string
				energy.Intensity
			}
			var rows []row
			add := func(r energy.Rates) {
				x := row{Code: r.Country, Place: r.CountryName, Intensity: *r.Intensity}
				if r.Region != "" {
					x.Code, x.Place = r.Provider+"/"+r.Region, r.Place+", "+r.Country
				}
				rows = append(rows, x)
			}
			for _, a := range args {
				r, err := energy.Grid{}.At(a).Resolve()
				if err == nil && (r.Intensity == nil || r.Intensity.Source == "given") {
					err = fmt.Errorf("%.40q: give a country or a cloud region", a)
				}
				if err != nil {
					return usage{err}
				}
				add(r)
			}
			if len(args) == 0 {
				for _, c := range energy.Countries() {
					rows = append(rows, row{c.Code, c.Name, c.Intensity})
				}
				for _, r := range energy.Regions() {
					rows = append(rows, row{r.Provider + "/" + r.Name, r.Place + ", " + r.Country, r.Intensity})
				}
			}
			if e.json {
				enc := json.NewEncoder(e.out)
				for _, r := range rows {
					var year any
					if r.Year > 0 {
						year = r.Year
					}
					if err := enc.Encode(map[string]any{"code": r.Code, "place": r.Place, "g_per_kwh": r.Grams, "year": year, "source": r.Source}); err != nil {
						return err
					}
				}
				return nil
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "code\tplace\tgCO2e/kWh\tyear\tsource")
			for _, r := range rows {
				year := "–"
				if r.Year > 0 {
					year = strconv.Itoa(r.Year)
				}
				fmt.Fprintf(w, "%s\t%s\t%.4g\t%s\t%s\n", r.Code, r.Place, r.Grams, year, strings.TrimPrefix(r.Source, "https://"))
			}
			return w.Flush()
		},
	}
}
