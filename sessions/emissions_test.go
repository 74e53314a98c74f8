package sessions

import (
	"runtime"
	"testing"

	"pare/core/energy"
	"pare/core/event"
	"pare/hwprofiles"
)

// emissionsOf are the rows of a session whose log says this: those of three stages.
func emissionsOf(t *testing.T, log ...event.Body) (*Session, []energy.Emission) {
	t.Helper()
	s := newSession(t, "", 100)
	st, err := openStore(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range log {
		if _, err := st.Emit(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Emissions()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	return s, rows
}

// TestEmissions: one row for each stage that began, what it cost so far, and
// nothing where nothing was measured.
func TestEmissions(t *testing.T) {
	uj := func(v int64) *int64 { return &v }
	s, rows := emissionsOf(t,
		&event.Started{Format: event.Version, Pare: "9", Model: "m", Data: "d", Machine: hwprofiles.CPUModel(), Boundary: "CPU package, all processes"},
		&event.Metric{Stage: event.Baseline, CPUUS: 4e6, WallUS: 2e6, Energy: event.Joules{UJ: uj(20e6), Tier: "B", Source: "rapl", Band: 1}},
		&event.StageCost{Stage: event.Baseline, CPUUS: 10e6, WallUS: 5e6, Energy: event.Joules{UJ: uj(50e6), Tier: "B", Source: "rapl", Band: 2}},
		&event.StageCost{Stage: event.Configure, CPUUS: 1e6, WallUS: 1e6, Energy: event.Joules{Source: "rapl"}},
		&event.Metric{Stage: event.Sparsify, CPUUS: 3e6, WallUS: 1e6, Energy: event.Joules{UJ: uj(7e6), Tier: "E", Source: "profile x", Band: 70}},
	)
	b, c, p := rows[0], rows[1], rows[2]
	if b.Stage != "baseline" || *b.Energy.UJ != 50e6 || b.Seconds != 5 || b.Component != "cpu" || b.Process || b.Project != "m on d" || b.Run != s.ID || b.CPUs != runtime.NumCPU() || b.Epoch != energy.NoEpoch || b.At.IsZero() {
		t.Errorf("baseline: %+v", b)
	}
	if c.Stage != "configure" || c.Energy.UJ != nil {
		t.Errorf("configure: %+v", c)
	}
	if p.Stage != "sparsify" || *p.Energy.UJ != 7e6 || p.Energy.Tier != energy.TierE || !p.Process {
		t.Errorf("sparsify: %+v", p)
	}
	if b.Apart != (energy.Apart{}) {
		t.Errorf("baseline: %+v", b.Apart)
	}
	if a := p.Apart; a != (energy.Apart{}) {
		t.Errorf("sparsify: %+v", a)
	}
	// The joules of a card are none of the CPU's.
	if component("CPU package, all processes + 1 NVIDIA GPU, the whole card, all processes") != "" || component("2 CPU packages, all processes") != "cpu" {
		t.Error("component of a sum")
	}
	if component("CPU package and memory, all processes") != "" || component("the whole board at the wall") != "" || component("CPU time of this process, watts of CPU package") != "cpu" {
		t.Error("component")
	}
}

// TestEmissionsApart: what the meter told apart comes into the rows, of whole bills alone.
func TestEmissionsApart(t *testing.T) {
	uj := func(v int64) *int64 { return &v }
	part := func(stage event.Stage, all, cpu, ram int64) *event.StageCost {
		c := &event.StageCost{Stage: stage, CPUUS: 1e6, WallUS: 1e6, Energy: event.Joules{UJ: &all, Tier: "B", Source: "rapl"}}
		if ram > 0 {
			c.Apart = &event.Apart{CPU: &cpu, Memory: &ram}
		}
		return c
	}
	twice := part(event.Configure, 10e6, 8e6, 2e6).Plus(*part(event.Configure, 5e6, 4e6, 1e6))
	mixed := part(event.Sparsify, 10e6, 8e6, 2e6).Plus(*part(event.Sparsify, 5e6, 0, 0))
	short := (event.StageCost{WallUS: 5}).Plus(*part(event.Baseline, 10e6, 8e6, 2e6)) // its first piece had no joules
	short.Stage, twice.Stage, mixed.Stage = event.Baseline, event.Configure, event.Sparsify
	_, rows := emissionsOf(t, &event.Started{Format: event.Version, Boundary: "CPU package and memory, all processes"}, &short, &twice, &mixed)
	for i, want := range []energy.Apart{{CPU: uj(8e6), Memory: uj(2e6)}, {CPU: uj(12e6), Memory: uj(3e6)}, {}} {
		if got := rows[i].Apart; (got.CPU == nil) != (want.CPU == nil) || want.CPU != nil && (*got.CPU != *want.CPU || *got.Memory != *want.Memory) || got.GPU != nil {
			t.Errorf("%s: %+v, want %+v", rows[i].Stage, got, want)
		}
	}
}

// TestEmissionsAfterAnotherMeter: a run that began with a counter and was resumed
// without it. What was measured before stays measured by that counter; a stage that
// both billed names both, and counts for no component.
func TestEmissionsAfterAnotherMeter(t *testing.T) {
	uj := func(v int64) *int64 { return &v }
	_, rows := emissionsOf(t,
		&event.Started{Format: event.Version, Boundary: "CPU package, all processes"},
		&event.StageCost{Stage: event.Baseline, CPUUS: 10e6, WallUS: 5e6, Energy: event.Joules{UJ: uj(50e6), Tier: "B", Source: "rapl"}},
		&event.Metric{Stage: event.Sparsify, CPUUS: 1e6, WallUS: 1e6, Energy: event.Joules{UJ: uj(7e6), Tier: "B", Source: "rapl"}},
		&event.Started{Format: event.Version, Boundary: "CPU time of this process"},
		&event.Metric{Stage: event.Sparsify, CPUUS: 3e6, WallUS: 2e6, Energy: event.Joules{UJ: uj(17e6), Tier: "E", Source: "rapl, then profile x", Band: 70}},
		&event.StageCost{Stage: event.Validate, CPUUS: 1e6, WallUS: 1e6, Energy: event.Joules{UJ: uj(6e6), Tier: "E", Source: "profile x", Band: 70}},
	)
	for i, want := range []struct{ boundary, component, tier string }{
		{"CPU package, all processes", "cpu", "B"},
		{"CPU package, all processes, then CPU time of this process", "", "E"},
		{"CPU time of this process", "", "E"},
	} {
		if r := rows[i]; r.Energy.Boundary != want.boundary || r.Component != want.component || string(r.Energy.Tier) != want.tier || r.Process != (want.tier == "E") {
			t.Errorf("%s: %+v", r.Stage, r)
		}
	}
}
