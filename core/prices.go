package core

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"pare/core/deploy"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/plan"
	"pare/core/tensor"
	"pare/core/train"
	"pare/hwprofiles"
)

// What formats of weights cost is measured once on a machine and kept in the
// user's cache folder. The file belongs here and not to core/plan or core/train,
// which know no files, nor to the command line: a run's process needs it too. It
// is no part of a session: what a run takes from it stands in its recipe.

// calibrate and cacheDir are the machine's; tests replace them.
var (
	calibrate = plan.Calibrate
	cacheDir  = os.UserCacheDir
)

// PricesFile is where measured prices are kept; "" when the system names no place.
// Removing it has them measured again.
func PricesFile() string {
	dir, err := cacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "pare", "prices.toml")
}

// keptPrices is the file: the prices of each machine that has used it.
type keptPrices struct {
	Machine []machinePrices `toml:"machine"`
}

// machinePrices are prices and what they hold for.
type machinePrices struct {
	CPU     string      `toml:"cpu"`
	ISA     string      `toml:"isa"`
	Version int         `toml:"version"` // plan.CalibrationVersion
	Plan    plan.Prices `toml:"plan"`
}

func (m machinePrices) same(o machinePrices) bool {
	return m.CPU == o.CPU && m.ISA == o.ISA && m.Version == o.Version
}

// Prices is what formats of weights cost on dev: as kept on this machine, else
// measured, which takes about half a second, and kept. Device ref has the default
// ones: its time says nothing about any hardware. Nothing here is fatal: without a
// file they are measured each time, and defaults stand in for what cannot be
// measured.
func Prices(dev device.Device) plan.Prices {
	if dev.Name() != "cpu" {
		return plan.DefaultPrices()
	}
	here, kept := pricesOn(dev), readPrices(PricesFile())
	if i := slices.IndexFunc(kept.Machine, here.same); i >= 0 {
		return kept.Machine[i].Plan
	}
	return MeasurePrices(dev, true)
}

// MeasurePrices is Prices measured anew, whatever is kept; with keep they take the place of that.
// dev is the processor.
func MeasurePrices(dev device.Device, keep bool) plan.Prices {
	here := pricesOn(dev)
	p, err := calibrate(dev, fmt.Sprintf("measured %s on %s, %s", time.Now().Format(time.DateOnly), deploy.Printable(here.CPU), here.ISA))
	if err != nil {
		p = plan.DefaultPrices()
		p.Source = deploy.Printable(fmt.Sprintf("defaults, because measuring failed: %.200v", err))
		return p
	}
	if here.Plan = p; keep {
		kept := readPrices(PricesFile())
		kept.Machine = append(slices.DeleteFunc(kept.Machine, here.same), here)
		keepPrices(PricesFile(), kept) //nolint:errcheck // then they are measured each time
	}
	return p
}

// pricesOn are prices of dev that are not known yet.
func pricesOn(dev device.Device) machinePrices {
	return machinePrices{CPU: cmp.Or(hwprofiles.CPUModel(), runtime.GOARCH), ISA: dev.ISA(), Version: plan.CalibrationVersion}
}

// pricesFor is Prices for a model that is only run: without zeros there is nothing
// to choose, and nothing to measure.
func pricesFor(m *graph.Model, dev device.Device) plan.Prices {
	if zerosOf(m) == 0 {
		return plan.DefaultPrices()
	}
	return Prices(dev)
}

// Choices are the formats the layers of m run in on dev, by this machine's prices,
// and these. A card that chooses by time measures the 2:4 ones in an evaluation, of as many
// samples at a time as in a run of recipe r; nil: as many as in one that trains without parts.
func Choices(m *graph.Model, dev device.Device, r *Recipe) ([]plan.Choice, plan.Prices, error) {
	p := pricesFor(m, dev)
	cs := plan.Choose(m, dev, p)
	if _, ok := dev.(device.Card); !ok || !slices.ContainsFunc(cs, func(c plan.Choice) bool { return c.Format == tensor.NM24 }) {
		return cs, p, nil
	}
	var o train.Options
	if r != nil {
		o.Batch, o.Micros = r.Train.Batch, r.Train.Accumulate
	}
	return cs, p, train.MeasurePairs(m, dev, o, cs)
}

// readPrices reads the file. What cannot be read or cannot be true is left out, as
// are prices that an older version measured.
func readPrices(path string) keptPrices {
	var k keptPrices
	b, err := os.ReadFile(path)
	if err != nil || toml.Unmarshal(b, &k) != nil {
		return keptPrices{}
	}
	k.Machine = slices.DeleteFunc(k.Machine, func(m machinePrices) bool {
		return m.Version != plan.CalibrationVersion || !m.Plan.Known() || m.Plan.Check() != nil
	})
	return k
}

// keepPrices writes the file aside and renames it: a reader sees the old or the new
// one, never a part.
func keepPrices(path string, k keptPrices) error {
	if path == "" {
		return os.ErrNotExist
	}
	var b bytes.Buffer
	b.WriteString("# What formats of weights cost here, as pare measured it. Remove the file to have it measured again.\n")
	if err := toml.NewEncoder(&b).Encode(k); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".prices-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the first error says it
	}
	return err
}
