package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/hwprofiles"
)

func (e *env) hw() *cobra.Command {
	c := &cobra.Command{
		Use: "hw", Short: "hardware profiles: list, show, estimate, calibrate", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: pare hw list, pare hw show NAME, pare hw estimate MODEL, or pare hw calibrate")
		},
	}
	c.AddCommand(
		&cobra.Command{
			Use: "list", Short: "all profiles", Args: takes(0, 0),
			Long: `list shows the machines that pare can predict for: the built-in ones and your
own, one TOML file each in ` + "`$XDG_CONFIG_HOME/pare/hw/`" + ` (yours win by name).
Rates are achievable ones where known, else peak (marked <). Watts are of the
boundary that ` + "`pare hw show NAME`" + ` names. – is unknown.`,
			RunE: func(*cobra.Command, []string) error { return e.hwList() },
		},
		&cobra.Command{
			Use: "show NAME", Short: "one profile with the source of each figure", Args: takes(1, 1),
			Long: `show prints every figure of a profile with its source. What nobody published is
unknown; what pare assumes says so. pare hw calibrate measures this machine.`,
			RunE: func(_ *cobra.Command, a []string) error {
				p, err := hwprofiles.Load(a[0])
				if err != nil {
					return err
				}
				if e.json {
					enc := json.NewEncoder(e.out)
					enc.SetEscapeHTML(false)
					return enc.Encode(p)
				}
				return e.hwShow(p)
			},
		},
	)
	c.AddCommand(e.hwEstimate(), e.hwCalibrate())
	return c
}

// leftOut are the profile files that cannot be used, each with what is wrong: a bad file
// takes nothing but itself away.
func leftOut() []string {
	if err := hwprofiles.Check(); err != nil {
		return strings.Split(err.Error(), "\n")
	}
	return []string{}
}

func (e *env) warnProfiles() {
	for _, l := range leftOut() {
		fmt.Fprintln(e.err, "pare: hardware profile left out:", l)
	}
}

