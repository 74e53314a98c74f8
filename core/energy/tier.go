package energy

// Tier says how an energy figure is known, best first. It stands beside every
// figure, on screen and in files.
type Tier string

// The tiers of the design.
const (
	TierA    Tier = "A" // a wall meter or power analyser given by the person
	TierB    Tier = "B" // a hardware energy counter (RAPL, NVML)
	TierC    Tier = "C" // integrated power samples
	TierD    Tier = "D" // a model calibrated on this machine
	TierE    Tier = "E" // a hardware profile only
	TierNone Tier = ""  // not available
)

// Measured reports whether a figure of this tier may be called measured: A to C.
func (t Tier) Measured() bool { return t == TierA || t == TierB || t == TierC }

// Known reports whether t is one of A to E.
func (t Tier) Known() bool { return t.rank() > 0 }

func (t Tier) rank() int {
	if len(t) == 1 && t[0] >= 'A' && t[0] <= 'E' {
		return int(t[0]-'A') + 1
	}
	return 0
}

// Worse returns the worse of both; TierNone gives way to any other.
func (t Tier) Worse(o Tier) Tier {
	if o.rank() > t.rank() {
		return o
	}
	return t
}

// Meaning is the tier in words, for legends.
func (t Tier) Meaning() string {
	switch t {
	case TierA:
		return "wall meter"
	case TierB:
		return "hardware counter"
	case TierC:
		return "integrated power samples"
	case TierD:
		return "calibrated model"
	case TierE:
		return "profile only, estimated"
	}
	return "not available"
}
