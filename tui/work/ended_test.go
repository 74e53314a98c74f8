package work

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestEndedSpeaksInThePast: of a run that is not there nothing is said as if it were,
// and nobody is asked to press a key that nobody can press.
func TestEndedSpeaksInThePast(t *testing.T) {
	stop := &event.Paused{Stage: event.Validate, Why: "stopped", By: "signal TERM"}
	b := func() *story { return newStory().start("B") }
	val := func() *story { return b().baselineDone("B").configured("B").sparsified("B") }
	stories := map[string]*story{
		"baseline":  b().add(stop),
		"configure": b().baselineDone("B").wait(event.Configure, "choose").add(stop),
		"scanning":  b().baselineDone("B").wait(event.Configure, "choose").scan(2, 3).add(stop),
		"sparsify":  b().baselineDone("B").configured("B").sparsify(3, "B").add(stop),
		"validate":  val().wait(event.Validate, "look").add(stop),
		"deploy":    val().validated("B").wait(event.Deploy, "write").add(stop),
	}
	for name, s := range stories {
		for _, tab := range []int{0, 1} {
			for _, look := range []string{"1", "2", "3", "4", "5"} {
				d, f := watching(t, 80, 24, s)
				f.alive, d.run.gone = false, 2
				key(d, look)
				d.look.tab = tab
				d.toast = toast{}
				got := bare(d.Render())
				for _, wrong := range []string{"running", "waiting for you", "press enter", "enter looks", "enter writes", "esc cancels", "being looked at", "writing the files", "taking the recipe", "space goes on"} {
					if strings.Contains(got, wrong) {
						t.Errorf("%s, stage %s, face %d: a stopped run says %q:\n%s", name, look, tab, wrong, got)
					}
				}
				if !strings.Contains(got, "signal TERM") {
					t.Errorf("%s, stage %s: the screen does not say who stopped the run:\n%s", name, look, got)
				}
			}
		}
	}
}

// TestNobodyWaitsForAWatcher: who only watches is not told to act.
func TestNobodyWaitsForAWatcher(t *testing.T) {
	val := newStory().start("B").baselineDone("B").configured("B").sparsified("B").wait(event.Validate, "look")
	for _, how := range []string{"readonly", "watches"} {
		d, f := watching(t, 80, 24, val)
		if how == "readonly" {
			d.o.ReadOnly = true
		} else {
			f.watches, d.run.watches = "watching: another screen drives", "watching: another screen drives"
		}
		got := bare(d.Render())
		for _, wrong := range []string{"waiting for you", "enter looks"} {
			if strings.Contains(got, wrong) {
				t.Errorf("%s: %q on the screen:\n%s", how, wrong, got)
			}
		}
	}
}

// TestWrongRecipeIsEdited: a run that would fail again is not resumed, its recipe is
// changed and started anew.
func TestWrongRecipeIsEdited(t *testing.T) {
	s := newStory().start("B").add(&event.Failure{Text: "the loss became NaN", Fix: "lower train.lr", Recipe: true})
	d, f := watching(t, 80, 24, s)
	key(d, "R")
	if f.starts != 0 {
		t.Error("R resumes a run that fails again")
	}
	if foot := bare(d.foot(80)); !strings.Contains(foot, "E edit the recipe") || strings.Contains(foot, "resume") {
		t.Errorf("footer: %s", foot)
	}
	d.run.recipe.Train.LR = 3
	key(d, "E")
	if d.page != pageSetup || d.run != nil {
		t.Fatalf("E leaves page %d, run %v", d.page, d.run)
	}
	if lr := d.setup.get("lr").num; lr != 3 {
		t.Errorf("the set-up has a learning rate of %g, the recipe 3", lr)
	}
	if got := bare(d.Render()); !strings.Contains(got, "it failed: the loss became NaN") {
		t.Errorf("the set-up does not say why it is there:\n%s", got)
	}

	d, f = watching(t, 80, 24, newStory().start("B").add(&event.Failure{Text: "the disk went away"}))
	key(d, "E")
	if d.page != pageRun {
		t.Error("E edits the recipe of a run that failed for its disk")
	}
	key(d, "R")
	if f.starts != 1 {
		t.Error("R does not resume a run that failed for its disk")
	}
}

// TestEnds: home, end, g and G in lists.
func TestEnds(t *testing.T) {
	d := testDesk(t, 80, 24, 0, false)
	work(d, d.begin())
	n := len(d.pick.models)
	key(d, "G")
	if d.pick.at[listModels] != n-1 {
		t.Errorf("G: at %d of %d", d.pick.at[listModels], n)
	}
	key(d, "g")
	if d.pick.at[listModels] != 0 {
		t.Errorf("g: at %d", d.pick.at[listModels])
	}
	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, "r", "end")
	if d.roll != len(d.backs())-1 {
		t.Errorf("end: checkpoint %d of %d", d.roll, len(d.backs()))
	}
	key(d, "home")
	if d.roll != 0 {
		t.Errorf("home: checkpoint %d", d.roll)
	}
	key(d, "esc", "?", "end")
	last := d.scroll
	if _ = d.Render(); d.scroll == 0 || last == 0 {
		t.Error("end does not scroll the help")
	}
	key(d, "home")
	if d.scroll != 0 {
		t.Errorf("home: the help begins at %d", d.scroll)
	}
}
