package event

// Clock is how the times of a run are called: CPU time, or of a run that computes on a
// card what passed on the clock while the card worked, since the process sleeps
// meanwhile.
type Clock struct {
	Unit string // before s, ms and µs: "CPU", "GPU"; "" for times of both kinds
	Name string // in a sentence: "CPU time", "time on the card"
}

// ClockOf is the clock of a kind of hardware, "cpu" or "gpu".
func ClockOf(kind string) Clock {
	if kind == "gpu" {
		return Clock{"GPU", "time on the card"}
	}
	return Clock{"CPU", "CPU time"}
}

// OnCard tells whether the run computes on a card. Logs from before the kind was
// written are known by their device.
func (s *Started) OnCard() bool { return s.HWKind == "gpu" || s.HWKind == "" && s.Device == "cuda" }

// Clock is that of the run.
func (s *Started) Clock() Clock {
	if s.OnCard() {
		return ClockOf("gpu")
	}
	return ClockOf("cpu")
}

// Busy is the time that work took by the run's clock, µs.
func (s *Started) Busy(cpuUS, wallUS int64) int64 {
	if s.OnCard() {
		return wallUS
	}
	return cpuUS
}

// BusyUS is that of an epoch's training steps.
func (s *State) BusyUS(e *EpochCost) int64 { return s.Started.Busy(e.CPUUS, e.WallUS) }

// Of puts the unit before s or ms: "CPU ms".
func (c Clock) Of(unit string) string {
	if c.Unit == "" {
		return unit
	}
	return c.Unit + " " + unit
}

// Total names the time of a whole run: of one on a card all that was billed, since
// evaluations and probes have no time of the card of their own.
func (c Clock) Total() string {
	if c.Unit != "CPU" {
		return "time this run"
	}
	return c.Unit + " this run"
}
