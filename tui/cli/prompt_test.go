package cli

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/plain"
)

// answered runs a command whose person types these lines, and then nothing more.
func answered(t *testing.T, root, lines string, args ...string) (code int, out, errs string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read from
	if _, err := w.WriteString(lines); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	code = Main(append(args, "--sessions", root), r, &o, &e)
	return code, o.String(), e.String()
}

// TestWorkbenchInLines: the whole way by numbered answers, with nothing drawn over.
func TestWorkbenchInLines(t *testing.T) {
	root := t.TempDir()
	code, out, errs := answered(t, root, strings.Join([]string{
		"4", "3", // mlp, iris
		"9", "", // no such answer; train
		"2", "60", "2", "200", "7", "80", "", // target 60 %, a target that cannot be, accepted loss; sparsify
		"5", "1", // roll back, to the newest checkpoint
		"", "", // the test set, the files
	}, "\n")+"\n", "--plain", "--epochs", "4")
	if code != core.ExitOK && code != core.ExitVerdict {
		t.Fatalf("%d %s\n%s", code, errs, out)
	}
	for _, want := range []string{
		"which model?", "which data?", `"9" is none of them`, "1 train the dense model", "target zeros: 60 %", "not taken:", "accepted loss: 80 pt",
		"which checkpoint?", "1 look at the test set", "1 write the files", "packed file written", "decision at step 0 by person",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.ContainsAny(out, "\x1b\r") {
		t.Error("lines with escapes or returns: fit for no screen reader")
	}
	if n := strings.Count(out, "1 train the dense model"); n != 1 {
		t.Errorf("asked %d times to train", n)
	}
}

// TestTourInLines: the tour explains each stage before it asks, and where nobody answers
// any more the run is stopped, not left behind.
func TestTourInLines(t *testing.T) {
	root := t.TempDir()
	code, out, errs := answered(t, root, "\n", "demo", "--tour", "--plain", "--data", "iris", "--model", "mlp", "--epochs", "2")
	if code == core.ExitUsage { // demo has its own model
		code, out, errs = answered(t, root, "\n", "demo", "--tour", "--plain", "--epochs", "1")
	}
	if code != core.ExitInterrupted {
		t.Fatalf("%d %s\n%s", code, errs, out)
	}
	for _, want := range []string{"tour, stop 1 of 5", "The dense model is trained", "tour, stop 2 of 5", "1 sparsify with this"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(errs, "stopped at a checkpoint") {
		t.Errorf("told %q", errs)
	}
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 || l[0].Status != sessions.Stopped {
		t.Errorf("%+v %v: a run nobody answers for goes on", l, err)
	}
	if code, _, errs := answered(t, root, "", "mlp", "--data", "iris", "--json"); code != core.ExitUsage {
		t.Errorf("--json asks somebody: %d %s", code, errs)
	}
}

// TestFloorAskedInLines: a fall under the floor is a question where the recipe asks for
// one; an answer that is refused is asked for again.
func TestFloorAskedInLines(t *testing.T) {
	root := t.TempDir()
	code, out, errs := answered(t, root, strings.Join([]string{
		"",       // train
		"11", "", // under the floor: pause; sparsify
		"6", "5", // another target, which is too low
		"",     // go on
		"", "", // the test set, the files
	}, "\n")+"\n", "mlp", "--data", "iris", "--plain", "--epochs", "40", "--prune-epochs", "20", "--target", "0.98", "--floor", "1")
	if code != core.ExitTarget {
		t.Fatalf("%d %s\n%s", code, errs, out)
	}
	for _, want := range []string{"under that accuracy: go back and train on", "under that accuracy: go back and pause", "paused at step", "paused: accuracy", "is under the floor of", "1 go on without more zeros", "going on"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "1 go on without more zeros"); n != 2 {
		t.Errorf("asked %d times, want again after the answer that was refused\n%s", n, out)
	}
}

// TestAnotherTargetInLines: once a target is set, going on is no longer without more zeros.
func TestAnotherTargetInLines(t *testing.T) {
	_, out, errs := answered(t, t.TempDir(), strings.Join([]string{
		"",       // train
		"11", "", // under the floor: pause; sparsify
		"6", "97.5", // another target
		"5", // stop
	}, "\n")+"\n", "mlp", "--data", "iris", "--plain", "--epochs", "40", "--prune-epochs", "20", "--target", "0.98", "--floor", "1")
	i := strings.LastIndex(out, "decision at step")
	if after := out[max(i, 0):]; i < 0 || !strings.Contains(after, "1 go on from there") || strings.Contains(after, "without more zeros") {
		t.Errorf("%s\n%s", errs, out)
	}
}

// TestRollBackThatCannotBe: a checkpoint that cannot be read is asked for again, and the
// run is not told to go on from where it is.
func TestRollBackThatCannotBe(t *testing.T) {
	s, err := sessions.Create(t.TempDir(), DemoRecipe())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := newPrompter(strings.NewReader("1\n"), &out)
	p.s = s
	st := &event.State{Checkpoints: []event.Checkpoint{{Name: "s3-000100", Acc: -1}}}
	if err := p.rollBack(t.Context(), st); !errors.Is(err, plain.ErrAskAgain) || !strings.Contains(out.String(), "not taken: ") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
