package work

import (
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// places are all situations, for tests that go through them.
var places = []where{inPick, inPath, inSetup, inConf, inEdit, inRun, inHelp, inStop, inTarget, inRoll, inHW, inReplay, inShelf, inCompare, inDelete, inPoint, inFilter, inChange, inTeach, inPalette}

// shared are keys with two meanings in one place, of which only one holds at a
// time: digits type into a number field, else they choose a stage.
var shared = map[where]string{inConf: "12345"}

func TestTableIsWhole(t *testing.T) {
	for i := range table {
		b := &table[i]
		if len(b.keys) == 0 || b.in == 0 || b.text == nil || b.can == nil {
			t.Errorf("binding %d (%v) lacks something", i, b.keys)
		}
		if b.do == nil && !strings.ContainsAny(b.keys[0], "0123456789") {
			t.Errorf("%v does nothing", b.keys)
		}
		if b.show != "" && b.rank == 0 {
			t.Errorf("%v has a name in the footer but no rank", b.keys)
		}
	}
	for _, p := range places {
		has := map[string]int{}
		for i := range table {
			if table[i].in&p == 0 {
				continue
			}
			for _, k := range table[i].keys {
				if j, twice := has[k]; twice && !strings.Contains(shared[p], k) {
					t.Errorf("in place %b key %q is bound twice: %q and %q", p, k, table[j].help, table[i].help)
				}
				has[k] = i
			}
		}
		for _, k := range []string{"ctrl+c"} {
			if _, ok := has[k]; !ok {
				t.Errorf("in place %b %s does not leave", p, k)
			}
		}
	}
}

// TestFooterTellsTheTruth presses each key that a footer shows: it must do
// something other than say why not.
func TestFooterTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		fresh := func() (*desk, *fake) {
			d, f := watching(t, 120, 40, s.story)
			if s.do != nil {
				s.do(d, f)
			}
			return d, f
		}
		d, _ := fresh()
		shown := d.valid()
		if len(shown) == 0 {
			t.Errorf("%s: no key is valid", s.name)
		}
		foot := bare(d.foot(400))
		for _, b := range shown {
			if !strings.Contains(foot, d.th.Tr(b.show)+" "+b.text(d)) {
				t.Errorf("%s: %q is missing in the footer %q", s.name, b.show, foot)
			}
			for _, k := range b.keys {
				d, f := fresh()
				before := bare(d.Render())
				key(d, k)
				after := bare(d.Render())
				if after == before && len(f.sent) == 0 && !d.quit && f.starts == 0 {
					// A key at the end of what it moves may change nothing.
					if !slices.Contains([]string{"up", "k", "left", "h", "right", "down", "j"}, k) && b.show != "↑ ↓" && b.show != "1-5" && b.show != "0-9" && d.input.err == "" {
						t.Errorf("%s: key %q (%s) does nothing", s.name, k, b.text(d))
					}
				}
			}
		}
		// What is not valid says why, in the line above the footer.
		for i := range table {
			b := &table[i]
			d, _ := fresh()
			if b.in&d.place() == 0 || b.can(d) == "" || b.do == nil {
				continue
			}
			taken := false // by another binding of the key
			for j := range table {
				taken = taken || j != i && table[j].in&d.place() != 0 && slices.Contains(table[j].keys, b.keys[0])
			}
			if taken {
				continue
			}
			why := b.can(d)
			key(d, b.keys[0])
			if !strings.Contains(bare(d.Render()), d.th.Clean(why)) {
				t.Errorf("%s: key %q does nothing and does not say why (%s)", s.name, b.keys[0], why)
			}
		}
	}
}

// TestEveryKeyEverywhere presses all keys in all scenes.
func TestEveryKeyEverywhere(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		for _, n := range names {
			d, f := watching(t, 80, 24, s.story)
			if s.do != nil {
				s.do(d, f)
			}
			key(d, n)
			d.quit = false
			fits(t, d, s.name+" "+n)
			key(d, "enter")
			fits(t, d, s.name+" "+n+" enter")
		}
	}
}

