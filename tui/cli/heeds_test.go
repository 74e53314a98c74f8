package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestMachineFlagsAreThoseThatAreRead: a verb stands in the table of a flag if, and only if, its code
// reads it: the function that makes the command and those that it names, without the
// functions of other verbs.
func TestMachineFlagsAreThoseThatAreRead(t *testing.T) {
	type function struct {
		verb, short  string // of the command that it makes
		makes        bool
		names, reads map[string]bool
	}
	all := map[string]*function{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			f := &function{names: map[string]bool{}, reads: map[string]bool{}}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.UnaryExpr: // &e.seed is where the flag is made
					_, field := n.X.(*ast.SelectorExpr)
					return n.Op != token.AND || !field
				case *ast.SelectorExpr:
					f.names[n.Sel.Name] = true
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "e" {
						f.reads[n.Sel.Name] = true
					}
				case *ast.Ident:
					f.names[n.Name] = true
				case *ast.KeyValueExpr:
					key, _ := n.Key.(*ast.Ident)
					lit, _ := n.Value.(*ast.BasicLit)
					if key == nil || key.Name != "Use" && key.Name != "Short" {
						break
					}
					f.makes = true
					if lit == nil { // of several verbs
						break
					}
					switch s, _ := strconv.Unquote(lit.Value); {
					case key.Name == "Use" && f.verb == "":
						f.verb, _, _ = strings.Cut(s, " ")
					case key.Name == "Short" && f.short == "":
						f.short = s
					}
				}
				return true
			})
			all[fn.Name.Name] = f
		}
	}
	met := []string{"pare bench kernels", "pare bench train", "pare bench infer", "pare bench chooser"} // of one function
	for _, f := range all {
		if f.verb == "" || f.short == "" {
			continue
		}
		reads, seen := maps.Clone(f.reads), map[string]bool{}
		var walk func(names map[string]bool)
		walk = func(names map[string]bool) {
			for name := range names {
				if g := all[name]; g != nil && !g.makes && !seen[name] {
					seen[name] = true
					maps.Copy(reads, g.reads)
					walk(g.names)
				}
			}
		}
		walk(f.names)
		c := find(new(env).root(), f.verb, f.short)
		if c == nil {
			continue
		}
		met = append(met, c.CommandPath())
		for flag, verbs := range machineFlags {
			if reads[flag] != slices.Contains(verbs, c.CommandPath()) {
				t.Errorf("%s: --%s is read: %t; in the table: %t", c.CommandPath(), flag, reads[flag], !reads[flag])
			}
		}
	}
	for flag, verbs := range machineFlags {
		for _, v := range verbs {
			if !slices.Contains(met, v) {
				t.Errorf("--%s: the function that makes %s was not found", flag, v)
			}
		}
	}
}

// find is the command with that name and sentence.
func find(c *cobra.Command, name, short string) *cobra.Command {
	if c.Name() == name && c.Short == short {
		return c
	}
	for _, sub := range c.Commands() {
		if x := find(sub, name, short); x != nil {
			return x
		}
	}
	return nil
}
