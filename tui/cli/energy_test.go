package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/sessions"
)

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLastPointsOfOthers: a table of tasks from a log of levels, a summary of one
// run from an ordinary log, one object a line with --json.
func TestLastPointsOfOthers(t *testing.T) {
	zeus := "../../core/energy/testdata/zeus/summary_train_part.csv"
	code, out, errs := call(t, "energy", "last-points", zeus)
	for _, want := range []string{"cost in epochs", "same share of the energy where power is constant", "55 → 60", "47.5 %", "45.0 %", "40 → 35, lower is better", "50.0 %", "25.0 %", "40.0 %", "66.7 %"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 0 || errs != "" {
		t.Errorf("code %d, %q", code, errs)
	}
	_, out, _ = call(t, "energy", "last-points", zeus, "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, l := range lines {
		var v struct {
			Unit   string
			Result struct{ Median float64 }
		}
		if err := json.Unmarshal([]byte(l), &v); err != nil || v.Unit != "epochs" || v.Result.Median <= 0 {
			t.Errorf("%v: %s", err, l)
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines", len(lines))
	}

	log := writeFile(t, "log.csv", "epoch,val_acc,energy_j,tier\n1,0.50,1000,E\n2,0.60,1000,E\n3,0.65,1000,E\n4,0.67,1000,E\n5,0.685,1000,E\n6,0.69,1000,E\n7,0.695,1000,E\n8,0.70,1000,E\n")
	_, out, _ = call(t, "energy", "last-points", log)
	for _, want := range []string{"val_acc 70.00 at the end (smoothed), after 8.0 kJ E", "the last 1 point", "cost 25 % (25–38) of the energy, 2.0 kJ E", "one point", "the next half point", "95 %"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "measured") {
		t.Errorf("tier E beside the word measured:\n%s", out)
	}
	runs := writeFile(t, "runs.csv", "run,epoch,acc\na,1,50\na,2,60\na,3,61\nb,1,50\nb,2,60\nb,3,60.5\n")
	_, out, _ = call(t, "energy", "last-points", runs)
	if !strings.Contains(out, "last 1 point") || !strings.Contains(out, "–     2") {
		t.Errorf("several runs:\n%s", out)
	}
	_, out, _ = call(t, "energy", "last-points", runs, "--each")
	if strings.Count(out, "3 epochs") != 2 {
		t.Errorf("each:\n%s", out)
	}
}

func TestLastPointsMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"say which: pare energy last-points":    {"energy"},
		"pare energy last-points needs FILE":    {"energy", "last-points"},
		"nofile.csv does not exist":             {"energy", "last-points", "nofile.csv"},
		`column "energy" has no unit`:           {"energy", "last-points", writeFile(t, "a.csv", "epoch,acc,energy\n1,2,3\n")},
		"b.csv:3: acc = \"x\" is no number":     {"energy", "last-points", writeFile(t, "b.csv", "epoch,acc\n1,2\n2,x\n")},
		"no column \"f1\" for the metric; col":  {"energy", "last-points", "--metric", "f1", writeFile(t, "c.csv", "epoch,acc\n1,2\n")},
		"only 1 row with a metric and a cost: ": {"energy", "last-points", writeFile(t, "d.csv", "epoch,acc\n1,2\n")},
	} {
		code, out, errs := call(t, args...)
		if code == 0 || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 || strings.Contains(out, "goroutine") {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

func TestEmissionsMistakes(t *testing.T) {
	root := t.TempDir()
	if _, err := sessions.Create(root, core.DefaultRecipe()); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--pue 0.5: give":       {"--pue", "0.5"},
		"--intensity -3: give":  {"--intensity", "-3"},
		"grid.country = \"xx\"": {"--grid", "xx"},
		"has no bill yet":       nil,
		"nosuch":                {"nosuch"},
		"unknown flag --price":  {"--price", "0.2EUR"}, // no column holds money
	} {
		code, out, errs := call(t, append([]string{"energy", "emissions", "--sessions", root}, args...)...)
		if code == 0 || out != "" || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

// TestWriteAsideSaysWhere: an error names the file that was asked for, not one beside it.
func TestWriteAsideSaysWhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "x.csv")
	err := writeAside(path, func(io.Writer) error { return nil })
	if err == nil {
		t.Fatal("written into a folder that is not there")
	}
	if s := words(err.Error()); s != path+": its folder: "+filepath.Dir(path)+" does not exist" {
		t.Error(s)
	}
}
