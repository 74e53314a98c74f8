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
	near(t, "small products", p.Estimate([]Cost{{MACs: 50e9, Edge: 0.5}}).Seconds, 1.5)
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
		"rate":         {func(p *Profile) { p.Rates = nil }, Cost{MACs: 1}, "f32 rate is unknown", false},
		"element type": {func(*Profile) {}, Cost{MACs: 1, Elem: "fp8"}, "fp8 rate", false},
		"CPUs":         {func(p *Profile) { p.RatesPerCPU, p.Threads, p.Cores = true, 0, 0 }, Cost{MACs: 1}, "how many CPUs", false},
		"busy":         {func(p *Profile) { p.BusyCoreW = nil }, Cost{MACs: 1}, "power per busy CPU", true},
		"band":         {func(p *Profile) { p.BandPct = nil }, Cost{MACs: 1}, "band", true},
		"GPU power":    {func(p *Profile) { p.Kind = "gpu" }, Cost{MACs: 1}, "power is unknown", true},
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

// The measured figures of the H200 come out of its profile.
func TestH200TwoFour(t *testing.T) {
	noUser(t)
	p, err := Load("h200-sxm")
	if err != nil {
		t.Fatal(err)
	}
	n := int64(8192)
	dense := p.Estimate([]Cost{{MACs: n * n * n, Elem: "bf16"}})
	tf := p.Estimate([]Cost{{MACs: n * n * n, Skipped: n * n * n / 2, Pattern: TwoFour, Elem: "bf16"}})
	// 1.52 for the arithmetic; the launch, which both have, takes little of that.
	if gain := *dense.Seconds / *tf.Seconds; gain > 1.524 || gain < 1.52 {
		t.Errorf("speed-up of 2:4: %g, measured 1.52", gain)
	}
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
		c.Spared = rapid.Int64Range(-c.Read, c.Read+c.Written).Draw(t, "spared")
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
		case *e.Seconds > 0 && math.Abs(e.Bound.Arithmetic+e.Bound.Memory+e.Bound.Calls-1) > 1e-9:
			t.Fatalf("shares of the time: %+v", e.Bound)
		case !s.Kernel && *e.Seconds != *dense.Seconds:
			t.Fatalf("a gain without a kernel: %g, %g", *e.Seconds, *dense.Seconds)
		case !s.Kernel && c.Skipped > 0 && !strings.Contains(e.Note, "no gain"):
			t.Fatalf("note %q", e.Note)
		}
	})
}

// Element zeros on a GPU give the dense estimate, to the bit, and a note.
func TestElementZerosOnGPUs(t *testing.T) {
	noUser(t)
	n := 0
	for _, p := range List() {
		if p.Kind != "gpu" {
			continue
		}
		n++
		c := Cost{MACs: 1e9, Read: 5e6, Written: 1e6}
		dense := p.Estimate([]Cost{c, c})
		c.Skipped, c.Spared, c.Pattern = 9e8, 3e6, Element
		e := p.Estimate([]Cost{c, c})
		want := "element zeros: no kernel on " + p.Name + ", no gain"
		if !strings.Contains(e.Note, want) || strings.Contains(dense.Note, "zeros") {
			t.Errorf("%s: notes %q, dense %q", p.Name, e.Note, dense.Note)
		}
		if dense.Seconds == nil || dense.Joules == nil || *e.Seconds != *dense.Seconds || *e.Joules != *dense.Joules ||
			e.Moved != dense.Moved || e.Bound != dense.Bound || e.BandPct != dense.BandPct {
			t.Errorf("%s: %+v with zeros, %+v dense", p.Name, e, dense)
		}
	}
	if n < 15 {
		t.Errorf("only %d GPUs looked at", n)
	}
}

// What decides a call's time is told apart, and the shares make up the whole.
func TestBound(t *testing.T) {
	p := box()
	p.CallUS = fig(0.5e6)
	e := p.Estimate([]Cost{{MACs: 50e9, Read: 1e9}, {MACs: 50e9, Read: 15e9, Written: 5e9}}) // 1 s of arithmetic, 2 s of memory, 2 × 0.5 s
	near(t, "seconds", e.Seconds, 4)
	if want := (Bound{0.25, 0.5, 0.25}); e.Bound != want || e.Moved != 21e9 {
		t.Errorf("%+v, %d bytes; want %+v", e.Bound, e.Moved, want)
	}
	if e := box().Estimate([]Cost{{}}); e.Seconds == nil || *e.Seconds != 0 || e.Bound != (Bound{}) {
		t.Errorf("nothing to do: %+v", e)
	}
	p.Rates = nil
	if e := p.Estimate([]Cost{{MACs: 1}}); e.Bound != (Bound{}) || e.Moved != 0 {
		t.Errorf("unknown: %+v", e)
	}
	g := box()
	g.Kind, g.TDPW, g.Threads = "gpu", fig(100), 0
	if e := g.Estimate([]Cost{{MACs: 1}}); !strings.Contains(e.Note, "launch costs is unknown") {
		t.Errorf("a GPU without call_us: %q", e.Note)
	}
	g.CallUS, g.FullW = fig(5), fig(100)
	if e := g.Estimate([]Cost{{MACs: 1}}); !strings.Contains(e.Note, "mostly launches") || e.Bound.Calls < 0.99 {
		t.Errorf("a launch only: %+v", e)
	}
	if e := g.Estimate([]Cost{{MACs: 50e9}}); strings.Contains(e.Note, "launch") {
		t.Errorf("a large product: %+v", e)
	}
}

// Where a kernel leaves weights out, their bytes stay as well; where none does, all move.
func TestSparedBytes(t *testing.T) {
	p := box()
	c := Cost{MACs: 1e9, Skipped: 5e8, Read: 20e9, Spared: 5e9, Pattern: Block4x1}
	e := p.Estimate([]Cost{c})
	near(t, "memory bound", e.Seconds, 1.5)
	if e.Moved != 15e9 {
		t.Errorf("%d bytes", e.Moved)
	}
	c.Pattern = Element
	if e := p.Estimate([]Cost{c}); *e.Seconds != 2 || e.Moved != 20e9 {
		t.Errorf("no kernel: %g s, %d bytes", *e.Seconds, e.Moved)
	}
	c.Pattern, c.Spared = Block4x1, -1e9 // their places take more than the weights
	if e := p.Estimate([]Cost{c}); *e.Seconds != 2 || e.Moved != 20e9 {
		t.Errorf("dense kernel is faster: %g s, %d bytes", *e.Seconds, e.Moved)
	}
	c.Spared = 21e9
	if e := p.Estimate([]Cost{c}); e.Seconds != nil || !strings.Contains(e.Note, "inconsistent") {
		t.Errorf("more spared than there is: %+v", e)
	}
	near(t, "an update alone", p.Estimate([]Cost{{Read: 10e9, Spared: 5e9, Pattern: TwoFour}}).Seconds, 0.5)
}
