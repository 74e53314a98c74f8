package work

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/core/prune"
)

// TestMethodChoices: the forms offer every word of core/prune, and each choice makes a
// recipe that is accepted and says the same when it is opened again.
func TestMethodChoices(t *testing.T) {
	for _, c := range []struct {
		name string
		have []string
		want []prune.Word
	}{{"scores", scores, prune.Scores()}, {"patterns", patterns, prune.Patterns()}, {"distributions", distribs, prune.Distributions()}, {"schedules", schedules, prune.Schedules()}} {
		for _, w := range c.want {
			if !slices.Contains(c.have, w.Name) {
				t.Errorf("%s: %s is not offered", c.name, w.Name)
			}
		}
	}
	for _, w := range prune.Controls() {
		if !slices.Contains(schedules, ticket+w.Name) {
			t.Errorf("control %s is not offered", w.Name)
		}
	}
	for _, l := range [][2][]string{{scores, scoreWords}, {patterns, patWords}, {distribs, disWords}, {schedules, schWords}} {
		if len(l[0]) != len(l[1]) {
			t.Errorf("%d choices, %d words", len(l[0]), len(l[1]))
		}
	}
	for i := range patterns {
		for j := range schedules {
			r := core.DefaultRecipe()
			r.Prune.Ramp = 0.3
			f := formOf(r)
			f.get("pattern").at, f.get("schedule").at = i, j
			f.fit()
			r.Prune.Target = f.get("target").num
			f.setMethod(r)
			if prune.Structured(r.Prune.Pattern) && r.Prune.RewindStep >= 0 || r.Prune.Permute && r.Prune.RewindStep >= 0 || r.Prune.Pattern == "layer" && r.Prune.Schedule == "earlybird" {
				continue // refused with the reason when it is sent
			}
			if err := r.Check(); err != nil {
				t.Errorf("%s, %s: %v", patterns[i], schedules[j], err)
			}
			again := *r
			g := formOf(r)
			if g.setMethod(&again); !reflect.DeepEqual(again.Prune, r.Prune) {
				t.Errorf("%s, %s: opened again it is %+v, was %+v", patterns[i], schedules[j], again.Prune, r.Prune)
			}
		}
	}
	r := core.DefaultRecipe()
	_, s := methodFields(r)
	s.later()
	if slices.Contains(s.opts, "earlybird") || s.chosen() != r.Prune.Schedule || len(s.opts) != len(s.words) {
		t.Errorf("after the baseline: %v, %s", s.opts, s.chosen())
	}
	r.Prune.Schedule = "earlybird"
	_, s = methodFields(r)
	if s.later(); s.chosen() != "earlybird" {
		t.Errorf("a recipe with an early bird opens as %s", s.chosen())
	}
}

func formOf(r *core.Recipe) *form {
	pattern, schedule := methodFields(r)
	return &form{fields: []field{pattern, schedule, {key: "target", kind: slider, num: r.Prune.Target}}}
}

// TestCutChoice: where a pane is too narrow for the words of a choice, the line below has them.
func TestCutChoice(t *testing.T) {
	d, _ := watching(t, 80, 24, newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor"))
	for d.conf.fields[d.conf.at].key != "pattern" {
		key(d, "up")
	}
	for d.conf.get("pattern").chosen() != "width" {
		key(d, "right")
	}
	if s := bare(d.Render()); !strings.Contains(s, "what is removed: neurons, filters and heads") {
		t.Errorf("the choice cannot be read:\n%s", s)
	}
}
