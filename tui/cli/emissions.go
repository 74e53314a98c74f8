package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pare/core/energy"
)

func (e *env) emissions() *cobra.Command {
	var out string
	var g gridFlags
	c := &cobra.Command{
		Use: "emissions [SESSION]", Short: "a run's bill as an emissions.csv (the latest by default)", Args: takes(0, 1),
		Long: `emissions writes what a run spent, one row a stage, with CodeCarbon's columns in
their order and units (kWh, kg CO2eq, W, s), so that its dashboards read the file,
and then ours: source, quality (the tier), boundary, coverage, uncertainty_pct,
stage, epoch. What is not known is an empty field. Tier E is an estimate: its rows
carry the E and the band. Emissions need to know the grid: the recipe's [grid],
--grid (` + "`pare energy carbon`" + ` lists them) or --intensity.`,
		Example: `  pare energy emissions
  pare energy emissions 7f3a --grid FRA --pue 1.2 -o emissions.csv`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, _, err := g.over(c, energy.Grid{}); err != nil {
				return err
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
			_, rates, err := g.of(c, s)
			if err != nil {
				return err
			}
			for i := range rows {
				rows[i].Rates = rates
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
			co2 := "no emissions: the grid is not known"
			if in := rates.Intensity; in != nil {
				co2 = "emissions by " + rates.Text() + " (" + in.Source + ")"
			}
			fmt.Fprintf(e.out, "wrote %s (%s, %s; %s)\n", out, count(len(rows), "row"), what, co2)
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "out", "o", "", "file to write (SESSION.emissions.csv), - for the standard output")
	g.add(f)
	return c
}

// writeAside writes a file beside its place first, so that a failure leaves none
// behind and an older one as it was.
func writeAside(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s: its folder: %w", path, err)
	}
	f, err := os.CreateTemp(dir, ".pare-*")
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: its folder may not be written by you: -o names another place", path)
	}
	if err != nil {
		return notWritten(path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	if err := write(f); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return notWritten(path, err)
	}
	if err := f.Close(); err != nil {
		return notWritten(path, err)
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return notWritten(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return notWritten(path, err)
	}
	return nil
}

// notWritten names the file that was meant where the system names the one beside it; other
// errors, of what was to be written, stay.
func notWritten(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	default:
		return err
	}
	return fmt.Errorf("%s cannot be written: %w: -o names another place", path, err)
}
