package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"pare/core/energy"
)

var iso3 = regexp.MustCompile(`^[A-Z]{3}$`)

func (e *env) emissions() *cobra.Command {
	var out, country string
	var grams, pue float64
	c := &cobra.Command{
		Use: "emissions [SESSION]", Short: "a run's bill as an emissions.csv (the latest by default)", Args: takes(0, 1),
		Long: `emissions writes what a run spent, one row a stage, with CodeCarbon's columns in
their order and units (kWh, kg CO2eq, W, s), so that its dashboards read the file,
and then ours: source, quality (the tier), boundary, coverage, uncertainty_pct,
stage, epoch. What is not known is an empty field. Tier E is an estimate: its rows
carry the E and the band. Emissions need the grid's carbon intensity: --intensity.`,
		Example: `  pare energy emissions
  pare energy emissions 7f3a --intensity 56 --country FRA -o emissions.csv`,
		RunE: func(c *cobra.Command, args []string) error {
			given := c.Flags().Changed
			switch {
			case given("intensity") && !(grams >= 0 && grams <= 1e4):
				return usagef("--intensity %g: give gCO2e per kWh from 0 to 10000", grams)
			case !(pue >= 1 && pue <= 10):
				return usagef("--pue %g: give facility energy over IT energy, from 1 to 10", pue)
			case given("country") && !iso3.MatchString(country):
				return usagef("--country %q: give three capital letters, like FRA", country)
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			rows, err := s.Emissions()
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return fmt.Errorf("session %s has no bill yet", s.ID)
			}
			for i := range rows {
				rows[i].PUE, rows[i].CountryISO = pue, country
				if given("intensity") {
					rows[i].GramsKWh = &grams
				}
			}
			if out == "-" {
				return energy.WriteEmissions(e.out, rows)
			}
			if out == "" {
				out = s.ID + ".emissions.csv"
			}
			if err := writeAside(out, func(w io.Writer) error { return energy.WriteEmissions(w, rows) }); err != nil {
				return err
			}
			tier := energy.TierNone
			for _, r := range rows {
				if r.Energy.UJ != nil {
					tier = tier.Worse(r.Energy.Tier)
				}
			}
			if e.json {
				return json.NewEncoder(e.out).Encode(map[string]any{"file": out, "rows": len(rows), "tier": tier})
			}
			what := "no energy is known"
			if tier.Known() {
				what = fmt.Sprintf("tier %s: %s", tier, tier.Meaning())
			}
			fmt.Fprintf(e.out, "wrote %s (%s, %s)\n", out, count(len(rows), "row"), what)
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "out", "o", "", "file to write (SESSION.emissions.csv), - for the standard output")
	f.Float64Var(&grams, "intensity", 0, "carbon intensity of the grid in gCO2e per `kWh`")
	f.Float64Var(&pue, "pue", 1, "facility energy over IT energy; energies in the file are times this")
	f.StringVar(&country, "country", "", "ISO code of the country, three `letters`")
	return c
}

// writeAside writes a file beside its place first, so that a failure leaves none
// behind and an older one as it was.
func writeAside(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".pare-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	if err := write(f); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
