package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"pare/core/energy"
	"pare/sessions/report"
)

// price puts into every line what a kWh emits and costs, as far as anybody said so.
func price(lines []energy.LogLine, g energy.Grid, r energy.Rates) {
	for i := range lines {
		l := &lines[i]
		if in := r.Intensity; in != nil {
			l.GramsKWh = &in.Grams
			if in.Year > 0 {
				l.GridYear = &in.Year
			}
		}
		if g.PUE != 0 {
			l.PUE = &r.PUE
		}
		if r.PriceKWh != nil {
			l.Price, l.Currency = r.PriceKWh, &r.Currency
		}
	}
}

func (e *env) energyLog() *cobra.Command {
	var out, verify string
	var g gridFlags
	c := &cobra.Command{
		Use: "log [SESSION]", Short: "a run's bill as JSON lines in a hash chain (the latest by default)", Args: takes(0, 1),
		Long: `log writes what a run spent, one JSON object a window: every epoch of a training
stage, and of every stage what lies outside of its epochs (epoch null). The joules
(uj, whole microjoules) never overlap; their sum is the run's bill. Not known is
null. uj has no PUE in it.

Each line carries in prev the SHA-256 of the line before, of its exact bytes
without the newline; the first that of the session's name. --verify FILE finds the
first line that does not fit. Only the hash of the last line, kept elsewhere, also
shows a change of that line or lines missing at the end: both commands print it.`,
		Example: `  pare energy log
  pare energy log 7f3a --grid FRA --pue 1.2 --price 0.21EUR -o run.jsonl
  pare energy log --verify run.jsonl`,
		RunE: func(c *cobra.Command, args []string) error {
			given := c.Flags().Changed
			if given("verify") {
				if len(args) > 0 || given("out") {
					return usagef("--verify FILE checks a file: give no SESSION and no --out with it")
				}
				return e.verifyLog(verify)
			}
			if _, _, err := g.over(c, energy.Grid{}); err != nil {
				return err
			}
			s, err := e.find(args)
			if err != nil {
				return err
			}
			lines, err := s.EnergyLog()
			if err != nil {
				return err
			}
			if len(lines) == 0 {
				return fmt.Errorf("session %s has no bill yet", s.ID)
			}
			grid, rates, err := g.of(c, s)
			if err != nil {
				return err
			}
			price(lines, grid, rates)
			last := ""
			write := func(w io.Writer) error {
				l := energy.NewLogWriter(w, s.ID)
				for _, x := range lines {
					if err := l.Write(x); err != nil {
						return err
					}
				}
				last = l.Last()
				return nil
			}
			if out == "-" {
				return write(e.out)
			}
			if out == "" {
				out = s.ID + ".energy.jsonl"
			}
			if err := writeAside(out, write); err != nil {
				return err
			}
			if e.json {
				return json.NewEncoder(e.out).Encode(map[string]any{"file": out, "lines": len(lines), "sha256": last})
			}
			fmt.Fprintf(e.out, "wrote %s (%s; SHA-256 of the last: %s)\n", out, count(len(lines), "line"), last)
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "out", "o", "", "file to write (SESSION.energy.jsonl), - for the standard output")
	f.StringVar(&verify, "verify", "", "check the chain of this `FILE` instead")
	g.add(f)
	g.addPrice(f)
	return c
}

func (e *env) verifyLog(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := energy.VerifyLog(bytes.NewReader(b)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	last := fmt.Sprintf("%x", sha256.Sum256(lines[len(lines)-1]))
	if e.json {
		return json.NewEncoder(e.out).Encode(map[string]any{"file": file, "lines": len(lines), "sha256": last})
	}
	fmt.Fprintf(e.out, "%s: the chain of %s holds (SHA-256 of the last: %s)\n", file, count(len(lines), "line"), last)
	return nil
}

func (e *env) gpai() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "gpai [SESSION]", Short: "the energy section of the EU Model Documentation Form (the latest run by default)", Args: takes(0, 1),
		Long: `gpai writes the energy section of the Model Documentation Form (Code of Practice
for general-purpose AI, 10 July 2025) as Markdown, from the session alone: training
energy in MWh, how it is known, compute, time, hardware, inference. Figures have two
significant digits and their uncertainty; what is not known says "not measured".`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := e.find(args)
			if err != nil {
				return err
			}
			st, err := s.State()
			if err != nil {
				return err
			}
			bill, err := s.Bill()
			if err != nil {
				return err
			}
			recipe := "" // the form says that it is not known
			if r, err := s.Recipe(); err == nil {
				if b, err := r.Marshal(); err == nil {
					recipe = string(b)
				}
			}
			write := func(w io.Writer) error { return report.EnergyForm(w, st, bill.Costs(), recipe) }
			if out == "-" {
				return write(e.out)
			}
			if out == "" {
				out = s.ID + ".gpai.md"
			}
			if err := writeAside(out, write); err != nil {
				return err
			}
			if e.json {
				return json.NewEncoder(e.out).Encode(map[string]any{"file": out})
			}
			fmt.Fprintf(e.out, "wrote %s\n", out)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "out", "o", "", "file to write (SESSION.gpai.md), - for the standard output")
	return c
}
