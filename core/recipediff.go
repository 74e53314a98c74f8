package core

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Difference is a key in which two recipes differ.
type Difference struct{ Key, Old, New string }

// String is the difference in words: "prune.target 0.9 → 0.95".
func (d Difference) String() string { return fmt.Sprintf("%s %s → %s", d.Key, d.Old, d.New) }

// Diff lists the keys in which a recipe differs from another, in the order of the
// file; decisions and what a run filled in to run the same again (plan prices, the
// data's preprocessing) are left out.
func (r *Recipe) Diff(n *Recipe) []Difference {
	var out []Difference
	a, b := reflect.ValueOf(*r), reflect.ValueOf(*n)
	for i := range a.NumField() {
		name := key(a.Type().Field(i))
		switch name {
		case "plan", "decision", "version":
			continue
		}
		fa, fb := a.Field(i), b.Field(i)
		if fa.Kind() != reflect.Struct {
			out = differ(out, name, fa, fb)
			continue
		}
		for k := range fa.NumField() {
			if f := fa.Type().Field(k); f.IsExported() {
				switch full := name + "." + key(f); full {
				case "data.scale", "data.mean", "data.std", "data.vocab":
				default:
					out = differ(out, full, fa.Field(k), fb.Field(k))
				}
			}
		}
	}
	return out
}

func key(f reflect.StructField) string {
	k, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if k == "" {
		k = strings.ToLower(f.Name)
	}
	return k
}

func differ(out []Difference, name string, a, b reflect.Value) []Difference {
	if x, y := shown(a), shown(b); x != y {
		out = append(out, Difference{name, x, y})
	}
	return out
}

// shown is a value of a recipe for people; "–" when it is left open.
func shown(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "–"
		}
		return shown(v.Elem())
	case reflect.Slice:
		var l []string
		for i := range v.Len() {
			l = append(l, shown(v.Index(i)))
		}
		if len(l) == 0 {
			return "–"
		}
		return strings.Join(l, " ")
	case reflect.Map:
		var l []string
		for _, k := range v.MapKeys() {
			l = append(l, fmt.Sprintf("%v %s", k, shown(v.MapIndex(k))))
		}
		if len(l) == 0 {
			return "–"
		}
		slices.Sort(l)
		return strings.Join(l, " ")
	case reflect.Struct: // a step of [[lowrank]]: what it sets
		var l []string
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				l = append(l, key(f)+" "+shown(v.Field(i)))
			}
		}
		return strings.Join(l, ", ")
	case reflect.String:
		if v.String() == "" {
			return "–"
		}
	}
	return fmt.Sprint(v.Interface())
}

// Set changes keys of a recipe: "prune.target=0.95". A value is written as in the
// file; a bare word need not be quoted.
func (r *Recipe) Set(pairs ...string) error {
	b, err := r.Marshal()
	if err != nil {
		return err
	}
	all := map[string]any{}
	if err := toml.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if !ok || k == "" || v == "" {
			return fmt.Errorf("%q: give key=value, such as prune.target=0.95", p)
		}
		var one map[string]any
		if toml.Unmarshal([]byte("v = "+v), &one) != nil || len(one) != 1 {
			one = map[string]any{"v": v}
		}
		into := all
		path := strings.Split(k, ".")
		for _, part := range path[:len(path)-1] {
			next, ok := into[part].(map[string]any)
			if !ok {
				if into[part] != nil {
					return fmt.Errorf("%s: %s is not a group of keys", k, part)
				}
				next = map[string]any{}
				into[part] = next
			}
			into = next
		}
		last := path[len(path)-1]
		if x, isInt := one["v"].(int64); isInt { // 1 for 1.0
			if _, was := into[last].(float64); was {
				one["v"] = float64(x)
			}
		}
		into[last] = one["v"]
	}
	if b, err = toml.Marshal(all); err != nil {
		return err
	}
	n, err := ParseRecipe(b)
	if err != nil {
		return setError(err, pairs)
	}
	*r = *n
	return nil
}

// setError names the pair instead of a line of a file nobody has.
func setError(err error, pairs []string) error {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "line ") {
		text = rest
	}
	if strings.HasPrefix(text, "unknown key") {
		text, _, _ = strings.Cut(text, ";")
		return fmt.Errorf("%s: `pare run --example` lists the keys", text)
	}
	return fmt.Errorf("%s: %s", strings.Join(pairs, " "), text)
}
