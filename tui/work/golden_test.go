package work

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// golden compares a screen with the one on file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	var lines []string
	for _, l := range strings.Split(got, "\n") {
		lines = append(lines, strings.TrimRight(l, " "))
	}
	got = strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if w := strings.ReplaceAll(string(want), "\r\n", "\n"); w != got {
		t.Errorf("%s differs; look at it and run `go test ./tui/work -update` if it is right\ngot:\n%s\nwant:\n%s", name, got, w)
	}
}

// bare is text without colours.
func bare(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\x1b' {
			for i < len(s) && s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// scenes are the states a run goes through.
func scenes() []struct {
	name  string
	story *story
	do    func(d *desk, f *fake)
} {
	type scene = struct {
		name  string
		story *story
		do    func(d *desk, f *fake)
	}
	b := func() *story { return newStory().start("B") }
	conf := func() *story {
		return b().baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor")
	}
	spar := func(n int) *story { return b().baselineDone("B").configured("B").sparsify(n, "B") }
	val := func() *story { return b().baselineDone("B").configured("B").sparsified("B") }
	dep := func() *story { return val().validated("B") }
	return []scene{
		{"starting", newStory(), nil},
		{"baseline-ready", b().wait(event.Baseline, "ready to train the dense model"), nil},
		{"baseline", b().baseline("B"), nil},
		{"configure", conf(), func(d *desk, _ *fake) { key(d, "right", "right") }},
		{"configure-edge", conf(), func(d *desk, _ *fake) { key(d, "p") }},
		{"configure-oneshot", conf(), func(d *desk, _ *fake) { key(d, "up", "left", "x") }},
		{"configure-gpu", conf(), func(d *desk, _ *fake) {
			key(d, "down", "/", "h", "1", "0", "0", "-", "s", "x", "m", "enter")
		}},
		{"configure-scanning", conf().scan(2, 3), func(d *desk, _ *fake) { key(d, "s") }},
		{"configure-scanned", conf().scan(3, 3), func(d *desk, _ *fake) {
			if views(d.w, d.h) > 1 {
				key(d, "tab")
			}
		}},
		{"sparsify", spar(9), nil},
		{
			"sparsify-cursor", spar(9).add(&event.Decision{Stage: event.Sparsify, Step: 500, Cmd: "target", Value: 0.95, By: "person"}),
			func(d *desk, _ *fake) { key(d, "left", "left", "left", "left", "left", "s") },
		},
		{"sparsify-estimated", newStory().start("E").baselineDone("E").configured("E").sparsify(9, "E"), nil},
		{"sparsify-cpu", newStory().start("").baselineDone("").configured("").sparsify(9, ""), nil},
		{"paused", spar(9).add(&event.Paused{Stage: event.Sparsify, Step: 900, Why: "person"}), nil},
		{"floor", spar(9).add(&event.Floor{Step: 900, Acc: 0.861, Floor: 0.864, Back: "s3-000800", Zeros: 0.84},
			&event.Resumed{Checkpoint: "s3-000800", Stage: event.Sparsify, Step: 800, Why: "floor"}), nil},
		{"floor-paused", spar(9).fallen(), nil},
		{"diverged", spar(9).add(&event.Diverged{Stage: event.Sparsify, Step: 903, Loss: "NaN", Back: "s3-000900"},
			&event.Resumed{Checkpoint: "s3-000900", Stage: event.Sparsify, Step: 900, Why: event.WhyDiverged},
			&event.Paused{Stage: event.Sparsify, Step: 900, Why: event.WhyDiverged}), nil},
		{"target", spar(9), func(d *desk, _ *fake) { key(d, "e", "9", "5", "0", "enter") }},
		{"rollback", spar(9), func(d *desk, _ *fake) { key(d, "r", "down") }},
		{"stop", spar(9), func(d *desk, _ *fake) { key(d, "x") }},
		{"help", spar(9), func(d *desk, _ *fake) { key(d, "?") }},
		{"validate-ready", val().wait(event.Validate, "this will look at the test set"), nil},
		{"deploy-ready", dep().wait(event.Deploy, "choose the formats to write"), nil},
		{"verdict", dep(), func(d *desk, _ *fake) { key(d, "4") }},
		{"done", dep().deployed(), nil},
		{"missed", dep().missed(), nil},
		{"done-estimated", newStory().start("E").baselineDone("E").configured("E").sparsified("E").validated("E").deployed(), nil},
		{"wrong", dep().wrong(), func(d *desk, _ *fake) { key(d, "w") }},
		{"language", spar(9).spoken(), nil},
		{"says", dep().spoken().says(), func(d *desk, _ *fake) { key(d, "w") }},
		{"layer", spar(9), func(d *desk, _ *fake) { key(d, "i") }},
		{"trade", spar(9).inferred("B"), func(d *desk, _ *fake) { key(d, "v", "v", "left", "left") }},
		{"trade-estimated", newStory().start("E").baselineDone("E").configured("E").sparsify(9, "E").inferred("E"), func(d *desk, _ *fake) { key(d, "v", "v") }},
		{"failed", spar(3).add(&event.Failure{Text: "the disk went away", Fix: "plug it in again"}), nil},
		{"failed-recipe", spar(3).add(&event.Failure{Text: "the loss became NaN at step 310 of sparsify; the weights are back at checkpoint s3-000300", Fix: "lower train.lr (it was 3) and start again", Recipe: true}), nil},
		{"stopped", val().wait(event.Validate, "this will look at the test set").add(&event.Paused{Stage: event.Validate, Why: "stopped", By: "signal TERM"}), nil},
		{"stopped-early", b().add(&event.Paused{Stage: event.Baseline, Why: "stopped", By: "the keys x s"}), nil},
		{"edit", conf(), func(d *desk, _ *fake) { key(d, "9", "5") }},
		{"hardware", conf(), func(d *desk, _ *fake) { key(d, "down", "/", "h", "1", "0", "0") }},
		{"filter", spar(9), func(d *desk, _ *fake) { key(d, "/", "f", "c", "1") }},
		{"filtered", spar(9), func(d *desk, _ *fake) { key(d, "/", "f", "c", "1", "enter") }},
		{"perplexity", b().baseline("B").spoken(), func(d *desk, _ *fake) { key(d, "p") }},
		{"tour", b().wait(event.Baseline, "ready"), func(d *desk, _ *fake) { d.o.Tour = true; sample(d) }},
		{"tour-recipe", conf(), func(d *desk, _ *fake) { d.o.Tour = true; sample(d) }},
		{"watching", spar(9), func(d *desk, _ *fake) { d.o.ReadOnly = true; d.touch() }},
		{"served", spar(9), func(d *desk, _ *fake) { d.o.ReadOnly, d.o.remote = true, true; d.touch() }},
		{"asked", spar(9), func(d *desk, f *fake) { f.asked = "ann on box"; d.run.checked = begun; sample(d) }},
		{"other-drives", spar(9), func(d *desk, f *fake) {
			f.watches = "watching: another screen drives"
			d.run.checked = begun
			sample(d)
		}},
		{"full-disk", spar(9), func(d *desk, _ *fake) { d.run.problem = core.ErrFull.Error(); d.touch() }},
		{"damaged", spar(9), func(d *desk, _ *fake) {
			d.run.damage = "line 40 of events.jsonl is not an event, but events follow it"
			d.touch()
		}},
		{"dead", spar(3), func(d *desk, f *fake) { f.alive = false; d.run.gone = 2 }},
	}
}

func TestGoldenScreens(t *testing.T) {
	sizes := []struct{ w, h int }{{120, 40}, {80, 24}, {60, 20}}
	for _, s := range scenes() {
		for _, z := range sizes {
			t.Run(fmt.Sprintf("%s/%dx%d", s.name, z.w, z.h), func(t *testing.T) {
				d, f := watching(t, z.w, z.h, s.story)
				if s.do != nil {
					s.do(d, f)
				}
				golden(t, fmt.Sprintf("%s-%dx%d", s.name, z.w, z.h), bare(d.Render()))
			})
		}
	}
}

func TestGoldenSmall(t *testing.T) {
	for _, s := range scenes() {
		switch s.name {
		case "baseline", "configure", "sparsify", "stop", "done":
		default:
			continue
		}
		var all strings.Builder
		for _, z := range [][2]int{{40, 12}, {30, 8}, {20, 5}, {40, 4}, {10, 3}, {70, 1}, {12, 1}} {
			d, f := watching(t, z[0], z[1], s.story)
			if s.do != nil {
				s.do(d, f)
			}
			fmt.Fprintf(&all, "%d × %d\n%s\n\n", z[0], z[1], bare(d.Render()))
		}
		golden(t, s.name+"-small", all.String())
	}
}

func TestGoldenASCII(t *testing.T) {
	for _, s := range scenes() {
		switch s.name {
		case "configure", "sparsify", "done", "missed":
		default:
			continue
		}
		d, f := watching(t, 80, 24, s.story)
		d.ascii, d.th = true, theme.New(theme.Mono, true, true)
		if s.do != nil {
			s.do(d, f)
		}
		got := bare(d.Render())
		for i, r := range got {
			if r > 126 {
				t.Errorf("%s: %q at byte %d is not ASCII", s.name, r, i)
				break
			}
		}
		golden(t, s.name+"-ascii-80x24", got)
	}
}

// TestGoldenColours keeps the colours of one screen in each palette.
func TestGoldenColours(t *testing.T) {
	for _, s := range scenes() {
		if s.name != "sparsify" {
			continue
		}
		for _, m := range []theme.Mode{theme.Dark, theme.Light, theme.Mono} {
			d, _ := watching(t, 60, 20, s.story)
			d.th = theme.New(m, true, false)
			golden(t, "sparsify-"+m.String(), strings.ReplaceAll(d.Render(), "\x1b", "^"))
		}
	}
}

func TestGoldenPicker(t *testing.T) {
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}, {40, 12}} {
		d := testDesk(t, z[0], z[1], theme.Mono, false)
		work(d, d.begin())
		name := fmt.Sprintf("%dx%d", z[0], z[1])
		for i := range d.pick.data { // what this machine has must not matter
			d.pick.data[i].Ready = true
		}
		golden(t, "picker-"+name, bare(d.Render()))
		key(d, "enter", "enter")
		golden(t, "setup-"+name, bare(d.Render()))
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
