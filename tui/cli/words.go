package cli

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pare/core"
)

// flagError tells a mistake in a flag in our words instead of the library's.
func flagError(c *cobra.Command, err error) error {
	see := fmt.Sprintf("; see `%s --help`", c.CommandPath())
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		return usagef("unknown flag %s%s", name, see)
	case errors.As(err, &missing):
		return usagef("--%s needs a value: %s%s", missing.GetFlag().Name, wanted(missing.GetFlag()), see)
	case errors.As(err, &bad):
		return usagef("--%s %q: %s%s", bad.GetFlag().Name, bad.GetValue(), wanted(bad.GetFlag()), see)
	}
	return usagef("%v%s", err, see)
}

// wanted says what a flag takes.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int":
		return "give a whole number"
	case "uint64":
		return "give a whole number from 0"
	case "float64":
		return "give a number"
	case "bool":
		return "give true or false, or the flag alone"
	case "duration":
		return "give a time with its unit, like 60ms or 2s"
	case "intSlice":
		return "give whole numbers with commas between them"
	}
	return "give " + f.Usage
}

// sharesVar adds a flag of several shares, its default as people write it.
func sharesVar(s *pflag.FlagSet, p *[]float64, name string, def []float64, usage string) {
	s.Float64SliceVar(p, name, def, usage)
	s.Lookup(name).DefValue = strings.Trim(strings.ReplaceAll(fmt.Sprint(def), " ", ","), "[]")
}

// signed prints a number with its sign, the minus as people write it.
func signed(x float64, digits int) string {
	return strings.Replace(fmt.Sprintf("%+.*f", digits, x), "-", "−", 1)
}

// takes checks the number of arguments; max −1 is any. A command without
// arguments but with verbs answers an unknown verb with the ones it has.
func takes(min, max int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < min:
			return usagef("%s needs %s: `%s`", c.CommandPath(), placeholder(c), c.UseLine())
		case max < 0 || n <= max:
			return nil
		case max == 0 && c.HasAvailableSubCommands():
			var verbs []string
			for _, v := range c.Commands() {
				verbs = append(verbs, v.Name())
			}
			return usagef("%s has no verb %q: choose %s", c.CommandPath(), args[0], strings.Join(verbs, ", "))
		case max == 0:
			return usagef("%s takes no argument, so not %q; see `%s --help`", c.CommandPath(), args[0], c.CommandPath())
		}
		return usagef("%s takes one %s, so not also %q; see `%s --help`", c.CommandPath(), placeholder(c), args[max], c.CommandPath())
	}
}

// placeholder is what the usage line calls the argument.
func placeholder(c *cobra.Command) string {
	for _, w := range strings.Fields(c.Use)[1:] {
		if !strings.HasPrefix(w, "--") {
			return strings.Trim(w, "[]…")
		}
	}
	return "an argument"
}

var (
	goField = regexp.MustCompile(`cannot decode TOML (\w+) into struct field core\.(\w+)\.(\w+) of type ([^\s;]+)`)
	goFile  = regexp.MustCompile(`\b(?:open|stat|read|lstat) (.+?): (no such file or directory|permission denied|is a directory)`)
	goSize  = regexp.MustCompile(`negative integer value (-\d+) cannot be stored in \w+`)
)

// words rewrites what the libraries under us say in their own terms.
func words(text string) string {
	text = goField.ReplaceAllStringFunc(text, func(s string) string {
		m := goField.FindStringSubmatch(s)
		return fmt.Sprintf("%s must be %s, not %s", recipeKey(m[2], m[3]), tomlKind(m[4]), article(m[1]))
	})
	text = goSize.ReplaceAllString(text, "$1 is negative: give a whole number from 0")
	text = goFile.ReplaceAllStringFunc(text, func(s string) string {
		m := goFile.FindStringSubmatch(s)
		switch m[2] {
		case "permission denied":
			return m[1] + " may not be read by you"
		case "is a directory":
			return m[1] + " is a folder"
		}
		return m[1] + " does not exist"
	})
	text = strings.ReplaceAll(text, "choose one of , ", "choose one of ")
	return strings.ReplaceAll(text, ": toml: ", ": ")
}

// recipeKey is the key of the file for a field of core's.
func recipeKey(of, field string) string {
	tag := func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		return name
	}
	top := reflect.TypeFor[core.Recipe]()
	if f, ok := top.FieldByName(field); ok && of == top.Name() {
		return tag(f)
	}
	for i := range top.NumField() {
		t := top.Field(i).Type
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t.Name() != of {
			continue
		}
		if f, ok := t.FieldByName(field); ok {
			return tag(top.Field(i)) + "." + tag(f)
		}
	}
	return strings.ToLower(field)
}

// tomlKind is a type of Go in words.
func tomlKind(t string) string {
	switch {
	case strings.HasPrefix(t, "[]string"):
		return `a list like ["a", "b"]`
	case strings.HasPrefix(t, "[]"):
		return "a list like [1, 2]"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "string":
		return "text in quotes"
	}
	return "a section with keys of its own"
}

func article(kind string) string {
	switch kind {
	case "string":
		return "text"
	case "integer":
		return "a whole number"
	case "float":
		return "a number with a fraction"
	case "boolean":
		return "true or false"
	case "array":
		return "a list"
	case "table":
		return "a section"
	}
	return "a " + kind
}