func (e *env) hwList() error {
	e.warnProfiles()
	l := hwprofiles.List()
	if e.json {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		for _, p := range l {
			if err := enc.Encode(p); err != nil {
				return err
			}
		}
		return nil
	}
	local := hwprofiles.Local().Name
	for _, kind := range []string{"cpu", "gpu"} {
		w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%s\tmachine\tf32\tbf16\tint8\tGB/s\tidle W\tfull W\tTDP W\tzeros that pay\t\n", kind)
		for _, p := range l {
			if p.Kind != kind {
				continue
			}
			title, note := p.Title, ""
			if p.Name == local {
				note = "this machine"
			}
			if p.Own() {
				note = strings.TrimPrefix(note+", yours", ", ")
			}
			per := ""
			if p.RatesPerCPU {
				per = " a CPU"
			}
			half := p.Rates["bf16"]
			if half.Peak == nil && half.Achievable == nil {
				half = p.Rates["f16"]
			}
			fmt.Fprintf(w, "%s\t%s\t%s%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, title, rate(p.Rates["f32"]), per, rate(half), rate(p.Rates["int8"]),
				plainFig(p.BandwidthGBs), plainFig(p.IdleW), plainFig(p.FullW), plainFig(p.TDPW), paying(p), note)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if kind == "cpu" {
			fmt.Fprintln(e.out)
		}
	}
	fmt.Fprintln(e.out, "\nrates in TFLOP/s (int8: TOP/s), dense; < is the peak, the achievable rate is unknown; bf16 is f16 where the card has no bf16")
	return nil
}

func plainFig(f *hwprofiles.Figure) string {
	if f == nil {
		return "–"
	}
	return strconv.FormatFloat(f.Value, 'f', -1, 64)
}

// rate in TFLOP/s with three digits.
func rate(r hwprofiles.Rate) string {
	switch {
	case r.Achievable != nil && r.Achievable.Value >= 100e3:
		return fmt.Sprintf("%.0f", r.Achievable.Value/1000)
	case r.Achievable != nil:
		return fmt.Sprintf("%.3g", r.Achievable.Value/1000)
	case r.Peak != nil:
		return fmt.Sprintf("<%.4g", r.Peak.Value/1000)
	}
	return "–"
}

// paying lists the patterns that a kernel skips.
func paying(p hwprofiles.Profile) string {
	var s []string
	for _, x := range p.Sparse {
		if x.Kernel {
			s = append(s, x.Pattern)
		}
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, " ")
}

// hwShow prints a profile: what it is, then every figure with its source.
func (e *env) hwShow(p hwprofiles.Profile) error {
	fmt.Fprintf(e.out, "%s: %s\n", p.Name, dash(p.Title))
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  kind\t%s\n  read from\t%s\n  watts are of\t%s\n", p.Kind, p.File, unknown(p.Boundary))
	if p.Kind == "cpu" {
		fmt.Fprintf(w, "  CPUs\t%s cores, %s logical\n", number(p.Cores), number(p.Threads))
	}
	fmt.Fprintf(w, "  known as\t%s\n", unknown(strings.Join(p.Match, "  ")))
	if p.Notes != "" {
		fmt.Fprintf(w, "  note\t%s\n", p.Notes)
	}
	fmt.Fprintln(w, "\nfigure\tvalue\tsource")
	fig := func(name, unit string, f *hwprofiles.Figure) {
		if f == nil {
			fmt.Fprintf(w, "%s\tunknown\t\n", name)
			return
		}
		src := f.Source
		if f.Assumed {
			src = "(assumed) " + src
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s\n", name, strconv.FormatFloat(f.Value, 'f', -1, 64), unit, src)
	}
	fig("idle power", "W", p.IdleW)
	fig("power under load", "W", p.FullW)
	fig("TDP", "W", p.TDPW)
	if p.Kind == "cpu" {
		fig("per busy logical CPU", "W", p.BusyCoreW)
	}
	fig("band of an estimate, ±", "%", p.BandPct)
	fig("memory bandwidth", "GB/s", p.BandwidthGBs)
	if p.Kind == "gpu" {
		fig("memory", "GB", p.MemoryGB)
		fig("a call besides its work", "µs", p.CallUS)
	}
	of := ""
	if p.RatesPerCPU {
		of = " of one CPU"
	}
	var none []string
	for _, el := range hwprofiles.Elements() {
		r := p.Rates[el]
		if r.Peak == nil && r.Achievable == nil {
			none = append(none, el)
			continue
		}
		unit := "GFLOP/s"
		if el == "int8" {
			unit = "GOP/s"
		}
		fig(el+" peak"+of, unit, r.Peak)
		fig(el+" achievable"+of, unit, r.Achievable)
	}
	if len(none) > 0 {
		fmt.Fprintf(w, "%s\tunknown\t\n", strings.Join(none, ", "))
	}
	for _, s := range p.Sparse {
		kernel := "no kernel: no gain"
		if s.Kernel {
			kernel = "kernel"
		}
		fmt.Fprintf(w, "zeros %s\t%s\t%s\n", s.Pattern, kernel, s.Source)
		if s.Kernel {
			fig("  share of the dense rate", "", s.Efficiency)
		}
		if s.Gain != "" {
			fmt.Fprintf(w, "  seen\t\t%s\n", s.Gain)
		}
	}
	if p.Load != nil {
		fmt.Fprintf(w, "load curve\t%d points\t%s\n", len(p.Load.Points), p.Load.Source)
		for _, q := range p.Load.Points {
			fmt.Fprintf(w, "  %g %%\t%g W\t\n", q[0], q[1])
		}
	}
	return w.Flush()
}

func unknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func number(n int) string {
	if n == 0 {
		return "unknown"
	}
	return strconv.Itoa(n)
}
