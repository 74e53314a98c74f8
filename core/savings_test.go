package core

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// TestSavingWords: what a saving in joules is called, by how the joules of both
// sides are known. codecarbon#477: a constant power is said to be one.
func TestSavingWords(t *testing.T) {
	const constant = "busy power taken as constant, so it equals the saving in CPU time"
	for _, c := range []struct {
		dense, now string // tiers; "" is not measured
		want       string
		measured   bool
	}{
		{"A", "A", "J per step −50 % (±15 %), measured, tier A", true},
		{"B", "B", "J per step −50 % (±15 %), measured, tier B", true},
		{"B", "C", "J per step −50 % (±15 %), measured, tier C", true},
		{"E", "E", "J −50 % by tier E: " + constant, false},
		{"B", "E", "J cannot be compared: dense by tier B, now by tier E", false}, // the counter was lost in between
		{"E", "B", "J cannot be compared", false},
		{"D", "D", "J −50 % by tier D", false},
		{"", "", "J not measured", false},
		{"B", "", "J not measured", false},
	} {
		side := func(tier string, uj int64) event.Side {
			s := event.Side{StepCPUUS: float64(uj)}
			if tier != "" {
				s.StepEnergy = event.Joules{UJ: &uj, Tier: tier, Band: 20}
			}
			return s
		}
		got := savings(&event.Ledger{Rounds: 5, Dense: side(c.dense, 1000), Now: side(c.now, 500)})
		if !strings.Contains(got, "CPU time per step −50 %") || !strings.Contains(got, c.want) {
			t.Errorf("%s/%s: %q", c.dense, c.now, got)
		}
		if strings.Contains(strings.ReplaceAll(got, "not measured", ""), "measured") != c.measured {
			t.Errorf("%s/%s: %q", c.dense, c.now, got)
		}
	}
}

// TestSavingWithinTheBand: what the meter cannot tell apart is no saving.
func TestSavingWithinTheBand(t *testing.T) {
	du, nu := int64(249_000), int64(47_800)
	l := &event.Ledger{Rounds: 5,
		Dense: event.Side{StepCPUUS: 1590, StepEnergy: event.Joules{UJ: &du, Tier: "B", Band: 494}},
		Now:   event.Side{StepCPUUS: 1620, StepEnergy: event.Joules{UJ: &nu, Tier: "B", Band: 50}},
	}
	if s := savings(l); !strings.Contains(s, "J per step −81 %: no difference beyond the meter's ±96 %, tier B") || strings.Contains(s, "measured") {
		t.Errorf("%q", s)
	}
}

// TestNoSaving: a step that is not faster saves nothing, and it is said.
func TestNoSaving(t *testing.T) {
	uj := int64(100)
	side := func(us float64) event.Side {
		return event.Side{StepCPUUS: us, StepBand: 5, StepEnergy: event.Joules{UJ: &uj, Tier: "E"}}
	}
	for now, none := range map[float64]bool{105: true, 98: true, 80: false} {
		if s := savings(&event.Ledger{Rounds: 5, Dense: side(100), Now: side(now)}); strings.Contains(s, "no saving shown, nor in J by tier E") != none {
			t.Errorf("%g of 100 µs: %q", now, s)
		}
	}
}

// TestSmallStepsByTierE: the joules of a small step are few whole µJ; the saving
// said is still that of the CPU time.
func TestSmallStepsByTierE(t *testing.T) {
	one, two := int64(1), int64(2)
	l := &event.Ledger{Rounds: 5,
		Dense: event.Side{StepCPUUS: 0.24, StepEnergy: event.Joules{UJ: &two, Tier: "E"}},
		Now:   event.Side{StepCPUUS: 0.18, StepEnergy: event.Joules{UJ: &one, Tier: "E"}},
	}
	if s := savings(l); !strings.Contains(s, "CPU time per step −25 %") || !strings.Contains(s, "J −25 % by tier E") {
		t.Errorf("%q", s)
	}
}

// TestWithoutACounterJoulesAreCPUTime: a whole run on a machine without a counter.
// Every joule of it is its CPU time at one power, is of tier E, and the saving in
// joules is the saving in CPU time; nothing the run says calls it
// measured.
func TestWithoutACounterJoulesAreCPUTime(t *testing.T) {
	for _, saves := range []bool{true, false} {
		onItsOwnClock(t, func(t *testing.T, p *pacer) {
			if saves {
				p.pace = func(left float64) time.Duration { return time.Duration(left * float64(time.Millisecond)) }
			}
			withoutACounter(t, saves)
		})
	}
}

func withoutACounter(t *testing.T, saves bool) {
	m, err := energy.Open(energy.Options{GPU: energy.GPUNone})
	if err != nil {
		t.Fatal(err)
	}
	p := m.Profile()
	if m.Close(); m.Tier() != energy.TierE {
		t.Skipf("the profile of this machine, %s, has no watts", p.Name)
	}
	w := p.BusyCoreW.Value
	var st MemStore
	runAll(t, small(), nil, &st)
	s := &st.State
	if s.Started.Tier != "E" || !strings.HasPrefix(s.Started.Meter, "profile ") || s.Started.MeterWhy == "" { // no silent fallback
		t.Errorf("%+v", s.Started)
	}
	bills := map[string]event.StageCost{}
	for i := event.Baseline; i <= event.Deploy; i++ {
		bills[i.String()] = s.Stages[i].Cost
	}
	for _, e := range s.Epochs {
		bills[fmt.Sprint("epoch ", e.Epoch, " of ", e.Stage)] = event.StageCost{CPUUS: e.CPUUS, WallUS: e.WallUS, Energy: e.Energy}
	}
	for name, c := range bills {
		if c.WallUS == 0 && c.Energy.UJ == nil { // by that clock nothing was done, and a window has a least length
			continue
		}
		if c.Energy.UJ == nil || c.Energy.Tier != "E" || math.Abs(float64(*c.Energy.UJ)-w*float64(c.CPUUS)) >= 1 {
			t.Errorf("%s: %+v, want %g W for %d µs of CPU time", name, c.Energy, w, c.CPUUS)
		}
	}
	l := s.Ledger
	joules := float64(*l.Now.StepEnergy.UJ) / float64(*l.Dense.StepEnergy.UJ)
	cpu := l.Now.StepCPUUS / l.Dense.StepCPUUS
	if l.Dense.StepEnergy.Tier != "E" || l.Now.StepEnergy.Tier != "E" || math.Abs(joules-cpu) > (1+cpu)*(0.001+2/float64(*l.Dense.StepEnergy.UJ)) { // whole µJ on both sides, and steps of iris are some µJ
		t.Errorf("J %.4f of dense, CPU time %.4f of dense; %+v", joules, cpu, l)
	}
	said := []string{s.Verdict.Text, s.Done.Text}
	if s.LastPoints != nil {
		said = append(said, s.LastPoints.Text)
		if !strings.Contains(s.LastPoints.Text, "CPU time") {
			t.Errorf("%q: shares of joules that nobody measured", s.LastPoints.Text)
		}
	}
	for _, w := range s.Warnings {
		said = append(said, w.Text)
	}
	for _, text := range said {
		if strings.Contains(text, "measured") {
			t.Errorf("tier E beside the word measured: %q", text)
		}
	}
	want := "by tier E: busy power taken as constant, so it equals the saving in CPU time"
	if !saves {
		want = "no saving shown, nor in J by tier E"
	}
	if !strings.Contains(s.Verdict.Text, want) {
		t.Errorf("%q", s.Verdict.Text)
	}
}
