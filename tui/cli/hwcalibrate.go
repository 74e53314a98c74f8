package cli

import (
	"fmt"
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
