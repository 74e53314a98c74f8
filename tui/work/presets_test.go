package work

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pare/core/event"
)

func configuring() *story {
	return newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor")
}

// TestPresets: p goes through the purposes and back to what the recipe had; every recipe
// it makes can run, and what is said of it is on the screen.
func TestPresets(t *testing.T) {
	d, f := watching(t, 120, 40, configuring())
	before := d.confRecipe().Hash()
	key(d, "p")
	r := d.confRecipe()
	if r.Prune.Pattern != "neuron" || r.Prune.Target != 0.5 || r.Hardware.Profile != "raspberry-pi-5" {
		t.Errorf("edge: %+v on %s", r.Prune, r.Hardware.Profile)
	}
	sees(t, d, "fit my edge board", "whole neurons and filters go")
	epochs := d.ownFields
	key(d, "p")
	if r := d.confRecipe(); r.Prune.Pattern != "block4x1" || r.Prune.Target != 0.8 || r.Hardware.Profile != "" || r.Prune.Epochs != d.run.recipe.Prune.Epochs/2 {
		t.Errorf("bill: %+v on %q, after %d fields", r.Prune, r.Hardware.Profile, len(epochs))
	}
	key(d, "p")
	if r := d.confRecipe(); r.Prune.Target != 0.9 || r.Floor.Points < 3 {
		t.Errorf("teach: %+v", r.Prune)
	}
	for range presets {
		if err := d.confRecipe().Check(); err != nil {
			t.Errorf("%s: %v", presets[d.presetAt].name, err)
		}
		key(d, "p")
	}
	for d.presetAt != 0 {
		key(d, "p")
	}
	if d.confRecipe().Hash() != before {
		t.Error("the recipe's own values do not come back")
	}
	key(d, "p", "enter")
	if got := f.commands(); !strings.HasPrefix(got, "configure") {
		t.Errorf("sent %q", got)
	}
}

// TestPresetOfALanguageModel: the bill of a transformer is cut by adapters, with the
// figure that was measured and not the one that is said.
func TestPresetOfALanguageModel(t *testing.T) {
	s := configuring()
	s.es[1].Body.(*event.Model).Tokens = 128
	d, _ := watching(t, 120, 40, s)
	key(d, "p", "p")
	if r := d.confRecipe(); len(r.LowRank) != 1 || r.LowRank[0].Method != "lora" || r.Prune.Target != 0 {
		t.Errorf("%+v, %+v", r.LowRank, r.Prune)
	}
	sees(t, d, "24 % off the joules")
}

// TestCautionIsMeasured: what cutting step by step costs is said as core/prune/ACCURACY.md has
// it: the dense net's accuracy less that in levels, at 95 and 98 %.
func TestCautionIsMeasured(t *testing.T) {
	text, err := os.ReadFile("../../core/prune/ACCURACY.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?s)## Which method\? LeNet-300-100.*?20 epochs dense \([^)]*: ([\d.]+)\).*?\n\| magnitude, in levels \|[^|]*\|[^|]*\| ([\d.]+) ±[^|]*\| ([\d.]+) ±`).FindSubmatch(text)
	if m == nil {
		t.Fatal("ACCURACY.md has no such table")
	}
	var acc [3]float64
	for i := range acc {
		if acc[i], err = strconv.ParseFloat(string(m[1+i]), 64); err != nil {
			t.Fatal(err)
		}
	}
	d, _ := watching(t, 120, 40, configuring())
	d.conf.choose("schedule", "oneshot")
	d.conf.number("target", 0.9)
	want := fmt.Sprintf("lost %.1f points at 95 %%, %.1f at 98 %% (measured", acc[0]-acc[1], acc[0]-acc[2])
	if got := strings.Join(d.cautions(), " "); !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
}

// TestCautions: what the literature warns of is said where it applies and nowhere else.
func TestCautions(t *testing.T) {
	d, _ := watching(t, 120, 40, configuring())
	if c := d.cautions(); len(c) != 0 {
		t.Errorf("gradual blocks are warned of: %v", c)
	}
	set := func(schedule, pattern string, target float64, kind string, no24 bool) []string {
		d.conf.choose("schedule", schedule)
		d.conf.choose("pattern", pattern)
		d.conf.number("target", target)
		d.predict.ledger, d.predict.no24 = &event.Ledger{HWKind: kind}, no24
		return d.cautions()
	}
	for _, c := range []struct {
		schedule, pattern string
		target            float64
		kind              string
		no24              bool
		want              string
	}{
		{"oneshot", "block4x1", 0.8, "cpu", true, "70 %"},
		{"oneshot", "block4x1", 0.7, "cpu", true, ""},
		{"cubic", "block4x1", 0.9, "cpu", true, ""},
		{"cubic", "2:4", 0.5, "cpu", true, "this hardware has none"},
		{"cubic", "2:4", 0.5, "gpu", false, "1.5 times"},
		{"cubic", "element", 0.9, "gpu", true, "no kernel there skips them"},
		{"cubic", "element", 0.9, "cpu", true, ""},
	} {
		got := strings.Join(set(c.schedule, c.pattern, c.target, c.kind, c.no24), " ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
	d, _ = watching(t, 120, 40, configuring().scan(3, 3))
	d.conf.choose("schedule", "oneshot")
	d.conf.number("target", 0.9)
	if got := strings.Join(d.cautions(), ""); !strings.Contains(got, "the scan here") {
		t.Errorf("the run's own figure is not named: %q", got)
	}
}
