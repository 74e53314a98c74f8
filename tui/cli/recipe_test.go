package cli

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pare/core"
)

// TestExampleRecipe: the example is the default recipe, every key has its line,
// and what stands behind a # can be taken as it is.
func TestExampleRecipe(t *testing.T) {
	code, out, errs := call(t, "run", "--example")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d, %q", code, errs)
	}
	got, err := core.ParseRecipe([]byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	a, _ := got.Marshal()
	if b, _ := core.DefaultRecipe().Marshal(); string(a) != string(b) {
		t.Errorf("the example is not the default:\n%s\nwant\n%s", a, b)
	}
	left := map[string]bool{}
	for k, d := range recipeKeys {
		left[k] = true
		if d.text == "" {
			t.Errorf("%s is not explained", k)
		}
	}
	var walk func(section string, v reflect.Type)
	walk = func(section string, v reflect.Type) {
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Field(i).Tag.Get("toml"), ",")
			key := strings.TrimPrefix(section+"."+tag, ".")
			f := v.Field(i).Type
			if f.Kind() == reflect.Struct && tag != "plan" {
				walk(tag, f)
				continue
			}
			if !left[key] {
				t.Errorf("%s is not among the keys", key)
			}
			delete(left, key)
			if tag == "lowrank" { // any number of tables
				walk(tag, f.Elem())
			}
			if !strings.Contains(out, recipeKeys[key].text) {
				t.Errorf("%s is not in the example", key)
			}
		}
	}
	walk("", reflect.TypeFor[core.Recipe]())
	for k := range left {
		t.Errorf("there is no key %s", k)
	}
	// Everything but the second of two that exclude each other.
	all := regexp.MustCompile(`(?m)^# (\w+ = )`).ReplaceAllString(out, "$1")
	all = regexp.MustCompile(`(?m)^name = "(lenet|fashion).*$`).ReplaceAllString(all, "")
	if _, err := core.ParseRecipe([]byte(all)); err != nil {
		t.Errorf("the examples do not work: %v\n%s", err, all)
	}
}

func TestBudgetFlag(t *testing.T) {
	for _, s := range []string{"0", "-1", "nan"} {
		if code, _, errs := call(t, "run", "--budget", s); code != 2 || !strings.Contains(errs, "--budget") {
			t.Errorf("--budget %s: exit %d, %q", s, code, errs)
		}
	}
	code, out, errs := call(t, "run", "--budget", "0.001", "--model", "mlp", "--data", "iris", "--epochs", "50")
	if code != core.ExitBudget {
		t.Errorf("exit %d, want %d: %s%s", code, core.ExitBudget, out, errs)
	}
}
