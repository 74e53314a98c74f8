package core

import (
	"context"
	"testing"
)

// TestFailuresOfTheRecipe: the log says which failures a resume only repeats.
func TestFailuresOfTheRecipe(t *testing.T) {
	for name, change := range map[string]func(*Recipe){
		"a model that is not there": func(r *Recipe) { r.Model = ModelSpec{Path: "no-such-model.onnx"} },
		"data that are not there":   func(r *Recipe) { r.Data.Name, r.Data.Path = "", "no-such-data.csv" },
		"a loss that diverges":      func(r *Recipe) { r.Train.LR = 1e30 },
		"a rewind past the end":     func(r *Recipe) { r.Prune.Schedule, r.Prune.RewindStep = "lottery", 1<<40 },
	} {
		r := small()
		change(r)
		st := MemStore{Dir: t.TempDir()}
		if _, err := Run(context.Background(), Config{Recipe: r, Store: &st}); err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if n := len(st.State.Failures); n != 1 || !st.State.Failures[0].Recipe {
			t.Errorf("%s: failures %+v, want one that the recipe is to blame for", name, st.State.Failures)
		}
	}
}
