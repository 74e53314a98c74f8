package event

import "fmt"

// What a pause is for, as the log has it.
const (
	WhyPerson   = "person"
	WhyFloor    = "floor" // accuracy fell under it, and the recipe asks to hold there
	WhyDiverged = "diverged"
	WhyStopped  = "stopped" // the run has ended and can be resumed
)

// PausedFor is why the run is paused, in words; "" where the log does not say.
func (s *State) PausedFor() string {
	switch n := len(s.Floors); {
	case s.Why == WhyPerson:
		return "by a person"
	case s.Why == WhyFloor && n > 0:
		f := s.Floors[n-1]
		return fmt.Sprintf("accuracy %.1f %% is under the floor of %.1f %% at %.1f %% zeros: back at %s", 100*f.Acc, 100*f.Floor, 100*f.Zeros, f.Back)
	case s.Why == WhyDiverged && s.Diverged != nil:
		return fmt.Sprintf("the loss became %s: back at %s", s.Diverged.Loss, s.Diverged.Back)
	}
	return s.Why
}
