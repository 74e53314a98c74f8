package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// TestScan: a session's dense model is scanned, with what each level costs and what the
// scan did; with --json the same as events, one a line.
func TestScan(t *testing.T) {
	root := t.TempDir()
	code, out, errs := call(t, "run", "--model", "mlp", "--data", "iris", "--epochs", "5", "--prune-epochs", "2", "--target", "0.5", "--floor", "90",
		"--distribution", "sensitivity", "--pattern", "element", "--plain", "--sessions", root)
	if code != core.ExitOK && code != core.ExitVerdict || !strings.Contains(out, "sensitivity scan (magnitude, single weights)") || !strings.Contains(out, "by the scan 50.0 % zeros should cost") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	s, err := sessions.Find(root, "")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs = call(t, "scan", s.ID, "--sessions", root)
	for _, want := range []string{"as it is", "fc1 ", "points lost:", "predicted for", "known before", "known before): "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%d: no %q in\n%s%s", code, want, out, errs)
		}
	}
	code, out, errs = call(t, "scan", s.ID, "--pattern", "neuron", "--levels", "0.25,0.5", "--json", "--sessions", root)
	rows, end := 0, event.Scan{}
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		var e struct {
			Kind string
			Body json.RawMessage
		}
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		switch e.Kind {
		case "scan_row":
			rows++
		case "scan":
			if err := json.Unmarshal(e.Body, &end); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code != 0 || rows != end.Of || !end.Complete() || !end.Groups || len(end.Levels) != 2 || end.Cost.Energy.Source == "" {
		t.Errorf("%d: %d rows, %+v %s", code, rows, end, errs)
	}
	for args, want := range map[string]string{
		"nosuch": "needs --data", s.ID + " --seed 3": "leave --seed out", s.ID + " --levels 0.5,0.4": "scan.levels", s.ID + " --pattern head": "no attention", "mlp --data nosuch": "no built-in data set",
	} {
		if code, _, errs := call(t, append([]string{"scan", "--sessions", root}, strings.Fields(args)...)...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("scan %s: %d %q, want %q", args, code, errs, want)
		}
	}
}
