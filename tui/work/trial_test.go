package work

import (
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
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

var _ = event.Baseline
