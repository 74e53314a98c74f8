package core

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pare/core/event"
)

// drive runs a recipe that waits for a person; react answers events with
// commands.
func drive(t *testing.T, r *Recipe, st *MemStore, react func(e event.Event, send func(Command))) (int, error) {
	t.Helper()
	cmds := make(chan Command, 100)
	st.Dir = t.TempDir()
	st.On = func(e event.Event) { react(e, func(c Command) { cmds <- c }) }
	return Run(context.Background(), Config{Recipe: r, Store: st, Commands: cmds, Session: "test"})
}

// nextAtDoors says next wherever the run waits.
func nextAtDoors(e event.Event, send func(Command)) {
	if b, ok := e.Body.(*event.StageChange); ok && b.State == "waiting" {
		send(Command{Cmd: CmdNext})
	}
}

func TestAPersonDrives(t *testing.T) {
	r := small()
	r.Auto = false
	r.Floor.Points = 60
	r.Train.Epochs, r.Prune.Epochs = 6, 12
	var st MemStore
	paused, rolled := false, false
	code, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		defer nextAtDoors(e, send) // after what else is said at a door
		switch b := e.Body.(type) {
		case *event.StageChange:
			if b.Stage == event.Configure && b.State == "waiting" {
				n := clone(t, r)
				n.Prune.Target = 0.4
				toml, err := n.Marshal()
				if err != nil {
					t.Error(err)
				}
				send(Command{Cmd: CmdConfigure, Text: string(toml)})
			}
		case *event.Eval:
			if b.Stage != event.Sparsify {
				return
			}
			switch b.Epoch {
			case 3:
				if !paused {
					paused = true
					send(Command{Cmd: CmdPause})
					send(Command{Cmd: CmdTarget, Value: 0.7})
					send(Command{Cmd: CmdGo})
				}
			case 8:
				if !rolled {
					rolled = true
					name := st.State.Checkpoints[len(st.State.Checkpoints)-3].Name
					send(Command{Cmd: CmdRollback, Text: name})
					send(Command{Cmd: CmdGo})
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &st.State
	if s.Done == nil || s.Done.Exit != code {
		t.Fatalf("exit %d, done %+v", code, s.Done)
	}
	if z := s.Ledger.Now.Zeros; z < 0.699 || z > 0.72 {
		t.Errorf("%.3f zeros, want the new target 0.7", z)
	}
	cmds := ""
	used := clone(t, r)
	used.Auto = true
	for _, d := range s.Decisions {
		cmds += d.Cmd + " "
		if d.Cmd == CmdConfigure {
			n, err := ParseRecipe([]byte(d.Text))
			if err != nil {
				t.Fatal(err)
			}
			used = n
			used.Auto = true
		} else {
			used.Decisions = append(used.Decisions, Decision{int(d.Stage), d.Step, d.Cmd, d.Value, d.Text, d.Pass})
		}
	}
	if cmds != "configure target rollback " {
		t.Errorf("decisions: %s", cmds)
	}

	// The recipe and the decisions give the same bits again.
	var again MemStore
	runAll(t, used, nil, &again)
	if a, b := again.State.Done.Weights, s.Done.Weights; a != b {
		t.Errorf("run again from recipe and decisions: weights %s, want %s", a, b)
	}
}

func TestRefusedCommandsChangeNothing(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 4, 4
	var plain MemStore
	runAll(t, clone(t, r), nil, &plain)
	var st MemStore
	sent := false
	_, err := drive(t, clone(t, r), &st, func(e event.Event, send func(Command)) {
		if b, ok := e.Body.(*event.Eval); ok && b.Stage == event.Sparsify && b.Epoch == 2 && !sent {
			sent = true
			for _, c := range []Command{{Cmd: "dance"}, {Cmd: CmdTarget, Value: 1.5}, {Cmd: CmdTarget, Value: 0.001}, {Cmd: CmdRollback, Text: "nowhere"}, {Cmd: CmdConfigure, Text: "x"}} {
				send(c)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(st.State.Warnings) < 5 {
		t.Errorf("%d warnings, want one for each refused command: %+v", len(st.State.Warnings), st.State.Warnings)
	}
	if st.State.Done.Weights != plain.State.Done.Weights {
		t.Error("refused commands changed the weights")
	}
}

// fullStore is a disk that is full for a while.
type fullStore struct {
	*MemStore
	fail int
}

func (s *fullStore) Save(name string, c *Checkpoint) (string, int64, error) {
	if s.fail > 0 && strings.HasPrefix(name, "s3-") {
		s.fail--
		return "", 0, fmt.Errorf("write %s: %w", name, ErrFull)
	}
	return s.MemStore.Save(name, c)
}

func TestFullDiskPausesAndGoesOn(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 3, 3
	var whole MemStore
	runAll(t, clone(t, r), nil, &whole)
	st := &fullStore{&MemStore{Dir: t.TempDir()}, 1}
	if _, err := Run(context.Background(), Config{Recipe: clone(t, r), Store: st, Session: "test"}); err != nil {
		t.Fatal(err)
	}
	paused := false
	for _, e := range st.Events {
		if p, ok := e.Body.(*event.Paused); ok && strings.Contains(p.Why, "no space") {
			paused = true
		}
	}
	if !paused {
		t.Error("a full disk did not pause the run")
	}
	if st.State.Done.Weights != whole.State.Done.Weights {
		t.Error("the pause changed the weights")
	}
}

func TestDivergedLossStopsAtTheLastFiniteCheckpoint(t *testing.T) {
	r := small()
	r.Train.Optimizer, r.Train.LR = "sgd", 100
	st := &MemStore{Dir: t.TempDir()}
	code, err := Run(context.Background(), Config{Recipe: r, Store: st, Session: "test"})
	if code != ExitError || err == nil || !strings.Contains(err.Error(), "train.lr") {
		t.Fatalf("exit %d, %v", code, err)
	}
	if st.State.Diverged == nil {
		t.Fatal("no event says that the loss diverged")
	}
	c, err := st.Load(st.State.Diverged.Back)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Model.Params {
		for _, x := range p.Data {
			if x-x != 0 {
				t.Fatalf("%s holds %v in checkpoint %s", p.Name, x, st.State.Diverged.Back)
			}
		}
	}
}

func TestFloorGoesBackAndStops(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 40, 20
	r.Prune.Target, r.Floor.Points = 0.98, 1
	var st MemStore
	code := runAll(t, r, nil, &st)
	s := &st.State
	if len(s.Floors) == 0 {
		t.Fatal("98 % zeros stayed above the floor: the test needs a harder target")
	}
	if code != ExitTarget {
		t.Errorf("exit code %d, want %d", code, ExitTarget)
	}
	if s.Ledger.Now.Zeros > 0.97 {
		t.Errorf("%.3f zeros after the floor was hit", s.Ledger.Now.Zeros)
	}
	last := s.Curves[event.Sparsify].Acc
	if a := last[len(last)-1].Y; a < s.Floors[0].Floor && s.Ledger.Now.Zeros > 0 {
		best := s.Floors[len(s.Floors)-1]
		if best.Back == "" {
			t.Errorf("ended at %.3f, under the floor", a)
		}
	}
}

// TestRollbackWhilePausedStaysPaused: the fold must know that the run waits.
func TestRollbackWhilePausedStaysPaused(t *testing.T) {
	r := small()
	r.Auto = false
	var st MemStore
	var seen []event.Status
	_, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		switch b := e.Body.(type) {
		case *event.StageChange:
			switch {
			case b.State != "waiting":
			case b.Stage == event.Validate:
				send(Command{Cmd: CmdRollback, Text: "s3-000000"})
			default:
				send(Command{Cmd: CmdNext})
			}
		case *event.Paused:
			seen = append(seen, st.State.Status)
			switch len(seen) {
			case 1: // back in sparsify; once more, while paused
				send(Command{Cmd: CmdRollback, Text: "s2-000000"})
			case 2:
				send(Command{Cmd: CmdStop, Text: "signal TERM"})
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if st.State.By != "signal TERM" {
		t.Errorf("stopped by %q, want signal TERM", st.State.By)
	}
	if len(seen) != 3 { // the last one is the stop
		t.Fatalf("%d times paused, want after each roll-back and at the stop", len(seen))
	}
	for _, s := range seen {
		if s != event.StatusPaused {
			t.Errorf("status %q while the run waits", s)
		}
	}
}

// TestANewTargetAfterTheFloor: the schedule went on without the masks; a target
// between what is zero and where the schedule stands is taken.
func TestANewTargetAfterTheFloor(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 40, 20
	r.Prune.Target, r.Floor.Points = 0.98, 1
	var st MemStore
	asked := 0.0
	_, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		if b, ok := e.Body.(*event.Resumed); ok && b.Why == "floor" && asked == 0 {
			m := st.State.Checkpoints[len(st.State.Checkpoints)-1]
			asked = m.Zeros + 0.02
			send(Command{Cmd: CmdTarget, Value: asked})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Fatal("the floor was never hit: this test shows nothing")
	}
	for _, d := range st.State.Decisions {
		if d.Cmd == CmdTarget && d.Value == asked {
			return
		}
	}
	t.Errorf("a target of %.3f was refused: %+v", asked, st.State.Warnings)
}

func TestLeastNeededCheckpoint(t *testing.T) {
	files := []kept{
		{"a", 0.1, 0.8},
		{"b", 0.2, 0.9}, // the best
		{"c", 0.21, 0.7},
		{"d", 0.35, 0.6},
		{"e", 0.9, 0.5}, {"f", 0.9, 0.5}, {"g", 0.9, 0.5}, {"h", 0.9, 0.5}, // the newest
	}
	for _, c := range []struct {
		files      []kept
		good, want string
	}{
		{files, "", "c"},      // between 0.2 and 0.35
		{files, "c", "a"},     // between 0 and 0.2
		{files[1:], "c", "d"}, // all others are spoken for
		{append([]kept{{"z", 0.9, 0.4}, {"y", 0.9, 0.4}}, files[4:]...), "", "y"},
	} {
		if i := leastNeeded(c.files, c.good); c.files[i].name != c.want {
			t.Errorf("%v, good %q: %s goes, want %s", c.files, c.good, c.files[i].name, c.want)
		}
	}
}

// TestOneShotWithoutTrainingKeepsTheFloor: the pruned model is judged although
// the stage has no epochs.
func TestOneShotWithoutTrainingKeepsTheFloor(t *testing.T) {
	r := small()
	r.Train.Epochs = 40
	r.Prune.Schedule, r.Prune.Epochs, r.Prune.Target, r.Floor.Points = "oneshot", 0, 0.98, 1
	var st MemStore
	if code := runAll(t, r, nil, &st); code != ExitTarget {
		t.Errorf("exit %d, want %d: %s", code, ExitTarget, st.State.Done.Text)
	}
	if !slices.ContainsFunc(st.Events, func(e event.Event) bool { _, ok := e.Body.(*event.Floor); return ok }) {
		t.Error("no event says that the floor was hit")
	}
}

// TestGuessingProvesNothing: keeping the accuracy of a model that guesses is no
// PASS.
func TestGuessingProvesNothing(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 0, 0, 100
	var st MemStore
	if code := runAll(t, r, nil, &st); code != ExitVerdict || st.State.Verdict.Verdict != "UNDECIDED" {
		t.Errorf("exit %d, %+v", code, st.State.Verdict)
	}
}

func TestNumbersMustBeFinite(t *testing.T) {
	for key, change := range map[string]func(*Recipe){
		"floor.points": func(r *Recipe) { r.Floor.Points = math.NaN() }, "train.lr": func(r *Recipe) { r.Train.LR = math.Inf(1) },
		"data.scale": func(r *Recipe) { r.Data.Scale = math.NaN() }, "data.std": func(r *Recipe) { r.Data.Std = []float64{1, math.NaN()} },
	} {
		r := small()
		change(r)
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestALowerRateIsTheWayOutOfADivergence: what a person configures while the run
// is paused for it takes effect.
func TestALowerRateIsTheWayOutOfADivergence(t *testing.T) {
	r := small()
	r.Auto, r.Train.Epochs, r.Prune.Epochs = false, 4, 2
	r.Train.Optimizer, r.Train.LR = "sgd", 100
	var st MemStore
	lower := clone(t, r)
	lower.Train.LR = 0.05
	text, err := lower.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	paused := 0
	code, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		switch b := e.Body.(type) {
		case *event.StageChange:
			if b.State == "waiting" {
				send(Command{Cmd: CmdNext})
			}
		case *event.Paused:
			switch paused++; paused {
			case 1: // the weights of the last checkpoint are finite, but huge
				send(Command{Cmd: CmdRollback, Text: "s1-000000"})
				send(Command{Cmd: CmdConfigure, Text: string(text)})
				send(Command{Cmd: CmdGo})
			case 2: // by the roll-back
			default:
				send(Command{Cmd: CmdStop})
			}
		}
	})
	if err != nil || paused != 2 || code == ExitError || code == ExitInterrupted {
		t.Fatalf("exit %d, %v, paused %d times: the run should go on with the lower rate", code, err, paused)
	}
	if st.State.Done == nil {
		t.Error("the run did not end")
	}
}

// TestNextSaidTwice: a next whose answer was lost may be said again; the second one does not
// open the door after that of the first.
func TestNextSaidTwice(t *testing.T) {
	r := small()
	r.Auto = false
	var st MemStore
	asked := false
	code, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		b, ok := e.Body.(*event.StageChange)
		switch {
		case !ok || b.State != "waiting":
		case b.Stage < event.Validate:
			send(Command{Cmd: CmdNext})
		case b.Stage == event.Validate:
			send(Command{Cmd: CmdNext})
			send(Command{Cmd: CmdNext})
		case !asked: // what else was said meanwhile still holds
			asked = true
			time.AfterFunc(200*time.Millisecond, func() { send(Command{Cmd: CmdStop, Text: "the test"}) })
		}
	})
	if err != nil || code != ExitInterrupted || !asked || st.State.Done != nil || st.State.By != "the test" || len(st.State.Exports) > 0 {
		t.Errorf("exit %d, %v, stopped by %q, %d files: it did not wait for the person to have the files written", code, err, st.State.By, len(st.State.Exports))
	}
}

// TestSaidBeforeADoor: a next that comes before the run waits opens no door, wherever it
// stands among other commands, and its sender is told; what else is said is done at the door.
func TestSaidBeforeADoor(t *testing.T) {
	stop := Command{Cmd: CmdStop, Text: "the test"}
	for name, said := range map[string][]Command{
		"before a stop": {{Cmd: CmdNext}, stop}, "behind a pause": {{Cmd: CmdPause}, {Cmd: CmdNext}},
	} {
		t.Run(name, func(t *testing.T) {
			r := small()
			r.Auto = false
			var st MemStore
			told := false
			code, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
				switch b := e.Body.(type) {
				case *event.StageChange:
					if b.State == "waiting" && b.Stage <= event.Validate {
						send(Command{Cmd: CmdNext})
					}
				case *event.Verdict:
					for _, c := range said {
						send(c)
					}
				case *event.Warning:
					if told = told || strings.Contains(b.Text, "before the run waited"); told && !slices.Contains(said, stop) {
						send(stop)
					}
				}
			})
			if err != nil || code != ExitInterrupted || !told || st.State.By != "the test" || st.State.Verdict == nil || st.State.Done != nil {
				t.Errorf("exit %d, %v, told %v, stopped by %q", code, err, told, st.State.By)
			}
		})
	}
}
