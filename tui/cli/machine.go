package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/device/cuda"
	"pare/core/energy"
	"pare/hwprofiles"
	"pare/sessions"
)

func (e *env) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "what this machine can measure and accelerate", Args: takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			m, err := energy.Open(energy.Options{Survey: true})
			if err != nil {
				return err
			}
			defer m.Close() //nolint:errcheck // nothing was measured
			dev, err := core.OpenDevice(e.device)
			if err != nil {
				return err
			}
			hw := hwprofiles.Local()
			dir, err := sessions.Root(e.sessions)
			if err != nil {
				return err
			}
			ends, fix := sessions.EndsAtLogout()
			if e.json {
				return json.NewEncoder(e.out).Encode(map[string]any{
					"profiles_left_out": leftOut(),
					"pare":              Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
					"machine": hwprofiles.CPUModel(), "cpus": runtime.NumCPU(), "device": dev.Name(), "isa": dev.ISA(), "tile": dev.Tile(), "panel": dev.Panel(),
					"profile": hw.Name, "energy_source": m.Source(), "energy_tier": m.Tier(), "sources": m.Sources(), "cuda": cuda.Report(), "prices": core.PricesFile(), "sessions": dir,
					"ends_at_logout": ends,
				})
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "machine\t%s, %d CPUs, %s/%s\n", dash(hwprofiles.CPUModel()), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
			fmt.Fprintf(w, "kernels\t%s, %s: tiles of %d samples, panels of %d outputs\n", dev.Name(), isaText(dev.ISA()), dev.Tile(), dev.Panel())
			cudaRows(w, cuda.Report())
			fmt.Fprintf(w, "profile\t%s  %s\n", hw.Name, hw.Why)
			if strings.HasPrefix(hw.Name, "generic-") {
				fmt.Fprintf(w, "\tfix: pare hw calibrate measures this machine and keeps a profile of it\n")
			}
			for _, l := range leftOut() {
				fmt.Fprintf(w, "  left out\t%s\n", l)
			}
			fmt.Fprintf(w, "energy\t%s, tier %s: %s\n", m.Source(), dash(string(m.Tier())), m.Tier().Meaning())
			for _, s := range m.Sources() {
				mark := "–"
				if s.OK {
					mark = "ok"
				}
				if s.Used {
					mark = "used"
				}
				fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Name, mark, sourceText(s))
				if s.Path != "" {
					fmt.Fprintf(w, "\t\t%s\n", strings.TrimSpace(s.Path+"  "+s.Mode))
				}
				if s.Fix != "" {
					fmt.Fprintf(w, "\t\tfix: %s\n", s.Fix)
				}
			}
			fmt.Fprintf(w, "prices\t%s keeps what formats of weights cost here, once measured; remove it to measure again\n", dash(core.PricesFile()))
			fmt.Fprintf(w, "sessions\t%s\n", dir)
			if ends == "" {
				fmt.Fprintf(w, "runs\tgo on when this login ends\n")
			} else {
				fmt.Fprintf(w, "runs\tend with this login: %s\n\tfix: %s\n", ends, fix)
			}
			return w.Flush()
		},
	}
}

// sourceText is what doctor says of an energy source: tier, value, how often it is
// updated, what to know about it.
func sourceText(s energy.Status) string {
	var t []string
	if s.Tier.Known() {
		t = append(t, "tier "+string(s.Tier))
	}
	if s.Value != "" {
		t = append(t, s.Value)
	}
	if s.Every != "" {
		t = append(t, "every "+s.Every)
	}
	if s.Why != "" {
		t = append(t, s.Why)
	}
	return strings.Join(t, "; ")
}

func isaText(isa string) string {
	if isa == "go" {
		return "plain Go (no AVX2 and FMA here, or PARE_ISA=go): expect a tenth of the speed or less"
	}
	return isa
}

// isTerminal reports whether f is a character device that answers like a
// terminal; it asks the kernel, never the terminal.
func isTerminal(f *os.File) bool { return f != nil && isTTY(f.Fd()) }
