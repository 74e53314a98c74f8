package event

import (
	"maps"
	"testing"
)

// TestChosenAddsUp: choices of several times and cards stay beside each other, through
// resumes; a state that was read before keeps what it showed.
func TestChosenAddsUp(t *testing.T) {
	var s State
	say := func(b Body) { s.Apply(Event{Seq: s.Seq + 1, Body: b}) }
	say(&Chosen{On: "a", Choices: map[string]string{"x": "1"}})
	early := s
	say(&Chosen{On: "a", Choices: map[string]string{"y": "2"}})
	say(&Resumed{Checkpoint: "s1-000000", Stage: Baseline, Why: "crash"})
	say(&Chosen{On: "b", Choices: map[string]string{"x": "3"}})
	if !maps.Equal(s.Chosen["a"], map[string]string{"x": "1", "y": "2"}) || !maps.Equal(s.Chosen["b"], map[string]string{"x": "3"}) {
		t.Errorf("%v", s.Chosen)
	}
	if len(early.Chosen) != 1 || len(early.Chosen["a"]) != 1 {
		t.Errorf("the earlier state has %v", early.Chosen)
	}
}
