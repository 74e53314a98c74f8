package event

// Outcome is how the run ended where that is more than its verdict, which is of accuracy
// alone: a target that was missed or lowered, a budget that is spent. "" before the end.
func (s *State) Outcome() string {
	d := s.Done
	if d == nil || s.Verdict != nil && d.Text == "verdict "+s.Verdict.Verdict {
		return ""
	}
	return d.Text
}
