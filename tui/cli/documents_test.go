package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	codeSpans = regexp.MustCompile("`([^`]+)`")
	comments  = regexp.MustCompile(`(?m)(^\s*// ?.*\n)+`)
	slashes   = regexp.MustCompile(`(?m)^\s*// ?`)
	plainWord = regexp.MustCompile(`^[a-z]{4,}$`) // longer than mlp: no model is called so
	argument  = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w*)`)
	testName  = regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z]\w*`)
)

// document is a file with what it shows as code, each on one line.
type document struct {
	path, text string // of a Go file its comments
	code       []string
}

// documents are those of the repository, and the comments of its Go files.
func documents(t *testing.T) (all []document) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case hidden(d):
			return fs.SkipDir
		case filepath.Ext(path) != ".md" && filepath.Ext(path) != ".go":
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		doc := document{path: path, text: string(b)}
		if filepath.Ext(path) == ".go" {
			doc.text = ""
			for _, c := range comments.FindAllString(string(b), -1) {
				doc.text += slashes.ReplaceAllString(c, "") + "\n"
			}
		}
		for i, part := range strings.Split(doc.text, "```") {
			if i%2 == 0 {
				for _, m := range codeSpans.FindAllStringSubmatch(part, -1) {
					doc.code = append(doc.code, strings.Join(strings.Fields(m[1]), " "))
				}
				for _, l := range strings.Split(part, "\n") { // blocks by their indent
					if s := strings.TrimLeft(l, " \t"); s != l && (strings.HasPrefix(s, "go ") || strings.HasPrefix(s, "pare ")) {
						doc.code = append(doc.code, s)
					}
				}
				continue
			}
			for _, l := range strings.Split(strings.ReplaceAll(part, "\\\n", " "), "\n") {
				l, _, _ = strings.Cut(l, "   ") // what it does
				doc.code = append(doc.code, l)
			}
		}
		all = append(all, doc)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hidden is a folder that is no part of the repository, as of git or of Python's environments.
func hidden(d fs.DirEntry) bool {
	return d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".."
}

// TestDocumentedCommandsParse: each command line of pare that a document or a comment shows as
// code has a verb and flags that there are, and so has each flag that a document shows alone.
func TestDocumentedCommandsParse(t *testing.T) {
	var verbs []string
	flags := map[string]bool{}
	var gather func(*cobra.Command)
	gather = func(c *cobra.Command) {
		for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
			set.VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
		}
		for _, c := range c.Commands() {
			gather(c)
		}
	}
	root := (&env{out: io.Discard, err: io.Discard}).root()
	gather(root)
	for _, c := range root.Commands() {
		verbs = append(verbs, c.Name())
	}
	called := regexp.MustCompile(`(?:^|[\s;(])(?:pare|go run \.) ([^·;&|>#…]*)|^((?:` + strings.Join(verbs, "|") + `) [^·;&|>#…]*)`)
	seen := map[string]bool{}
	for _, d := range documents(t) {
		for _, l := range d.code {
			if f, _, _ := strings.Cut(l, " "); filepath.Ext(d.path) == ".md" && strings.HasPrefix(f, "--") && !flags[f] {
				t.Errorf("%s: no verb has the flag %s", d.path, f)
			}
			for _, m := range called.FindAllStringSubmatch(l, -1) {
				line := m[1] + m[2]
				seen[line] = true
				if err := parses(argument.FindAllString(line, -1)); err != nil {
					t.Errorf("%s: %s: %v", d.path, strings.TrimSpace(m[0]), err)
				}
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d commands: this test looks at nothing", len(seen))
	}
}

// parses is what is wrong with the verb or flags of a command line.
func parses(words []string) error {
	for i, w := range words {
		words[i] = strings.Trim(w, `'"`)
	}
	c, rest, err := (&env{out: io.Discard, err: io.Discard}).root().Find(words)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil && !c.HasParent() && c.Flags().NArg() > 0 && plainWord.MatchString(c.Flags().Arg(0)) {
		err = errors.New("no such verb")
	}
	return err
}

// TestDocumentedTestsExist: each test that a document or a comment names exists, and each
// `go test` finds what it is to run in a package that it names.
func TestDocumentedTestsExist(t *testing.T) {
	in, all := map[string][]string{}, map[string]bool{} // tests by folder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case hidden(d):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			in[filepath.Dir(path)] = append(in[filepath.Dir(path)], m[1])
			all[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, d := range documents(t) {
		for _, name := range testName.FindAllString(d.text, -1) {
			if !all[name] {
				t.Errorf("%s: there is no %s", d.path, name)
			}
		}
		for _, l := range d.code {
			_, line, ok := strings.Cut(l, "go test ")
			if !ok {
				continue
			}
			words := argument.FindAllString(line, -1)
			found := func(kind, pattern string) bool {
				first, _, _ := strings.Cut(strings.Trim(pattern, `'"`), "/")
				re, err := regexp.Compile(first)
				for _, w := range words {
					dir, under := strings.CutSuffix(w, "/...")
					if w != "." && !strings.HasPrefix(w, "./") || err != nil {
						continue
					}
					base := "../.."
					if filepath.Ext(d.path) == ".go" && w == "." { // go:generate
						base = filepath.Dir(d.path)
					}
					dir = filepath.Join(base, dir)
					for at, names := range in {
						if (at == dir || under && strings.HasPrefix(at, dir+"/")) && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, kind) && re.MatchString(n) }) {
							return true
						}
					}
				}
				return false
			}
			for i, w := range words[:max(len(words)-1, 0)] {
				kind := map[string]string{"-run": "Test", "-bench": "Benchmark", "-fuzz": "Fuzz"}[w]
				p := strings.Trim(words[i+1], `'"`)
				if kind == "" || p == "-" || p == "^$" || p == "xxx" {
					continue
				}
				if seen++; !found(kind, p) {
					t.Errorf("%s: %s: no %s there matches", d.path, l, kind)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d patterns: this test looks at nothing", seen)
	}
}
