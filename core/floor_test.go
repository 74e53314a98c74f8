package core

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pare/core/event"
)

// steep falls through its floor; what happens then is asked.
func steep() *Recipe {
	r := small()
	r.Auto = false
	r.Train.Epochs, r.Prune.Epochs = 40, 20
	r.Prune.Target, r.Floor.Points, r.Floor.Pause = 0.98, 1, true
	return r
}

// pauses are the reasons of a run's pauses, in order.
func pauses(st *MemStore) (why []string) {
	for _, e := range st.Events {
		if b, ok := e.Body.(*event.Paused); ok {
			why = append(why, b.Why)
		}
	}
	return why
}

// TestFloorPausesIfAsked: after going back the run is held, and told why; going on ends
// in the same bits as without the question, and nobody is asked where nobody is.
func TestFloorPausesIfAsked(t *testing.T) {
	plain := steep()
	plain.Floor.Pause = false
	var without MemStore
	if _, err := drive(t, plain, &without, nextAtDoors); err != nil {
		t.Fatal(err)
	}
	if len(without.State.Floors) == 0 || len(pauses(&without)) != 0 {
		t.Fatalf("%d times under the floor, pauses %q: the test needs a harder target", len(without.State.Floors), pauses(&without))
	}

	var st MemStore
	_, err := drive(t, steep(), &st, func(e event.Event, send func(Command)) {
		nextAtDoors(e, send)
		b, ok := e.Body.(*event.Paused)
		if !ok {
			return
		}
		s := &st.State
		f := s.Floors[len(s.Floors)-1]
		last := s.Checkpoints[len(s.Checkpoints)-1]
		if last.Name != f.Back || last.Step != b.Step || s.Status != event.StatusPaused || !s.AtFloor {
			t.Errorf("paused at step %d, %s, checkpoint %s: want at %s, with what the floor did on disk", b.Step, s.Status, last.Name, f.Back)
		}
		if last.Acc < f.Floor {
			t.Errorf("the checkpoint gone back to has accuracy %g, it had one above %g", last.Acc, f.Floor)
		}
		for _, want := range []string{"under the floor of", f.Back} {
			if !strings.Contains(s.PausedFor(), want) {
				t.Errorf("%q does not say %q", s.PausedFor(), want)
			}
		}
		send(Command{Cmd: CmdGo})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := pauses(&st); !slices.Equal(got, slices.Repeat([]string{event.WhyFloor}, len(without.State.Floors))) {
		t.Errorf("paused %q, %d times under the floor", got, len(without.State.Floors))
	}
	if st.State.AtFloor {
		t.Error("the fold still waits for an answer")
	}
	if a, b := st.State.Done.Weights, without.State.Done.Weights; a != b {
		t.Errorf("weights %s, without the question %s", a, b)
	}

	auto := steep()
	auto.Auto = true
	var alone MemStore
	runAll(t, auto, nil, &alone)
	if got := pauses(&alone); len(got) != 0 || alone.State.Done.Weights != st.State.Done.Weights {
		t.Errorf("nobody is there: paused %q, weights %s", got, alone.State.Done.Weights)
	}
}

// TestAnswersAtTheFloor: a lower target and a roll-back are taken, and are decisions that
// give the same bits again.
func TestAnswersAtTheFloor(t *testing.T) {
	for _, answer := range []string{CmdTarget, CmdRollback, CmdSettle} {
		t.Run(answer, func(t *testing.T) {
			r := steep()
			var st MemStore
			asked := 0
			code, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
				nextAtDoors(e, send)
				if b, ok := e.Body.(*event.Paused); !ok || b.Why != event.WhyFloor {
					return
				}
				if asked++; asked == 1 {
					c := Command{Cmd: answer}
					switch answer {
					case CmdTarget: // lower than asked for, above what is reached
						c.Value = st.State.Checkpoints[len(st.State.Checkpoints)-1].Zeros + 0.02
					case CmdRollback:
						c.Text = "s3-000000"
					}
					send(c)
				}
				send(Command{Cmd: CmdGo})
			})
			if err != nil {
				t.Fatal(err)
			}
			s := &st.State
			if asked == 0 || len(s.Decisions) == 0 || s.Decisions[0].Cmd != answer || s.Done == nil || s.Done.Exit != code {
				t.Fatalf("asked %d times, decided %+v, refused %+v, done %+v", asked, s.Decisions, s.Warnings, s.Done)
			}
			if answer == CmdSettle && asked != 1 {
				t.Errorf("asked %d times, the stage was ended at the first", asked)
			}
			used := clone(t, r)
			used.Auto = true
			for _, d := range s.Decisions {
				used.Decisions = append(used.Decisions, Decision{int(d.Stage), d.Step, d.Cmd, d.Value, d.Text, d.Pass})
			}
			var again MemStore
			runAll(t, used, nil, &again)
			if a, b := again.State.Done.Weights, s.Done.Weights; a != b {
				t.Errorf("run again from recipe and decisions: weights %s, want %s", a, b)
			}
		})
	}
}

