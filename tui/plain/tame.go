package plain

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"pare/core/event"
	"pare/tui/theme"
)

// tame is an event whose texts cannot move the cursor or begin a line of their
// own: names come from files of others. Most are so already and are not copied.
func tame(e event.Event) event.Event {
	if e.Body == nil || calm(reflect.ValueOf(e.Body)) {
		return e
	}
	n := e
	v := reflect.New(reflect.TypeOf(e.Body).Elem())
	v.Elem().Set(deep(reflect.ValueOf(e.Body).Elem()))
	n.Body = v.Interface().(event.Body)
	return n
}

// calm reports whether all texts in v are harmless.
func calm(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return theme.Harmless(v.String()) == v.String()
	case reflect.Pointer:
		return v.IsNil() || calm(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && !calm(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		switch v.Type().Elem().Kind() {
		case reflect.String, reflect.Struct, reflect.Pointer, reflect.Slice:
			for i := range v.Len() {
				if !calm(v.Index(i)) {
					return false
				}
			}
		}
	}
	return true
}

// recipeField of a decision is a whole file: its lines are its own.
const recipeField = "Text"

// deep is a copy of v with harmless texts.
func deep(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(theme.Harmless(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(deep(v.Elem()))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return out
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !(f.Name == recipeField && v.Type() == reflect.TypeFor[event.Decision]()) {
				out.Field(i).Set(deep(v.Field(i)))
			}
		}
	case reflect.Slice:
		if v.IsNil() || v.Type() == reflect.TypeFor[json.RawMessage]() {
			return out
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(deep(v.Index(i)))
		}
	}
	return out
}

// harmless cleans each line of a text that has lines.
func harmless(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = theme.Harmless(l)
	}
	return strings.Join(lines, "\n")
}
