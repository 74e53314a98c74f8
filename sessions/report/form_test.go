package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// stageCosts are the stages' costs as the state has them.
func stageCosts(st *event.State) []event.StageCost {
	var c []event.StageCost
	for _, s := range st.Stages {
		c = append(c, s.Cost)
	}
	return c
}

func energyForm(t testing.TB, st *event.State, recipe string) string {
	t.Helper()
	var b strings.Builder
	if err := EnergyForm(&b, st, stageCosts(st), recipe); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// counted is a run whose epochs count their multiply-adds.
func counted(s *story) *story {
	for i := range s.st.Epochs {
		e := &s.st.Epochs[i]
		e.MACs = 3 * 266200 * 30000
		e.Skipped = int64(e.Zeros * float64(e.MACs))
	}
	return s
}

// TestEnergyFormGolden: the same run gives the same form. PARE_UPDATE=1 writes it
// anew; read it before it is kept.
func TestEnergyFormGolden(t *testing.T) {
	mixed := counted(whole("B", 1.4))
	c := &mixed.st.Stages[event.Sparsify].Cost.Energy
	c.Tier, c.Source, c.Band = "E", "profile generic-x86-cpu", 40 // it went on where no counter may be read
	for name, st := range map[string]*event.State{
		"form-b":          &counted(whole("B", 1.4)).st,
		"form-e":          &whole("E", 40).st,
		"form-mixed":      &mixed.st,
		"form-no-joules":  &whole("", 0).st,
		"form-unfinished": &start("E", 40).st,
		"form-empty":      {},
	} {
		got := energyForm(t, st, recipe)
		file := filepath.Join("testdata", name+".md")
		if os.Getenv("PARE_UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs (PARE_UPDATE=1 takes it):\n%s", name, got)
		}
	}
}

// TestEnergyFormFigures checks the sums by hand: 81.4 J and 51.7 J of training
// are 3.7×10⁻⁸ MWh.
func TestEnergyFormFigures(t *testing.T) {
	form := energyForm(t, &counted(whole("B", 1.4)).st, recipe)
	for _, want := range []string{
		"3.7×10⁻⁸ MWh (130 J) ±2 %, measured, tier B",
		"1.9×10⁻⁸ MWh (67 J) ±2 %, measured, tier B", // 0.04 + 57 + 10.1 J
		"7.5×10⁻⁵ days (6.5 s)", "less than 1 month", "1.4×10⁻⁴ core-days",
		"dense it would have been 1.7×10¹² FLOPs", // 35 epochs of 3·266200·30000 multiply-adds
		"| dense | 5.3×10⁵ | 38 µs ±3 % | 410 µJ ±2 %, measured, tier B |",
		"| pared, 90.0 % zeros | at most 5.3×10⁵ | 9.1 µs ±4 % | 100 µJ ±2 %, measured, tier B |",
	} {
		if !strings.Contains(form, want) {
			t.Errorf("%q is not in the form", want)
		}
	}
}

// TestEnergyFormWords: the method stays within the hundred words that the form
// recommends, nothing estimated is called measured, nothing unknown is a number.
func TestEnergyFormWords(t *testing.T) {
	for _, tier := range []string{"A", "B", "C", "D", "E", ""} {
		st := whole(tier, 40).st
		cover := 0.876
		st.Stages[event.Sparsify].Cost.Energy.Coverage = &cover
		form := energyForm(t, &st, recipe)
		if strings.Contains(form, "covered 87 % of the time or more") != (tier != "") {
			t.Errorf("tier %q is silent about its coverage", tier)
		}
		i := strings.Index(form, "Method: ")
		method, _, _ := strings.Cut(form[i:], "\n")
		if n := len(strings.Fields(method)); i < 0 || n > 100 {
			t.Errorf("tier %s: the method has %d words: %s", tier, n, method)
		}
		called := strings.Contains(strings.ReplaceAll(strings.ReplaceAll(form, "not measured", ""), "Not measured", ""), "measured")
		if called != (tier == "A" || tier == "B" || tier == "C") {
			t.Errorf("tier %q: called measured %v\n%s", tier, called, form)
		}
		if regexp.MustCompile(`NaN|\bInf\b|%!|\bnil\b|\bratio|\b0 MWh`).MatchString(form) {
			t.Errorf("tier %q:\n%s", tier, form)
		}
	}
}

func TestEnergyFormOrigin(t *testing.T) {
	r := core.DefaultRecipe()
	r.Model.Name, r.Model.Path = "", `/models/a|b.onnx`
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	st := whole("E", 40).st
	st.Started.Machine = "x | y\n# <b>*[z](u)"
	form := energyForm(t, &st, string(b))
	if !strings.Contains(form, `it was loaded from a file, a\|b.onnx.`) || !strings.Contains(form, `x \| y # \<b>\*\[z\](u)`) {
		t.Error(form)
	}
	if !strings.Contains(energyForm(t, &st, ""), "the recipe is not known") {
		t.Error("silent about a recipe that is not known")
	}
}

func TestMonths(t *testing.T) {
	for days, want := range map[float64]string{0.1: "less than 1 month", 30: "less than 1 month", 31: "1–3 months", 100: "3–6 months", 183: "more than 6 months"} {
		if got := months(days); got != want {
			t.Errorf("%g days: %s", days, got)
		}
	}
}
