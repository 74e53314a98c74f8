package devicetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/plan"
)

// odd is a device that does something else to plans, or to the steps that it runs.
type odd struct {
	device.Device
	plan func(*device.Plan)
	step func(*device.Step)
	set  func(x []float32) // to parameters
}

func (o odd) NewBank(ws []device.Weight, slots int) (device.Bank, error) {
	b, err := o.Device.NewBank(ws, slots)
	return oddBank{b, o}, err
}

func (o odd) Compile(p *device.Plan, b device.Bank, threads int) (device.Exec, error) {
	if o.plan != nil {
		q := *p
		q.Regions = slices.Clone(p.Regions)
		for i := range q.Regions {
			q.Regions[i].Calls = slices.Clone(p.Regions[i].Calls)
		}
		o.plan(&q)
		p = &q
	}
	e, err := o.Device.Compile(p, b.(oddBank).Bank, threads)
	return oddExec{e, o}, err
}

type oddBank struct {
	device.Bank
	o odd
}

func (b oddBank) Set(i int, x []float32) error {
	if b.o.set != nil {
		x = slices.Clone(x)
		b.o.set(x)
	}
	return b.Bank.Set(i, x)
}

type oddExec struct {
	device.Exec
	o odd
}

func (e oddExec) Run(s *device.Step) (device.Result, error) {
	q := *s
	q.X, q.Labels = slices.Clone(s.X), slices.Clone(s.Labels)
	if e.o.step != nil {
		e.o.step(&q)
	}
	return e.Exec.Run(&q)
}

// rounding keeps bits of the mantissa, the leading one among them, of samples and parameters, as
// products in less precision do.
func rounding(dev device.Device, bits int) odd {
	round := func(x []float32) {
		for i, v := range x {
			f, e := math.Frexp(float64(v))
			x[i] = float32(math.Ldexp(math.RoundToEven(math.Ldexp(f, bits)), e-bits))
		}
	}
	return odd{Device: dev, set: round, step: func(s *device.Step) { round(s.X) }}
}

// precisions that cards compute in.
var precisions = []struct {
	name        string
	bits        int
	limit, unit float64
}{{"f32", 24, tolerance, unit32}, {"tf32", 11, 2e-2, unitTF32}, {"bf16", 8, 6e-2, unitBF16}}

// illConditioned are cases of nets whose results rounding moves by more than the limits.
func illConditioned(t *testing.T, each func(name string, a *answers, prepare func(uint64))) {
	for _, mod := range models() {
		if mod.name != "loss/large" && !strings.HasPrefix(mod.name, "clip/0") {
			continue
		}
		for _, batch := range []int{max(1, mod.least), 17, 129} {
			m := mod.net(t)
			j := job{m: m, mode: plan.Train, lr: mod.rate(0.05), optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-2}, threads: 2, batch: batch, ns: []int{max(1, batch*2/3, mod.least), batch}}
			each(fmt.Sprintf("%s/batch%d", mod.name, batch), newAnswers(j), func(seed uint64) { prepare(m, 1, seed) })
		}
	}
}

// TestRoundingIsNoFault: a device that only rounds passes with any numbers.
func TestRoundingIsNoFault(t *testing.T) {
	trials := uint64(30)
	if testing.Short() {
		trials = 5
	}
	illConditioned(t, func(name string, a *answers, prepare func(uint64)) {
		for _, p := range precisions {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				dev := family{rounding(cpu.New(), p.bits), nil, p.limit, p.unit}
				for n := range trials {
					if d := compare(t, dev, a, prepare, 100*n, nil); d != "" {
						t.Errorf("numbers %d: %s", 100*n+1, d)
					}
				}
			})
		}
	})
}

// TestFaultsAreFound: and one that does something wrong beside it never does.
func TestFaultsAreFound(t *testing.T) {
	faults := map[string]odd{
		"a label off by one": {step: func(s *device.Step) {
			for i, l := range s.Labels {
				s.Labels[i] = max(0, l-1)
			}
		}},
		"a product without its last input": {step: func(s *device.Step) {
			in := len(s.X) / len(s.Labels)
			for i := in - 1; i < len(s.X); i += in {
				s.X[i] = 0
			}
		}},
		"a gradient behind the bound of a clip": {plan: func(p *device.Plan) {
			for _, r := range p.Regions {
				for i := range r.Calls {
					if c := &r.Calls[i]; c.Kernel == device.ActDX && c.Act == device.Clip {
						c.S[0] = -1e9
					}
				}
			}
		}},
	}
	trials := uint64(10)
	if testing.Short() {
		trials = 2
	}
	illConditioned(t, func(name string, a *answers, prepare func(uint64)) {
		for what, fault := range faults {
			if strings.Contains(what, "clip") != strings.HasPrefix(name, "clip") {
				continue
			}
			for _, p := range precisions {
				t.Run(p.name+"/"+name+"/"+what, func(t *testing.T) {
					f := rounding(cpu.New(), p.bits)
					round := f.step
					f.plan, f.step = fault.plan, func(s *device.Step) {
						round(s)
						if fault.step != nil {
							fault.step(s)
						}
					}
					dev := family{f, nil, p.limit, p.unit}
					missed := 0
					for n := range trials {
						if compare(t, dev, a, prepare, 100*n, nil) == "" {
							missed++
						}
					}
					if missed > 0 {
						t.Errorf("missed with %d of %d numbers", missed, trials)
					}
				})
			}
		}
	})
}

// TestNothingButRounding: a result that ref has as nothing but rounding is measured by its
// group, and a term that is there and should not be is found.
func TestNothingButRounding(t *testing.T) {
	want := []result{{name: "gradient of k", group: "gradients", x: []float32{0.1, -0.02}}, {name: "gradient of k.bias", group: "gradients", x: []float32{1e-8, 0}}}
	for off, wrong := range map[float32]bool{5e-7: false, 2e-6: true} {
		got := []result{want[0], want[1]}
		got[1].x = []float32{1e-8, off}
		if d := differ(got, want, tolerance, nil); (d != "") != wrong {
			t.Errorf("off by %g: %q", off, d)
		}
	}
}
