package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"pare/core"
	"pare/sessions"
)

// TestShowRecipe: the recipe comes as a file, or as one JSON object.
func TestShowRecipe(t *testing.T) {
	root := t.TempDir()
	if _, err := sessions.Create(root, core.DefaultRecipe()); err != nil {
		t.Fatal(err)
	}
	_, out, errs := call(t, "sessions", "show", "--recipe", "--sessions", root)
	if !strings.Contains(out, "[prune]\n") || errs != "" {
		t.Errorf("%q %q", out, errs)
	}
	_, out, errs = call(t, "sessions", "show", "--recipe", "--json", "--sessions", root)
	var r struct{ Prune struct{ Target float64 } }
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Prune.Target != 0.9 || strings.Count(out, "\n") != 1 || errs != "" {
		t.Errorf("%v: %q %q", err, out, errs)
	}
}

// TestHelpListsFlagsInUse: a flag that a verb ignores is not in its help.
func TestHelpListsFlagsInUse(t *testing.T) {
	for verb, want := range map[string]string{
		"run": "device threads seed", "predict": "device threads seed", "doctor": "device", "bench train": "device threads",
		"hw calibrate": "device", "bench predict": "device threads seed", "bench chooser": "threads", "bench card": "device",
		"sessions list": "", "sessions show": "", "attach": "", "report": "", "data show": "", "hw list": "",
	} {
		_, out, _ := call(t, append(strings.Fields(verb), "--help")...)
		for _, f := range []string{"device", "threads", "seed"} {
			if has := strings.Contains(out, "--"+f+" "); has != strings.Contains(want, f) {
				t.Errorf("pare %s --help: --%s listed %v", verb, f, has)
			}
		}
		if !strings.Contains(out, "--json") {
			t.Errorf("pare %s --help lists no --json", verb)
		}
	}
}

// TestDataShowIsWhatARunTakes: the hash is that in a run's log.
func TestDataShowIsWhatARunTakes(t *testing.T) {
	hash := func(out string) string {
		for _, l := range strings.Split(out, "\n") {
			var x struct {
				Hash string
				Body struct {
					DataHash string `json:"data_hash"`
				}
			}
			if json.Unmarshal([]byte(l), &x) == nil && x.Hash+x.Body.DataHash != "" {
				return x.Hash + x.Body.DataHash
			}
		}
		return "none"
	}
	_, shown, _ := call(t, "data", "show", "iris", "--json")
	_, run, _ := call(t, "run", "--data", "iris", "--model", "mlp", "--epochs", "1", "--prune-epochs", "1", "--formats", "packed", "--json")
	if a, b := hash(shown), hash(run); a != b || a == "none" {
		t.Errorf("shown %s, run on %s", a, b)
	}
}