func TestHelpListsTheTable(t *testing.T) {
	d, _ := watching(t, 100, 80, newStory().start("B").baseline("B"))
	key(d, "?")
	got := bare(d.Render())
	for i := range table {
		if b := &table[i]; b.in&inRun != 0 && b.help != "" && !strings.Contains(got, b.help) {
			t.Errorf("the help does not say %q", b.help)
		}
	}
	key(d, "?")
	if d.over != overNone {
		t.Error("the help does not close")
	}
}

// TestCommands: keys in, commands out.
func TestCommands(t *testing.T) {
	b := func() *story { return newStory().start("B") }
	spar := func() *story { return b().baselineDone("B").configured("B").sparsify(3, "B") }
	paused := func() *story { return spar().add(&event.Paused{Stage: event.Sparsify, Step: 300, Why: "person"}) }
	for _, c := range []struct {
		name string
		s    *story
		keys []string
		want string
	}{
		{"baseline begins", b().wait(event.Baseline, "ready"), []string{"enter"}, "next"},
		{"pause", spar(), []string{"space"}, "pause"},
		{"go on", paused(), []string{"space"}, "go"},
		{"target", spar(), []string{"e", "9", "5", "enter"}, "target 0.95"},
		{"target with a comma", spar(), []string{"e", "9", "2", ",", "5", "enter"}, "target 0.925"},
		{"target out of range", spar(), []string{"e", "1", "2", "0", "enter"}, ""},
		{"target not a number", spar(), []string{"e", "x", "enter"}, ""},
		{"target corrected", spar(), []string{"e", "9", "9", "9", "backspace", "backspace", "0", "enter"}, "target 0.9"},
		{"target given up", spar(), []string{"e", "9", "5", "esc"}, ""},
		{"target before sparsify", b().baseline("B"), []string{"e", "9", "5", "enter"}, ""},
		{"roll back", spar(), []string{"r", "down", "enter"}, "rollback s3-000200"},
		{"roll back, newest", spar(), []string{"r", "up", "enter"}, "rollback s3-000300"},
		{"roll back given up", spar(), []string{"r", "down", "esc"}, ""},
		{"stop", spar(), []string{"x", "s"}, "stop the keys x s"},
		{"stop is never enter", spar(), []string{"x", "enter", "c"}, ""},
		{"detach", spar(), []string{"x", "d"}, ""},
		{"validate", b().baselineDone("B").configured("B").sparsified("B").wait(event.Validate, "look"), []string{"enter"}, "next"},
		{"enter while running", spar(), []string{"enter"}, ""},
		{"configure", b().baselineDone("B").wait(event.Configure, "choose"), []string{"enter"}, "configure"},
		{"done takes no command", b().baselineDone("B").configured("B").sparsified("B").validated("B").deployed(), []string{"space", "x", "e", "r", "enter"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, f := watching(t, 80, 24, c.s)
			key(d, c.keys...)
			if got := f.commands(); got != c.want {
				t.Errorf("keys %v sent %q, want %q", c.keys, got, c.want)
			}
			if c.name == "detach" && !d.quit {
				t.Error("detach does not leave")
			}
		})
	}
}

