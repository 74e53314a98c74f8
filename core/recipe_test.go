package core

import (
	"bytes"
	"strings"
	"testing"
)

// TestRecipeRoundTrip: a saved recipe reads back as it was, whatever it names.
func TestRecipeRoundTrip(t *testing.T) {
	for name, edit := range map[string]func(*Recipe){
		"default": func(*Recipe) {},
		"paths":   func(r *Recipe) { r.Model, r.Data = ModelSpec{Path: "a.onnx"}, DataSpec{Path: "b.csv", Label: "y"} },
		"decisions": func(r *Recipe) {
			r.Decisions = []Decision{{3, 120, "target", 0.8, "", 0}, {3, 200, "rollback", 0, "s3-000100", 2}}
		},
		"zeros":    func(r *Recipe) { r.Prune.Target, r.Prune.RewindStep, r.Floor.Points, r.Train.Epochs = 0, 0, 0, 0 },
		"no files": func(r *Recipe) { r.Deploy.Formats = []string{} },
		"prepared": func(r *Recipe) { r.Data.Scale, r.Data.Mean, r.Data.Std = 1.0/255, []float64{0.28}, []float64{0.35} },
	} {
		r := DefaultRecipe()
		edit(r)
		b, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRecipe(b)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, b)
			continue
		}
		again, err := got.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, b) { // the file form: a nil list and an empty one are the same
			t.Errorf("%s: read back as\n%s\nwant\n%s", name, again, b)
		}
	}
}

func TestRecipeNamesTheMistake(t *testing.T) {
	for text, want := range map[string]string{
		"version = 2\n":                                   "newer",
		"[prune]\ntarget = 1.2\n":                         "prune.target",
		"[prune]\ntarget = nan\n":                         "prune.target",
		"[prune]\nramp = 1.5\n":                           "prune.ramp",
		"[prune]\nramp = nan\n":                           "prune.ramp",
		"[prune]\nschedule = \"oneshot\"\nramp = 0.3\n":   "prune.ramp",
		"[prune]\npattern = \"diagonal\"\n":               "block4x1",
		"[prune]\nschedule = \"iterative\"\nlevels = 0\n": "prune.levels",
		"[prune]\nschedule = \"iterative\"\npattern = \"neuron\"\nrewind_step = 0\n": "rewound",
		"[train]\nlr = -1\n":                    "train.lr",
		"[model]\nname = \"a\"\npath = \"b\"\n": "both set",
		"[hardware]\ndevice = \"tpu\"\n":        "hardware.device",
		"[deploy]\nformats = [\"gguf\"]\n":      "deploy.formats",
		"[floor]\naccuracy = 88\n":              "floor.accuracy",
		"[data]\nval = 0.6\ntest = 0.5\n":       "data.val",
		"colour = 1\n":                          "colour",
	} {
		_, err := ParseRecipe([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want a word on %s", text, err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %q", text, err)
		}
	}
}

func FuzzParseRecipe(f *testing.F) {
	b, err := DefaultRecipe().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("[prune]\ntarget = 0.5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecipe(b)
		if err != nil {
			return
		}
		out, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRecipe(out); err != nil {
			t.Fatalf("accepted, but not when written again: %v\n%s", err, out)
		}
	})
}
