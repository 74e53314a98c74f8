package work

import (
	"maps"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestByHandFields: layers begin as the recipe has them, take a share by ← → or typed,
// and an empty number leaves them to the spread again; the run's recipe stays as it is.
func TestByHandFields(t *testing.T) {
	r := core.DefaultRecipe()
	r.Prune.ByHand = map[string]float64{"out": 0.33333}
	r.Prune.Skip = []string{"fc2"}
	f := &form{fields: append([]field{{key: "target", kind: slider, num: 0.9}}, handFields(r, []event.Layer{{Name: "fc1", Prunable: true}, {Name: "fc2", Prunable: true}, {Name: "out", Prunable: true}, {Name: "norm"}})...)}
	if len(f.fields) != 3 {
		t.Fatalf("%d fields", len(f.fields))
	}
	is := func(want map[string]float64) {
		t.Helper()
		n := *r
		if f.setByHand(&n); !maps.Equal(n.Prune.ByHand, want) {
			t.Errorf("%v, want %v", n.Prune.ByHand, want)
		}
	}
	is(map[string]float64{"out": 0.33333})
	f.at = 1
	if v := f.fields[1].value(); v != "as spread" {
		t.Error(v)
	}
	f.turn(-1)
	is(map[string]float64{"out": 0.33333})
	f.turn(1)
	f.turn(1)
	is(map[string]float64{"fc1": 0.91, "out": 0.33333})
	if v := f.fields[1].value(); v != "91 %" {
		t.Error(v)
	}
	if err := f.fields[1].set("37.5"); err != nil {
		t.Error(err)
	}
	is(map[string]float64{"fc1": 0.375, "out": 0.33333})
	if err := f.fields[1].set("-1"); err == nil {
		t.Error("−1 % was taken")
	}
	for _, x := range []int{1, 2} {
		if err := f.fields[x].set(""); err != nil {
			t.Error(err)
		}
	}
	is(nil)
	f.at = 2
	if err := f.fields[2].set("0"); err != nil {
		t.Error(err)
	}
	is(map[string]float64{"out": 0})
	f.turn(-1)
	is(nil)
	f.at = 1
	if err := f.fields[1].set("0"); err != nil {
		t.Error(err)
	}
	is(map[string]float64{"fc1": 0})
	if r.Prune.ByHand["out"] != 0.33333 {
		t.Error("the run's own recipe was changed")
	}
}

// TestByHandOnScreen: the configure form shows the layers at its end, and the recipe that
// is sent has what was given.
func TestByHandOnScreen(t *testing.T) {
	d, _ := watching(t, 80, 24, newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor"))
	for range d.conf.fields {
		key(d, "down")
	}
	if k := d.conf.fields[d.conf.at].key; !strings.HasPrefix(k, byHand) {
		t.Fatalf("the last field is %q", k)
	}
	if !strings.Contains(bare(d.Render()), "as spread") {
		t.Errorf("not shown:\n%s", bare(d.Render()))
	}
	for _, k := range []string{"5", "0", "enter"} {
		key(d, k)
	}
	if !strings.Contains(bare(d.Render()), "out                ← 50 % →") {
		t.Errorf("not shown:\n%s", bare(d.Render()))
	}
	name := strings.TrimPrefix(d.conf.fields[d.conf.at].key, byHand)
	if h := d.confRecipe().Prune.ByHand; len(h) != 1 || h[name] != 0.5 {
		t.Errorf("%v", h)
	}
}