// TestKilledAtTheFloor: a run that dies before the question, while it stands, or is
// stopped there, asks again when it is resumed and ends in the same bits.
func TestKilledAtTheFloor(t *testing.T) {
	goOn := func(e event.Event, send func(Command)) {
		nextAtDoors(e, send)
		if b, ok := e.Body.(*event.Paused); ok && b.Why == event.WhyFloor {
			send(Command{Cmd: CmdGo})
		}
	}
	var whole MemStore
	if _, err := drive(t, steep(), &whole, goOn); err != nil {
		t.Fatal(err)
	}
	for _, kill := range []string{"floor", "resumed", "checkpoint", "paused", "stopped"} {
		t.Run(kill, func(t *testing.T) {
			k := MemStore{Dir: t.TempDir()}
			commands := make(chan Command, 100)
			fell := false
			k.On = func(e event.Event) {
				nextAtDoors(e, func(c Command) { commands <- c })
				fell = fell || e.Body.Kind() == "floor"
				switch {
				case kill == "stopped" && e.Body.Kind() == "paused":
					commands <- Command{Cmd: CmdStop, Text: "signal TERM"}
				case fell && e.Body.Kind() == kill:
					panic("killed")
				}
			}
			func() {
				defer func() { recover() }()                                                                       //nolint:errcheck // killed
				Run(context.Background(), Config{Recipe: steep(), Store: &k, Session: "test", Commands: commands}) //nolint:errcheck // it is killed
			}()
			before := len(pauses(&k))
			log := k.State
			why := "crash"
			if kill == "stopped" {
				why = "stop"
			}
			again := make(chan Command, 100)
			asked := 0
			k.On = func(e event.Event) {
				if b, ok := e.Body.(*event.Paused); ok && b.Why == event.WhyFloor {
					asked++
				}
				goOn(e, func(c Command) { again <- c })
			}
			res := &Resume{Why: why, Log: &log, Checkpoint: log.Checkpoints[len(log.Checkpoints)-1].Name}
			if _, err := Run(context.Background(), Config{Recipe: steep(), Store: &k, Session: "test", Commands: again, Resume: res}); err != nil {
				t.Fatal(err)
			}
			if asked != len(pauses(&whole)) {
				t.Errorf("asked %d times after the resume, and %d times before: want %d after it", asked, before, len(pauses(&whole)))
			}
			if a, b := k.State.Done.Weights, whole.State.Done.Weights; a != b {
				t.Errorf("weights %s, want %s", a, b)
			}
		})
	}
}

// TestFloorUnderNothing: where more may be lost than there is, the floor is under 0, with the
// minus that other figures have; one point is one.
func TestFloorUnderNothing(t *testing.T) {
	hyphen := regexp.MustCompile(`(^|[ (])-[0-9]`)
	for points, want := range map[float64][2]string{100: {"floor −", "a floor of −"}, 1: {"floor ", ", 1 point under dense "}} {
		r := small()
		r.Floor.Points = points
		var st MemStore
		runAll(t, r, nil, &st)
		evidence, verdict := st.State.Stages[event.Configure].Evidence, st.State.Verdict.Text
		for i, text := range []string{evidence, verdict} {
			if !strings.Contains(text, want[i]) || hyphen.MatchString(text) {
				t.Errorf("%g points: %q, want %q", points, text, want[i])
			}
		}
	}
}
