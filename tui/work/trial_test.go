package work

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/theme"
)

// What people stumbled over when they tried the workbench.

// sees checks what stands on the screen; a leading "!" says that it must not.
func sees(t *testing.T, d *desk, what ...string) {
	t.Helper()
	got := bare(d.Render())
	for _, w := range what {
		w, not := strings.CutPrefix(w, "!")
		if strings.Contains(got, w) == not {
			t.Fatalf("%q on the screen: %v:\n%s", w, !not, got)
		}
	}
}

// ready is a picker on a machine that has all data.
func ready(t *testing.T, w, h int) *desk {
	d := testDesk(t, w, h, theme.Mono, false)
	work(d, d.begin())
	for i := range d.pick.data {
		d.pick.data[i].Ready = true
	}
	return d
}

// TestTabTakesTheModel: who goes on to the data with tab has chosen the model.
func TestTabTakesTheModel(t *testing.T) {
	d := ready(t, 80, 24)
	key(d, "down", "tab", "enter")
	sees(t, d, "lenet-5 on fashion-mnist")
	// A model given by its path stays until another line is marked.
	r := core.DefaultRecipe()
	r.Model = core.ModelSpec{Path: "my.onnx"}
	d.page, d.pick, d.o.Recipe = pagePick, newPicker(r), r
	key(d, "tab")
	if d.pick.model.Path != "my.onnx" {
		t.Errorf("model %+v", d.pick.model)
	}
	key(d, "shift+tab", "down", "tab")
	if d.pick.model.Name != "lenet-5" || d.o.Recipe.Model.Path != "" {
		t.Errorf("model %+v, recipe's %+v", d.pick.model, d.o.Recipe.Model)
	}
}

// TestRollBackWhileTheRunGoesOn: the mark stays on its checkpoint, and what has
// gone is neither shown nor asked for.
func TestRollBackWhileTheRunGoesOn(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
	d, f := watching(t, 80, 24, s)
	push := func(add ...event.Body) { t.Helper(); f.push(s, func(s *story) { s.add(add...) }); sample(d) }
	point := func(step int64, name string) *event.Checkpoint {
		return &event.Checkpoint{Name: name, Stage: event.Sparsify, Step: step, Acc: 0.88, Zeros: 0.85, Good: true}
	}
	key(d, "r", "down")
	push(point(1000, "s3-001000"), &event.Dropped{Name: "s3-000100"})
	sees(t, d, "> s3-000800", "s3-001000", "!s3-000100")
	push(&event.Dropped{Name: "s3-000800"})
	sees(t, d, "> s3-000700", "s3-000800 has made room for newer ones: choose again")
	push(&event.Dropped{Name: "s3-000200"}, &event.Dropped{Name: "s3-000300"}, &event.Dropped{Name: "s3-000400"})
	key(d, "enter")
	sees(t, d, "press enter once more to go back to s3-000700")
	if got := f.commands(); got != "" {
		t.Fatalf("sent %q", got)
	}
	f.err = errors.New("there is no checkpoint s3-000700: choose one of the list")
	key(d, "enter") // it went before the log told
	push(&event.Dropped{Name: "s3-000700"})
	sees(t, d, "roll back to a checkpoint", "> s3-001000", "!  s3-000700")
	f.err = nil
	key(d, "down", "enter")
	if got := f.commands(); got != "rollback s3-000700, rollback s3-000900" {
		t.Errorf("sent %q", got)
	}
	key(d, "r", "down", "down", "down") // the oldest of the stage
	sees(t, d, "> s3-000500")
	push(&event.Dropped{Name: "s3-000500"})
	sees(t, d, "> s3-000600") // not the baseline below it
}

// TestFootSaysWhenItWasJudged: the last evaluation is not "now" when the run has
// gone on since.
func TestFootSaysWhenItWasJudged(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B").mask(360, 0.5)
	s.add(&event.Metric{Stage: event.Sparsify, Epoch: 4, Epochs: 20, Step: 380, Steps: 2000, Zeros: 0.5})
	for _, w := range []int{120, 80, 60} {
		d, _ := watching(t, w, 24, s)
		sees(t, d, "!now, step", "step 300: 0.88", "43.9 % zeros")
	}
	d, _ := watching(t, 120, 40, s)
	sees(t, d, "epoch 3, step 300: 0.883 (−0.1 pt) · 43.9 % zeros")
}

// TestPausedSaysSpace: after a roll-back the run is paused, and enter says what
// goes on.
func TestPausedSaysSpace(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, f := watching(t, 80, 24, s)
	key(d, "2")
	sees(t, d, "settled: to change it, press r and", "go back to baseline")
	f.push(s, func(s *story) {
		s.add(&event.Resumed{Checkpoint: "baseline", Stage: event.Configure, Step: 0, Why: "rollback"},
			&event.Paused{Stage: event.Configure, Why: "rolled back to baseline"})
	})
	sample(d)
	key(d, "enter")
	sees(t, d, "the run is paused: space goes on")

	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").deployed())
	key(d, "2")
	sees(t, d, "magnitude, 4×1 blocks", "!go back to")
}

