package work

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestTour: at each stop the run holds, the screen says what one sees with this run's
// figures, and enter goes on; stops that were missed are left out.
func TestTour(t *testing.T) {
	b := func() *story { return newStory().start("B") }
	val := func() *story { return b().baselineDone("B").configured("B").sparsified("B") }
	for _, c := range []struct {
		s            *story
		title, sees  string
		then, wanted string // keys, commands
	}{
		{b().wait(event.Baseline, "ready"), "welcome", "lenet-300-100 on fashion-mnist", "enter enter", "next"},
		{b().baseline("B"), "two curves", "B · counter", "enter", "pause, go"},
		{b().baselineDone("B").wait(event.Configure, "choose"), "the recipe", "88.4 % of the validation samples", "enter", ""},
		{b().baselineDone("B").configured("B").sparsify(9, "B"), "zeros", "84.5 % of the weights", "enter", "pause, go"},
		{val().wait(event.Validate, "look"), "the test", "tour: the test", "enter enter", "next"},
		{val().validated("B").wait(event.Deploy, "write"), "the verdict", "PASS", "enter enter", "next"},
		{val().validated("B").deployed(), "the end", "pare report brisk-heron", "enter", ""},
	} {
		t.Run(c.title, func(t *testing.T) {
			d := testDesk(t, 80, 24, 0, false)
			d.o.Tour = true
			f := &fake{id: "brisk-heron", log: c.s.es, alive: true, recipe: testRecipe()}
			d.follow(f)
			work(d, d.begin())
			sample(d)
			if d.over != overTour {
				t.Fatalf("no stop:\n%s", bare(d.Render()))
			}
			sees(t, d, "tour: "+c.title, c.sees, "enter go on")
			for w := 1; w < 140; w += 13 {
				for h := 1; h < 50; h += 6 {
					d.resize(w, h)
					fits(t, d, c.title)
				}
			}
			d.resize(80, 24)
			key(d, strings.Fields(c.then)...)
			if got := f.commands(); got != c.wanted {
				t.Errorf("%s sent %q, want %q", c.then, got, c.wanted)
			}
			sample(d)
			if d.over == overTour {
				t.Error("the same stop opens again")
			}
		})
	}
	d, _ := watching(t, 80, 24, b().wait(event.Baseline, "ready"))
	if sample(d); d.over == overTour {
		t.Error("a stop without a tour")
	}
	d.o.Tour = true
	sample(d)
	key(d, "esc")
	if d.o.Tour || d.over == overTour {
		t.Error("esc does not end the tour")
	}
}

// TestEnterTwiceIsOnce: enter pressed again before the log says that the run goes on does
// not answer the question after it too.
func TestEnterTwiceIsOnce(t *testing.T) {
	s := newStory().start("B").baselineDone("B").configured("B").sparsified("B").wait(event.Validate, "look")
	d, f := watching(t, 80, 24, s)
	key(d, "enter", "enter", "enter")
	sees(t, d, "the run has been told; it is about to go on")
	f.push(s, func(s *story) { s.add(&event.StageChange{Stage: event.Validate, State: "done", Evidence: "PASS"}) })
	sample(d)
	key(d, "enter") // what is over does not wait again, before the next stage begins
	if got := f.commands(); got != "next" {
		t.Errorf("sent %q, want one next", got)
	}
	f.push(s, func(s *story) { s.wait(event.Deploy, "write") })
	sample(d)
	key(d, "enter", "enter")
	if got := f.commands(); got != "next, next" {
		t.Errorf("sent %q, want two", got)
	}
	d.now = d.now.Add(patience) // it was lost on the way
	key(d, "enter")
	if got := f.commands(); got != "next, next, next" {
		t.Errorf("sent %q, want three", got)
	}
}
