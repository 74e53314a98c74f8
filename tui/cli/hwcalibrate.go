package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"pare/core"
	"pare/core/bench"
	"pare/core/device/cpu"
	"pare/core/energy"
	"pare/core/plan"
	"pare/core/tensor"
	"pare/hwprofiles"
)

func (e *env) hwCalibrate() *cobra.Command {
	var name string
	var dry bool
	c := &cobra.Command{
		Use: "calibrate", Short: "measure this machine and keep the figures as a profile of your own", Args: takes(0, 0),
		Long: `calibrate measures the rate of dense products, the bandwidth of memory and what
zeros bring in each format (the table that the choice of kernels uses), and where
there is an energy counter the power at several loads. It writes them to
` + "`$XDG_CONFIG_HOME/pare/hw/NAME.toml`" + `; figures it cannot measure are taken over
from the profile that was used so far, with their sources. It takes a few seconds,
with a counter two seconds more for each load. Nothing else should run meanwhile.`,
		RunE: func(*cobra.Command, []string) error { return e.calibrate(name, dry) },
	}
	c.Flags().StringVar(&name, "name", "this-machine", "name of the profile")
	c.Flags().BoolVar(&dry, "dry-run", false, "print the profile, write nothing")
	return c
}

func (e *env) calibrate(name string, dry bool) error {
	p := hwprofiles.Local()
	dir := hwprofiles.UserDir()
	if dir == "" && !dry {
		return fmt.Errorf("calibrate: this system names no folder for configuration: set XDG_CONFIG_HOME, or use --dry-run")
	}
	say := func(format string, a ...any) {
		if !e.json {
			fmt.Fprintf(e.err, format+"\n", a...)
		}
	}
	say("measuring products and memory on %d CPUs …", runtime.GOMAXPROCS(0))
	m, err := bench.MeasureMachine(150*time.Millisecond, 4)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	say("measuring what zeros bring …")
	prices := core.Prices(cpu.New())
	source := "measured by pare hw calibrate, " + time.Now().Format(time.DateOnly)
	own := ownProfile(p, m, prices, name, source)
	switch points, why := loadPoints(say); {
	case why != "":
		say("power is not calibrated: %s; watts stay those of profile %s", why, p.Name)
	default:
		own.Load, own.Boundary = &hwprofiles.LoadCurve{Points: points, Source: source + ", RAPL"}, "CPU package (RAPL)"
		last := points[len(points)-1]
		own.IdleW = &hwprofiles.Figure{Value: points[0][1], Source: source + ", all CPUs idle"}
		own.FullW = &hwprofiles.Figure{Value: last[1], Source: source + fmt.Sprintf(", %.0f %% load", last[0])}
	}
	text, err := toml.Marshal(own)
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	if dry {
		_, err := e.out.Write(text)
		return err
	}
	path := filepath.Join(dir, name+".toml")
	if err := writeProfile(path, text); err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	read, err := hwprofiles.Load(name) // what was written must be readable
	if err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	say("written: %s; it is this machine's profile from now on (remove the file to go back)", path)
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

// ownProfile is p with what was measured in place of what was known.
func ownProfile(p hwprofiles.Profile, m bench.Machine, prices plan.Prices, name, source string) hwprofiles.Profile {
	own := p
	own.Name, own.Notes = name, fmt.Sprintf("%s; figures of another source are those of profile %s.", source, p.Name)
	own.Cores, own.Threads, own.RatesPerCPU = 0, m.CPUs, false
	if model := hwprofiles.CPUModel(); model != "" {
		own.Title, own.Match = fmt.Sprintf("%s, %d CPUs", model, m.CPUs), []string{"^" + regexp.QuoteMeta(model) + "$"}
	}
	round := func(x float64) float64 { return math.Round(10*x) / 10 }
	figure := func(x float64, what string) *hwprofiles.Figure {
		return &hwprofiles.Figure{Value: round(x), Source: source + ", " + what}
	}
	own.BandwidthGBs = figure(m.Bandwidth, fmt.Sprintf("%d CPUs copying memory, read and written", m.CPUs))
	own.Rates = map[string]hwprofiles.Rate{"f32": {Achievable: figure(m.All, fmt.Sprintf("product of 1024×1024×1024 on %d CPUs (one: %.0f)", m.CPUs, m.One))}}
	own.Sparse = nil
	for _, s := range []struct {
		pattern string
		format  tensor.Format
	}{{hwprofiles.Element, tensor.Single}, {hwprofiles.Block4x1, tensor.Block4}} {
		const stored = 0.1
		cost, from, ok := prices.Expect(s.format, stored)
		if !ok || from > 1 {
			own.Sparse = append(own.Sparse, hwprofiles.Sparse{Pattern: s.pattern, Source: prices.Source, Gain: "no gain here"})
			continue
		}
		own.Sparse = append(own.Sparse, hwprofiles.Sparse{
			Pattern: s.pattern, Kernel: true, Source: prices.Source,
			Efficiency: &hwprofiles.Figure{Value: min(1, math.Round(1000*stored/cost)/1000), Source: prices.Source + ": training step of a linear layer, 90 % zeros"},
			Gain:       fmt.Sprintf("90 %% zeros: a training step of a linear layer is %.1f times as fast; taken from %.0f %% zeros", 1/cost, 100*from),
		})
	}
	for _, s := range p.Sparse { // what needs no measuring: cuts are dense
		if s.Pattern != hwprofiles.Element && s.Pattern != hwprofiles.Block4x1 {
			own.Sparse = append(own.Sparse, s)
		}
	}
	return own
}

// loadPoints measures watts at loads from none to all CPUs, {% of all CPUs, W};
// why says what is missing for that.
func loadPoints(say func(string, ...any)) (points [][2]float64, why string) {
	n := runtime.GOMAXPROCS(0)
	m, err := energy.Open(energy.Options{Source: energy.SourceRAPL})
	if err != nil {
		return nil, strings.TrimPrefix(err.Error(), "energy source rapl: ")
	}
	defer m.Close() //nolint:errcheck // only read
	steps := min(n, 8)
	if steps < 3 {
		return nil, fmt.Sprintf("%d CPUs make too few loads for a curve, at least 3 are needed", n)
	}
	for i := range steps + 1 {
		busy := i * n / steps
		say("measuring power with %d of %d CPUs busy …", busy, n)
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { bench.Busy(busy, stop); close(done) }()
		time.Sleep(500 * time.Millisecond) // clocks and temperature settle
		a := m.Mark()
		time.Sleep(1500 * time.Millisecond)
		b := m.Mark()
		r := m.Between(a, b)
		close(stop)
		<-done
		if r.UJ == nil {
			return nil, "the counter gave no figure: " + r.Note
		}
		points = append(points, [2]float64{100 * float64(busy) / float64(n), math.Round(float64(*r.UJ)/energy.Wall(a, b).Seconds()/1e4) / 100})
	}
	return points, ""
}