// TestFootShowsWhatIsNeeded: the keys that a person needs next are on the screen.
func TestFootShowsWhatIsNeeded(t *testing.T) {
	foot := func(d *desk, want ...string) {
		t.Helper()
		got := bare(d.foot(d.w))
		for _, w := range append(want, "q leave", "? keys") {
			if !strings.Contains(got, w) {
				t.Errorf("%d × %d: no %q in %q", d.w, d.h, w, got)
			}
		}
		if !strings.HasSuffix(strings.TrimRight(got, " "), "? keys") {
			t.Errorf("the last key is another: %q", got)
		}
	}
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
	d, _ := watching(t, 80, 24, s)
	foot(d, "space pause", "e target", "x stop", "r roll back", "tab panes")
	d, _ = watching(t, 60, 20, s)
	foot(d, "space pause", "e target", "x stop", "tab panes")
	sees(t, d, "3 sparsify ●", "4 – needs a checkpoint at 90 % zeros")
	d, _ = watching(t, 60, 20, newStory().start("B").wait(event.Baseline, "ready"))
	sees(t, d, "1 baseline ○")

	d = ready(t, 60, 20)
	d.pick.sessions = make([]sessions.Summary, 2)
	foot(d, "enter take model", "/ type a path", "tab data")
	d.resize(80, 24)
	foot(d, "enter take model", "/ type a path", "tab data", "↑ ↓ select")
	key(d, "tab")
	foot(d, "enter take data", "/ path", "tab sessions", "esc back")
	key(d, "tab")
	foot(d, "enter open", "tab models", "esc back")
}