// TestConfigureWaitsForItsAnswer: next is sent only once the run has taken the
// recipe, and never after a refusal.
func TestConfigureWaitsForItsAnswer(t *testing.T) {
	open := func() (*desk, *fake, *story) {
		s := newStory().start("B").baselineDone("B").wait(event.Configure, "choose")
		d, f := watching(t, 120, 40, s)
		key(d, "right", "up", "up", "up", "right", "enter")
		return d, f, s
	}
	d, f, s := open()
	if got := f.commands(); got != "configure" {
		t.Fatalf("sent %q", got)
	}
	r, err := core.ParseRecipe([]byte(f.sent[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	if r.Prune.Target != 0.91 || r.Prune.Pattern != "block8x1" {
		t.Errorf("the recipe sent has target %g and pattern %s", r.Prune.Target, r.Prune.Pattern)
	}
	if key(d, "enter"); len(f.sent) != 1 {
		t.Error("a second enter sends again")
	}
	n := len(s.es)
	s.add(&event.Decision{Stage: event.Configure, Cmd: core.CmdConfigure, Text: f.sent[0].Text, By: "person"})
	f.log = append(f.log, s.es[n:]...)
	sample(d)
	if got := f.commands(); got != "configure, next" {
		t.Errorf("after the decision: %q", got)
	}

	d, f, s = open()
	n = len(s.es)
	s.add(&event.Warning{Text: "recipe not taken: no"})
	f.log = append(f.log, s.es[n:]...)
	sample(d)
	if got := f.commands(); got != "configure" {
		t.Errorf("after a refusal: %q", got)
	}
	if got := bare(d.Render()); !strings.Contains(got, "recipe not taken: no") || !d.formOpen() {
		t.Errorf("the refusal is not shown, or the form has gone:\n%s", got)
	}
}

func TestPredictionFollowsTheForm(t *testing.T) {
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").wait(event.Configure, "choose"))
	if d.predict.ledger == nil {
		t.Fatalf("no prediction: %s", d.predict.err)
	}
	was := d.predict.ledger.Now.Params
	key(d, "right", "right", "right")
	if now := d.predict.ledger.Now.Params; now >= was {
		t.Errorf("a higher target keeps %d params, before %d", now, was)
	}
	old := d.predict.ledger
	again := d.onPredicted(predictedMsg{gen: d.predict.gen - 1, ledger: &event.Ledger{}})
	if d.predict.ledger != old {
		t.Error("a late answer of an older form is shown")
	}
	if work(d, again); len(again) != 1 || d.predict.busy {
		t.Error("after a late answer the newest form is not predicted")
	}
}

func TestFormTyping(t *testing.T) {
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").wait(event.Configure, "choose"))
	key(d, "8", "5", "enter")
	if got := d.conf.get("target").num; got != 0.85 {
		t.Errorf("typed 85 %%, the target is %g", got)
	}
	key(d, "2", "0", "0", "enter")
	if d.over != overEdit || !strings.Contains(bare(d.Render()), "give 0 to 99.9") {
		t.Errorf("200 %% was not refused:\n%s", bare(d.Render()))
	}
	key(d, "esc", "up")
	key(d, "3") // a choice takes no digits: look at stage 3
	if d.stage() != event.Sparsify {
		t.Errorf("3 looks at stage %v", d.stage())
	}
	key(d, "2")
	if !d.formOpen() {
		t.Error("2 does not come back to the form")
	}
}

func TestPaste(t *testing.T) {
	d := testDesk(t, 80, 24, theme.Mono, false)
	work(d, d.begin())
	d.paste("nothing typed here")
	key(d, "/")
	d.paste(" /no/such\x1b[2J/model.onnx\n")
	if d.input.text != "/no/such[2J/model.onnx" {
		t.Errorf("pasted %q", d.input.text)
	}
	key(d, "enter")
	if !strings.Contains(bare(d.Render()), "does not exist") {
		t.Errorf("a missing file is not told:\n%s", bare(d.Render()))
	}
}

// TestKeysHereFirst: the list of keys begins with those of the place one is in.
func TestKeysHereFirst(t *testing.T) {
	d, _ := watching(t, 80, 24, newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor"))
	key(d, "?")
	s := bare(d.Render())
	if here, run := strings.Index(s, "in the configure form"), strings.Index(s, "while a run is shown"); here < 0 || run >= 0 && run < here {
		t.Errorf("the form's keys are not first:\n%s", s)
	}
}
