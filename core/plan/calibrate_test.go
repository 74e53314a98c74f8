package plan_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/plan"
	"pare/core/tensor"
)

// tariff is a device whose clock is made up: a call on a dense weight takes 1 ms
// for each multiply-add, in blocks fixed + perStored·share of that. Now and then a
// step is disturbed and takes ten times as long.
type tariff struct {
	device.Device
	fixed, perStored float64
	without          tensor.Format // not supported
	broken           error         // of every run
	stopped          bool          // the clock
}

func (d tariff) Supports(k device.Kernel, f tensor.Format) bool {
	return (f == tensor.Dense || f != d.without) && d.Device.Supports(k, f)
}

func (d tariff) Compile(p *device.Plan, b device.Bank, threads int) (device.Exec, error) {
	if threads != 1 {
		return nil, errors.New("not one thread")
	}
	return &ticks{d: d, p: p, ws: b.Weights(), r: rand.New(rand.NewPCG(3, uint64(len(p.Vals))))}, nil
}

// ticks is a plan that never runs.
type ticks struct {
	d      tariff
	p      *device.Plan
	ws     []device.Weight
	r      *rand.Rand
	factor float64
}

func (x *ticks) Run(*device.Step) (device.Result, error) {
	if x.factor = 1; x.r.IntN(3) == 0 {
		x.factor = 10
	}
	return device.Result{}, x.d.broken
}
func (x *ticks) Probe(bool)   {}
func (x *ticks) Close() error { return nil }
func (x *ticks) Times() []time.Duration {
	var l []time.Duration
	for _, r := range x.p.Regions {
		for _, c := range r.Calls {
			t := 1e6 * float64(device.CostOf(x.p, x.ws, &c, 1).MACs)
			if len(c.W) > 0 && x.ws[c.W[0]].Format != tensor.Dense {
				w := x.ws[c.W[0]]
				h := w.Format.Height()
				rows := (w.N() + h - 1) / h * h // the last block is computed whole
				t *= x.d.fixed + x.d.perStored*float64(w.Stored()*rows)/float64(w.Shape.Len()*w.N())
			}
			if x.d.stopped {
				t = 0
			}
			l = append(l, time.Duration(t*x.factor))
		}
	}
	return l
}

// TestCalibrateFindsThePrices: whatever a device takes, Calibrate says, in spite of
// disturbed turns.
func TestCalibrateFindsThePrices(t *testing.T) {
	for _, c := range []tariff{{fixed: 0.125, perStored: 1.5}, {fixed: 0, perStored: 1}, {fixed: 0.9, perStored: 0.05}} {
		c.Device = ref.New()
		p, err := plan.Calibrate(c, "made up")
		if err != nil {
			t.Fatal(err)
		}
		if p.Source != "made up" {
			t.Errorf("source %q", p.Source)
		}
		for name, l := range tables(p) {
			for _, f := range tensor.Blocks {
				got, ok := l[f.String()]
				if !ok || math.Abs(got[0]-c.fixed) > 0.002 || math.Abs(got[1]-c.perStored) > 0.005 {
					t.Errorf("%s %v: %v, want %g and %g", name, f, got, c.fixed, c.perStored)
				}
			}
		}
	}
}

func tables(p plan.Prices) map[string]map[string][2]float64 {
	return map[string]map[string][2]float64{"linear": p.Linear, "linear_small": p.LinearSmall, "conv": p.Conv, "conv_small": p.ConvSmall}
}

func TestCalibrateLeavesOut(t *testing.T) {
	p, err := plan.Calibrate(tariff{Device: ref.New(), perStored: 1, without: tensor.Block8}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range tables(p) {
		if _, ok := l["8×1"]; ok || len(l) != len(tensor.Blocks)-1 {
			t.Errorf("%s has %v: no kernel takes 8×1 blocks here", name, l)
		}
	}
	if _, err := plan.Calibrate(tariff{Device: ref.New(), stopped: true}, ""); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("a clock that stands: %v", err)
	}
	broken := errors.New("broken")
	if _, err := plan.Calibrate(tariff{Device: ref.New(), broken: broken}, ""); !errors.Is(err, broken) {
		t.Errorf("a device that fails: %v", err)
	}
}

// TestCalibrateHere: this machine's prices are figures that a recipe takes, one for
// each format.
func TestCalibrateHere(t *testing.T) {
	p, err := plan.Calibrate(cpu.New(), "measured")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	for name, l := range tables(p) {
		if len(l) != len(tensor.Blocks) {
			t.Errorf("%s has %v", name, l)
		}
		for f, v := range l {
			if !(v[0]+v[1] > 0) {
				t.Errorf("%s %s costs nothing: %v", name, f, v)
			}
		}
	}
}