// TestLongMessages: what matters is read to its end where there is room, and a
// cut falls between words.
func TestLongMessages(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
	long := "schedule: target 5 % is below the 49.96 % that are zero already, and masks only shrink: go back to an earlier checkpoint first"
	d, f := watching(t, 80, 24, s)
	f.push(s, func(s *story) { s.add(&event.Warning{Text: long}) })
	sample(d)
	sees(t, d, "and masks", "go back to an earlier checkpoint first")
	d.resize(60, 20)
	sees(t, d, "schedule: target 5 % is below", " …")
	fits(t, d, "long")
	f.push(s, func(s *story) { s.add(&event.Continued{Stage: event.Sparsify}) })
	f.problem = "checkpoint s1-000625: no space left on the disk (safetensors: writing tensor fc1.weight of 300 by 784: no space left on device)"
	key(d, "tab")
	for range 8 {
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	sees(t, d, "no space left on the disk: free some, the run goes on by")
	d.resize(80, 24)
	sees(t, d, "no space left on the disk: free some, the run goes on by itself;", "s1-000625")

	s = newStory().start("B").baselineDone("B").configured("B").sparsified("B")
	s.add(&event.Checkpoint{Name: "s3-002000", Stage: event.Sparsify, Step: 2000, Acc: 0.881, Zeros: 0.9, Good: true, AtGoal: true})
	d, _ = watching(t, 80, 24, s.wait(event.Validate, "this will look at the test set"))
	sees(t, d, "back to a checkpoint instead")
	key(d, "r")
	sees(t, d, "at the target│")
	d.resize(60, 20)
	sees(t, d, "at the target ")
}

// TestDownEndsTheTyping: an arrow takes what was typed and goes on.
func TestDownEndsTheTyping(t *testing.T) {
	d := ready(t, 80, 24)
	key(d, "enter", "enter", "8", "down", "6", "4", "up")
	if e, b := d.setup.get("epochs").num, d.setup.get("batch").num; e != 8 || b != 64 || d.setup.at != 0 || d.over != overNone {
		t.Errorf("epochs %g, batch %g, field %d", e, b, d.setup.at)
	}
	key(d, "down", "0", "down") // no batch of 0
	sees(t, d, "give 1 to 65536")
	if d.setup.at != 1 || d.over != overEdit {
		t.Errorf("field %d", d.setup.at)
	}
}

// TestRecentSessionsSayHowTheyEnded: at 80 columns the verdict is not what is cut off.
func TestRecentSessionsSayHowTheyEnded(t *testing.T) {
	d := ready(t, 80, 24)
	d.pick.sessions = []sessions.Summary{
		{ID: "clear-bittern", Status: "done", Model: "lenet-300-100", Data: "fashion-mnist", Stage: event.Deploy, Zeros: 0.9, Acc: 0.841, TestAcc: 0.835, Verdict: "UNDECIDED"},
		{ID: "rapid-heron", Status: "stopped", Model: "mlp", Data: "iris", Stage: event.Sparsify, Zeros: 0.5, Acc: 0.9, TestAcc: -1},
	}
	sees(t, d, "done     lenet-300-100 on fashion-mnist, UNDECIDED", "stopped  mlp on iris, sparsify, 50.0 % zeros")
	d.resize(120, 40)
	sees(t, d, "UNDECIDED, 90.0 % zeros, test 83.5 %", "50.0 % zeros, validation 90.0 %")
}

// TestSetupIsKept: who goes back to the picker and returns finds the form as it
// was left; for another model it is new.
func TestSetupIsKept(t *testing.T) {
	d := ready(t, 80, 24)
	key(d, "enter", "enter", "8", "down", "down", "right", "esc", "enter")
	if e, o := d.setup.get("epochs").num, d.setup.get("optimizer").chosen(); d.page != pageSetup || e != 8 || o != "momentum" {
		t.Errorf("epochs %g, optimizer %s", e, o)
	}
	key(d, "esc", "esc", "down", "enter", "enter")
	sees(t, d, "lenet-5 on")
	if e := d.setup.get("epochs").num; e != 15 {
		t.Errorf("another model's epochs: %g", e)
	}
	key(d, "esc", "esc", "up", "enter", "enter")
	if r := d.setupRecipe(); r.Model.Name != "lenet-300-100" || r.Train.Epochs != 8 || r.Train.Optimizer != "momentum" {
		t.Errorf("recipe %+v %+v", r.Model, r.Train)
	}
}

// TestResumedIsNotSaidForLong: a run that waits does not go on.
func TestResumedIsNotSaidForLong(t *testing.T) {
	s := newStory().start("B").add(&event.Paused{Stage: event.Baseline, Why: "stopped"})
	d, f := watching(t, 80, 24, s)
	key(d, "R")
	sees(t, d, "the run goes on from its last checkpoint")
	f.push(s, func(s *story) {
		s.add(&event.Resumed{Stage: event.Baseline, Why: "stop"}).wait(event.Baseline, "ready to train")
	})
	sample(d)
	sees(t, d, "!goes on from its last", "waiting for you: ready to train")
	f.alive = false
	for range 3 {
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	key(d, "R")
	sees(t, d, "!goes on from its last", "waiting for you: ready to train")
}

// TestPredictCommandIsWhole: the command under the result can be typed as it is.
func TestPredictCommandIsWhole(t *testing.T) {
	done := newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").deployed()
	const cmd = "pare predict /home/u/.local/share/pare/sessions/brisk-heron/exports/lenet-300-100.packed.safetensors --input FILE"
	d, _ := watching(t, 120, 40, done)
	sees(t, d, " "+cmd)
	d.homeDir = "/home/u"
	d.touch()
	sees(t, d, "pare predict ~/.local/share/pare/sessions/brisk-heron/exports/lenet-300-100.packed.safetensors --input FILE")
	d, _ = watching(t, 80, 24, done)
	sees(t, d, " pare predict /home/u/.local/share/pare/sessions/brisk-heron/exports/", " lenet-300-100.packed.safetensors --input FILE", "J per inference")
	d, _ = watching(t, 60, 20, done)
	key(d, "tab")
	sees(t, d, "PASS 88.4 %", " …", "exports/lenet-300-100.packed.safetensors ", " --input FILE")
	if got := strings.Join(breakPath(cmd, 30), ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(cmd, " ", "") {
		t.Errorf("broken: %q", got)
	}
	if got := quoted("/a b/it's"); got != `'/a b/it'\''s'` {
		t.Errorf("quoted %s", got)
	}
}

// TestBillIsOfOneEpoch: joules and CPU seconds under the chart are of the same
// epoch, and the tier stays when a window was not measured.
func TestBillIsOfOneEpoch(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B").epoch(event.Sparsify, 4, 20, 0.88, 0.6, 10*stepUJ, "")
	d, _ := watching(t, 120, 40, s)
	sees(t, d, "step 400: – J", "(−90 % CPU s for −0.4 pt)", "B · counter")
	d, _ = watching(t, 80, 24, s)
	sees(t, d, "– J (−90 % CPU s for −0.4 pt)", "B · counter")
}

// TestWholeNeurons: the ledger says why there are more zeros than asked for.
func TestWholeNeurons(t *testing.T) {
	r := testRecipe()
	r.Prune.Pattern, r.Prune.Target = "neuron", 0.5
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s := newStory().start("B").baselineDone("B").add(&event.Decision{Stage: event.Configure, Cmd: core.CmdConfigure, Text: string(b)})
	s.add(&event.StageChange{Stage: event.Sparsify, State: "started"}).mask(300, 0.54)
	d, f := watching(t, 120, 40, s)
	f.recipe, d.run.recipe = r, r
	d.touch()
	sees(t, d, "only whole channels go: ", "nearest to 50 %")
	d.resize(80, 24)
	sees(t, d, "of 50 % (whole channels)")
	f.push(s, func(s *story) { s.mask(320, 0.5) })
	sample(d)
	sees(t, d, "!whole channels")
}

// TestAWatcherIsToldSo: the second screen of a run sees who drives it, and when
// that one has left.
func TestAWatcherIsToldSo(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d, f := watching(t, 80, 24, s)
	f.watches = "watching: another screen has been driving since 15:04; detach it first"
	again := func() {
		d.now = d.now.Add(2 * recheck)
		sample(d)
	}
	again()
	if got := bare(d.Render()); !strings.Contains(got, "another screen has been driving since 15:04") {
		t.Errorf("not told:\n%s", got)
	}
	f.watches = ""
	again()
	if got := bare(d.Render()); !strings.Contains(got, "you drive now") {
		t.Errorf("not told:\n%s", got)
	}
}
