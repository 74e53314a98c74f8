package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/core/device/cpu"
	"pare/hwprofiles"
)

func (e *env) hwCalibrate() *cobra.Command {
	var name string
	var dry bool
	var window time.Duration
	c := &cobra.Command{
		Use: "calibrate", Short: "measure this machine and keep the figures as a profile of your own", Args: takes(0, 0),
		Long: `calibrate measures the rate of dense products, the bandwidth of memory and what
zeros bring in each format (the table that the choice of kernels uses, measured anew
and kept for coming runs), and where there is an energy counter the power at several
loads. It writes them to
` + "`$XDG_CONFIG_HOME/pare/hw/NAME.toml`" + `; figures it cannot measure are taken over
from the profile that was used so far, with their sources. It takes a few seconds,
with a counter two seconds more for each load. Nothing else should run meanwhile.

With --device cuda, cuda:tf32 or cuda:bf16 it measures that card instead: products of
1024 to 8192 in that precision, copies, 2:4 by the faster of cuSPARSELt and our kernel,
and the power of each by the card's own
counter. The profile comes from the products of 1024 and 4096 alone; how far it is off
at the other sizes is printed.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if precision := precisionOf(e.device); precision != "" {
				if !c.Flags().Changed("name") {
					name = "this-card"
				}
				return e.calibrateCard(name, precision, window, dry)
			}
			if c.Flags().Changed("window") {
				return usagef("calibrate: --window is for a card: give --device cuda, cuda:tf32 or cuda:bf16 with it, or leave it out")
			}
			return e.calibrate(name, dry)
		},
	}
	c.Flags().StringVar(&name, "name", "this-machine", "name of the profile; of a card this-card")
	c.Flags().DurationVar(&window, "window", 3*time.Second, "how long a card is measured at each size")
	c.Flags().BoolVar(&dry, "dry-run", false, "print the profile, write nothing")
	return c
}

func (e *env) calibrate(name string, dry bool) error {
	if err := hwprofiles.CheckOwnName(name); err != nil {
		return usagef("calibrate: %v", err)
	}
	p := hwprofiles.Local()
	if hwprofiles.UserDir() == "" && !dry {
		return errNoConfig
	}
	say := e.say()
	say("measuring products and memory on %d CPUs …", runtime.GOMAXPROCS(0))
	m, err := bench.MeasureMachine(150*time.Millisecond, 4)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	say("measuring what zeros bring …")
	prices := core.MeasurePrices(cpu.New(), !dry)
	source := "measured by pare hw calibrate, " + time.Now().Format(time.DateOnly)
	own := m.Profile(p, prices, name, source)
	switch points, why := bench.LoadPoints(say); {
	case why != "":
		say("power is not calibrated: %s; watts stay those of profile %s", why, p.Name)
	default:
		own.Load, own.Boundary = &hwprofiles.LoadCurve{Points: points, Source: source + ", RAPL"}, "CPU package (RAPL)"
		last := points[len(points)-1]
		own.IdleW = &hwprofiles.Figure{Value: points[0][1], Source: source + ", all CPUs idle"}
		own.FullW = &hwprofiles.Figure{Value: last[1], Source: source + fmt.Sprintf(", %.0f %% load", last[0])}
	}
	return e.keepProfile(own, dry, say)
}

// calibrateCard measures a card.
func (e *env) calibrateCard(name, precision string, window time.Duration, dry bool) error {
	if window <= 0 {
		return usagef("calibrate: --window %v: need more than 0", window)
	}
	if err := hwprofiles.CheckOwnName(name); err != nil {
		return usagef("calibrate: %v", err)
	}
	if hwprofiles.UserDir() == "" && !dry {
		return errNoConfig
	}
	dev, err := core.OpenDevice(e.device)
	if err != nil {
		return err
	}
	say := e.say()
	m, err := bench.MeasureCard(dev, precision, window, say)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	base, _ := hwprofiles.MatchGPU(m.Name)
	own, err := m.Profile(base, name, "measured by pare hw calibrate, "+time.Now().Format(time.DateOnly))
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	if m.WhyTwoFour != "" {
		say("2:4 is not calibrated: %s", m.WhyTwoFour)
	}
	checks := map[int]bench.Check{}
	for _, c := range m.Check(own) {
		checks[c.N] = c
	}
	for _, p := range m.Products {
		line := fmt.Sprintf("%s product of %d cubed: %.2f µs", precision, p.N, p.US)
		if p.MJ > 0 {
			line += fmt.Sprintf(", %.2f mJ %s (%s), %.0f W", p.MJ, m.Tier, m.Source, p.Watts)
		}
		if c, ok := checks[p.N]; ok {
			line += "; the profile says " + signed(c.US, 1) + " % time"
			if !math.IsNaN(c.MJ) {
				line += ", " + signed(c.MJ, 1) + " % J"
			}
		}
		say("%s", line)
	}
	return e.keepProfile(own, dry, say)
}

// errNoConfig says that there is nowhere to write to.
var errNoConfig = errors.New("calibrate: this system names no folder for configuration: set XDG_CONFIG_HOME, or use --dry-run")

// say tells a person what is being done.
func (e *env) say() func(string, ...any) {
	return func(format string, a ...any) {
		if !e.json {
			fmt.Fprintf(e.err, format+"\n", a...)
		}
	}
}

// keepProfile writes a profile into the person's folder, or prints it.
func (e *env) keepProfile(own hwprofiles.Profile, dry bool, say func(string, ...any)) error {
	text, err := toml.Marshal(own)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	if dry {
		_, err := e.out.Write(text)
		return err
	}
	path := filepath.Join(hwprofiles.UserDir(), own.Name+".toml")
	if err := writeProfile(path, text); err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	read, err := hwprofiles.Load(own.Name) // what was written must be readable
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	used, what := hwprofiles.Local(), "machine"
	if own.Kind == "gpu" {
		used, _ = hwprofiles.MatchGPU(own.Title)
		what = "card"
	}
	if used.File == read.File {
		say("written: %s; it is this %s's profile from now on (remove the file to go back)", path, what)
	} else { // another of the person's own comes first by its name, or the system names no CPU
		say("written: %s; but this %s's profile stays %s: to use the new one, remove %s", path, what, used.Name, used.File)
	}
	return e.hwShow(read)
}

// writeProfile puts the file there in one step.
func writeProfile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".calibrate-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone once it is renamed
	if _, err := f.Write(text); err != nil {
		f.Close() //nolint:errcheck // the first error counts
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
