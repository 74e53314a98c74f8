package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/sessions"
	"pare/tui/plain"
)

// TestBranchAndCompare: a run, a branch of it with another target, both side by
// side, replayed, and the old one untouched.
func TestBranchAndCompare(t *testing.T) {
	root := t.TempDir()
	code, _, errs := call(t, "run", "--data", "iris", "--model", "mlp", "--epochs", "4", "--prune-epochs", "4", "--floor", "60", "--target", "0.5", "--formats", "packed", "--plain", "--sessions", root)
	if code != 0 && code != 3 {
		t.Fatal(code, errs)
	}
	l, err := sessions.List(root)
	if err != nil || len(l) != 1 {
		t.Fatal(l, err)
	}
	old := l[0]
	code, out, errs := call(t, "branch", old.ID, "--set", "prune.target=0.7", "--plain", "--sessions", root)
	if code != 0 && code != 3 || !strings.Contains(errs, "branches from "+old.ID) || !strings.Contains(out, "branch of "+old.ID+" at s2-000000: prune.target 0.5 → 0.7") {
		t.Fatal(code, out, errs)
	}
	if !strings.Contains(out, "look 2 at the test set") {
		t.Errorf("who branches has looked once already:\n%s", out)
	}
	l, err = sessions.List(root)
	if err != nil || len(l) != 2 || l[0].Zeros < 0.68 || l[1].Weights != old.Weights {
		t.Fatal(l, err)
	}
	code, out, errs = call(t, "compare", old.ID, l[0].ID, "--json", "--sessions", root)
	var c plain.Comparison
	if err := json.Unmarshal([]byte(out), &c); code != 0 || err != nil {
		t.Fatal(code, err, errs)
	}
	if len(c.Recipes) != 1 || c.Recipes[0].Key != "prune.target" || c.Recipes[0].Values[1] != "0.7" {
		t.Errorf("recipes differ in %+v", c.Recipes)
	}
	if r := c.Rows[1]; r.Name != "accuracy, dense, validation" || r.Values[0] != r.Values[1] {
		t.Errorf("%+v", r)
	}
	if len(c.Caveats) != 1 || !strings.Contains(c.Caveats[0], "is a branch of "+old.ID) {
		t.Errorf("caveats %q", c.Caveats)
	}
	_, out, _ = call(t, "compare", old.ID, l[0].ID, "--sessions", root)
	for _, w := range []string{old.ID, "zeros", "the recipes differ in\n  prune.target", "0.5", "0.7"} {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
	_, out, _ = call(t, "replay", l[0].ID, "--plain", "--speed", "4096", "--sessions", root)
	if !strings.HasPrefix(out, "replay of session "+l[0].ID) || !strings.Contains(out, "look 2 at the test set") || !strings.Contains(out, "\nend of the replay") {
		t.Errorf("replayed:\n%s", out)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"branch", old.ID, "--at", "77"}, 1, "keeps no checkpoint of epoch 77"},
		{[]string{"branch", old.ID, "--at", "nosuch"}, 1, "no checkpoint \"nosuch\": it has"},
		{[]string{"branch", old.ID, "--set", "seed=3"}, 1, "seed: a branch keeps it"},
		{[]string{"branch", old.ID, "--set", "prune.targt=3"}, 1, "unknown key \"prune.targt\""},
		{[]string{"compare", old.ID}, 2, "compare needs"},
	} {
		code, _, errs := call(t, append(c.args, "--sessions", root)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, %q", c.args, code, errs)
		}
	}
	// A damaged checkpoint is refused, one that is gone is not offered.
	path := filepath.Join(old.Dir, "checkpoints", "s2-000000.safetensors")
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(t, "branch", old.ID, "--plain", "--sessions", root); code != 1 || !strings.Contains(errs, "does not have the hash in the log") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := call(t, "branch", old.ID, "--at", "s2-000000", "--sessions", root); code != 1 || !strings.Contains(errs, "no checkpoint \"s2-000000\"") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if dirs, err := os.ReadDir(root); err != nil || len(dirs) != 2 {
		t.Errorf("left behind: %v %v", dirs, err)
	}
	if l, err = sessions.List(root); err != nil || len(l) != 2 {
		t.Errorf("a refused branch left something: %v %v", l, err)
	}
}
