package plain

import (
	"fmt"
	"reflect"
	"strings"

	"pare/core"
	"pare/core/event"
)

// patterns are the recipe's patterns in words.
var patterns = map[string]string{"element": "single weights", "block4x1": "4×1 blocks", "block8x1": "8×1 blocks", "block16x1": "16×1 blocks", "2:4": "2:4", "2:4-both": "2:4 both ways", "neuron": "neurons and filters", "head": "attention heads", "width": "neurons, filters and heads", "layer": "residual blocks"}

// configured says in words what the last decision of st, a configure, changed
// in the recipe. The log holds whole recipes: the first one is told as it is.
func configured(d *event.Decision, st *event.State) string {
	now, err := core.ParseRecipe([]byte(d.Text))
	if err != nil {
		return "recipe set"
	}
	for i := len(st.Decisions) - 2; i >= 0; i-- {
		if p := st.Decisions[i]; p.Cmd == core.CmdConfigure {
			if old, err := core.ParseRecipe([]byte(p.Text)); err == nil {
				return recipeChange(old, now)
			}
			break
		}
	}
	return "recipe set: " + recipeWords(now)
}

// recipeWords is a recipe in one line.
func recipeWords(r *core.Recipe) string {
	p := r.Prune
	floor := fmt.Sprintf("floor %g pt under the baseline", r.Floor.Points)
	if a := r.Floor.Accuracy; a > 0 {
		floor = fmt.Sprintf("floor %.1f %%", 100*a)
	}
	pattern := p.Pattern
	if w, ok := patterns[pattern]; ok {
		pattern = w
	}
	s := fmt.Sprintf("%s, %s, %s, %s, target %.1f %% zeros, %s, %s", p.Score, pattern, p.Distribution, p.Schedule, 100*p.Target, Epochs(p.Epochs), floor)
	return s + budgetWords(r)
}

// Epochs is "1 epoch", "2 epochs".
func Epochs(n int) string {
	if n == 1 {
		return "1 epoch"
	}
	return fmt.Sprintf("%d epochs", n)
}

// budgetWords are the limits of a recipe, each after a comma.
func budgetWords(r *core.Recipe) (s string) {
	for _, l := range []struct {
		v    float64
		unit string
	}{{r.Budget.Joules, "J"}, {r.Budget.KWh, "kWh"}, {r.Budget.Money, r.Grid.Currency}, {r.Budget.GCO2e, "g CO2e"}, {r.Budget.Seconds, "s"}} {
		if l.v > 0 {
			s += ", budget " + event.Budget{Unit: l.unit}.Amount(l.v)
		}
	}
	return s
}

// recipeChange names the keys in which two recipes differ.
func recipeChange(old, now *core.Recipe) string {
	a, b := keys(old), keys(now)
	var out []string
	for i, k := range b {
		if was := a[i].value; was != k.value {
			out = append(out, fmt.Sprintf("%s %s → %s", k.name, was, k.value))
		}
	}
	if len(out) == 0 {
		return "recipe set, nothing changed"
	}
	return "recipe changed: " + strings.Join(out, ", ")
}

type key struct{ name, value string }

// keys are what a person can still change, in the order of the file.
func keys(r *core.Recipe) []key {
	var out []key
	for _, part := range []struct {
		name string
		of   any
	}{{"train", r.Train}, {"prune", r.Prune}, {"floor", r.Floor}, {"budget", r.Budget}, {"hardware", r.Hardware}, {"deploy", r.Deploy}} {
		v := reflect.ValueOf(part.of)
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("toml"), ",")
			out = append(out, key{part.name + "." + name, orDash(value(v.Field(i)))})
		}
	}
	return out
}

func value(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	var l []string
	for i := range v.Len() {
		l = append(l, fmt.Sprint(v.Index(i).Interface()))
	}
	return strings.Join(l, " ")
}

// Checkpoint is a checkpoint in one line; its accuracy is not always known.
func Checkpoint(c *event.Checkpoint) string {
	acc := "–"
	if c.Acc >= 0 {
		acc = fmt.Sprintf("%.1f %%", 100*c.Acc)
	}
	return fmt.Sprintf("%-12s stage %d, step %d, validation %s, %.1f %% zeros, %s", c.Name, int(c.Stage), c.Step, acc, 100*c.Zeros, Bytes(c.Bytes))
}
