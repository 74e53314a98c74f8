package hwprofiles

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func fig(v float64) *Figure { return &Figure{Value: v, Source: "test"} }

// box does 100 GFLOP/s and 10 GB/s and draws 4 CPUs × 5 W.
func box() Profile {
	return Profile{
		Name: "box", Kind: "cpu", Cores: 2, Threads: 4,
		BusyCoreW: fig(5), BandPct: fig(30), BandwidthGBs: fig(10),
		Rates: map[string]Rate{"f32": {Peak: fig(200), Achievable: fig(100)}, "bf16": {Peak: fig(400)}},
		Sparse: []Sparse{
			{Pattern: Block4x1, Kernel: true, Efficiency: fig(0.5)},
			{Pattern: Element, Kernel: false},
			{Pattern: TwoFour, Kernel: true},
		},
	}
}

func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: nil, want %g", what, want)
	} else if math.Abs(*got-want) > 1e-12*math.Abs(want) {
		t.Errorf("%s: %g, want %g", what, *got, want)
	}
}

func TestEstimate(t *testing.T) {
	p := box()
	e := p.Estimate([]Cost{{MACs: 50e9}}) // 100 GFLOP at 100 GFLOP/s
	near(t, "arithmetic bound", e.Seconds, 1)
	near(t, "joules", e.Joules, 20)
	if e.BandPct != 30 || e.Tier != "E" || e.Note != "" {
		t.Errorf("%+v", e)
	}
	near(t, "memory bound", p.Estimate([]Cost{{MACs: 1e9, Read: 15e9, Written: 5e9}}).Seconds, 2)
	near(t, "sum", p.Estimate([]Cost{{MACs: 50e9}, {Read: 20e9}}).Seconds, 3)

	e = p.Estimate([]Cost{{MACs: 50e9, Skipped: 45e9, Pattern: Element}})
	near(t, "no kernel", e.Seconds, 1)
	if !strings.Contains(e.Note, "element zeros: no kernel on box, no gain") {
		t.Errorf("note %q", e.Note)
	}
	e = p.Estimate([]Cost{{MACs: 50e9, Skipped: 45e9}})
	near(t, "unnamed pattern", e.Seconds, 1)
	if !strings.Contains(e.Note, "no gain") {
		t.Errorf("note %q", e.Note)
	}
	e = p.Estimate([]Cost{{MACs: 50e9, Skipped: 45e9, Pattern: Block4x1}})
	near(t, "90 % zeros at half the rate", e.Seconds, 0.2)
	near(t, "its joules", e.Joules, 4)
	e = p.Estimate([]Cost{{MACs: 50e9, Skipped: 20e9, Pattern: Block4x1}})
	near(t, "below break-even", e.Seconds, 1)
	if !strings.Contains(e.Note, "too few") {
		t.Errorf("note %q", e.Note)
	}
	e = p.Estimate([]Cost{{MACs: 50e9, Skipped: 25e9, Pattern: TwoFour}})
	near(t, "unknown efficiency", e.Seconds, 0.5)
	if !strings.Contains(e.Note, "upper limit") {
		t.Errorf("note %q", e.Note)
	}
	e = p.Estimate([]Cost{{MACs: 50e9, Elem: "bf16"}})
	near(t, "peak only", e.Seconds, 0.25)
	if !strings.Contains(e.Note, "lower limit") {
		t.Errorf("note %q", e.Note)
	}
	p.Visible = 1
	e = p.Estimate([]Cost{{MACs: 50e9}})
	near(t, "one of four CPUs", e.Seconds, 4)
	near(t, "joules do not depend on the CPUs", e.Joules, 20)
	p.Visible, p.FullW = 0, fig(12)
	near(t, "full power is the limit", p.Estimate([]Cost{{MACs: 50e9}}).Joules, 12)
}

func TestEstimateUnknownIsNil(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Profile)
		cost    Cost
		note    string
		seconds bool // still known
	}{
		"rate":         {func(p *Profile) { p.Rates = nil }, Cost{MACs: 1}, "f32 rate of box is unknown", false},
		"element type": {func(*Profile) {}, Cost{MACs: 1, Elem: "fp8"}, "fp8 rate", false},
		"CPUs":         {func(p *Profile) { p.RatesPerCPU, p.Threads, p.Cores = true, 0, 0 }, Cost{MACs: 1}, "how many CPUs", false},
		"busy":         {func(p *Profile) { p.BusyCoreW = nil }, Cost{MACs: 1}, "power per busy CPU", true},
		"band":         {func(p *Profile) { p.BandPct = nil }, Cost{MACs: 1}, "band", true},
		"GPU power":    {func(p *Profile) { p.Kind = "gpu" }, Cost{MACs: 1}, "power of box is unknown", true},
		"inconsistent": {func(*Profile) {}, Cost{MACs: 1, Skipped: 2}, "inconsistent", false},
		"negative":     {func(*Profile) {}, Cost{MACs: 1, Read: -2}, "inconsistent", false},
	} {
		p := box()
		c.change(&p)
		e := p.Estimate([]Cost{c.cost})
		if e.Joules != nil || (e.Seconds != nil) != c.seconds || !strings.Contains(e.Note, c.note) || e.BandPct != 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := box().Estimate(nil); e.Seconds != nil || e.Joules != nil || e.Note == "" {
		t.Errorf("nothing to estimate: %+v", e)
	}
	p := box()
	p.BandwidthGBs = nil
	if e := p.Estimate([]Cost{{MACs: 50e9, Read: 1e12}}); e.Seconds == nil || *e.Seconds != 1 || !strings.Contains(e.Note, "bandwidth") {
		t.Errorf("bandwidth unknown: %+v", e)
	}
}

// The published figures of the H200 come out of its profile.
func TestH200TwoFour(t *testing.T) {
	noUser(t)
	p, err := Load("h200-sxm")
	if err != nil {
		t.Fatal(err)
	}
	n := int64(8192)
	dense := p.Estimate([]Cost{{MACs: n * n * n, Elem: "bf16"}})
	tf := p.Estimate([]Cost{{MACs: n * n * n, Skipped: n * n * n / 2, Pattern: TwoFour, Elem: "bf16"}})
	near(t, "speed-up of 2:4", ptr(*dense.Seconds / *tf.Seconds), 1.53)
	un := p.Estimate([]Cost{{MACs: n * n * n, Skipped: n * n * n * 9 / 10, Pattern: Element, Elem: "bf16"}})
	near(t, "unstructured zeros gain nothing", un.Seconds, *dense.Seconds)
	a, err := Load("a100-sxm-80")
	if err != nil {
		t.Fatal(err)
	}
	if e := a.Estimate([]Cost{{MACs: n * n * n, Elem: "bf16"}}); !strings.Contains(e.Note, "TDP") {
		t.Errorf("the A100's joules come from its TDP and must say so: %q", e.Note)
	}
}

func ptr(v float64) *float64 { return &v }

// Zeros never make a prediction slower, and without a kernel they change nothing.
func TestEstimateProperties(t *testing.T) {
	noUser(t)
	ps := List()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(ps).Draw(t, "profile")
		p.Visible = rapid.IntRange(1, 64).Draw(t, "cpus")
		c := Cost{
			MACs: rapid.Int64Range(1, 1<<40).Draw(t, "macs"),
			Read: rapid.Int64Range(0, 1<<36).Draw(t, "read"), Written: rapid.Int64Range(0, 1<<36).Draw(t, "written"),
		}
		dense := p.Estimate([]Cost{c})
		c.Skipped = rapid.Int64Range(0, c.MACs).Draw(t, "skipped")
		c.Pattern = rapid.SampledFrom(append([]string{""}, patterns...)).Draw(t, "pattern")
		e := p.Estimate([]Cost{c})
		if (dense.Seconds == nil) != (e.Seconds == nil) {
			t.Fatalf("zeros change what is known: %+v %+v", dense, e)
		}
		if e.Seconds == nil {
			return
		}
		s, _ := p.SparseFor(c.Pattern)
		switch {
		case *e.Seconds > *dense.Seconds:
			t.Fatalf("%g s with zeros, %g dense", *e.Seconds, *dense.Seconds)
		case !s.Kernel && *e.Seconds != *dense.Seconds:
			t.Fatalf("a gain without a kernel: %g, %g", *e.Seconds, *dense.Seconds)
		case !s.Kernel && c.Skipped > 0 && !strings.Contains(e.Note, "no gain"):
			t.Fatalf("note %q", e.Note)
		}
	})
}
