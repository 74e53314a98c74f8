package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	codeSpans = regexp.MustCompile("`([^`]+)`")
	comments  = regexp.MustCompile(`(?m)(^\s*// ?.*\n)+`)
	slashes   = regexp.MustCompile(`(?m)^\s*// ?`)
	plainWord = regexp.MustCompile(`^[a-z]{4,}$`) // longer than mlp, no model is called so
	argument  = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
)

// TestDocumentedCommandsParse: each command line of pare that a document or a comment shows as
// code has a verb and flags that there are, and so has each flag that a document shows alone.
func TestDocumentedCommandsParse(t *testing.T) {
	var verbs []string
	flags := map[string]bool{}
	var gather func(*cobra.Command)
	gather = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
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
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var code []string
		switch filepath.Ext(path) {
		case ".md":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, part := range strings.Split(string(b), "```") {
				if i%2 == 0 {
					code = append(code, spansOf(part)...)
					continue
				}
				for _, l := range strings.Split(strings.ReplaceAll(part, "\\\n", " "), "\n") {
					l, _, _ = strings.Cut(l, "   ") // what it does
					code = append(code, l)
				}
			}
		case ".go":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, c := range comments.FindAllString(string(b), -1) {
				code = append(code, spansOf(slashes.ReplaceAllString(c, ""))...)
			}
		}
		for _, l := range code {
			if f, _, _ := strings.Cut(l, " "); filepath.Ext(path) == ".md" && strings.HasPrefix(f, "--") && !flags[f] {
				t.Errorf("%s: no verb has the flag %s", path, f)
			}
			for _, m := range called.FindAllStringSubmatch(l, -1) {
				line := m[1] + m[2]
				seen[line] = true
				if err := parses(argument.FindAllString(line, -1)); err != nil {
					t.Errorf("%s: %s: %v", path, strings.TrimSpace(m[0]), err)
				}
			}
		}
		return nil
	})
	if err != nil || len(seen) < 50 {
		t.Fatalf("%d commands, %v", len(seen), err)
	}
}

// spansOf is the code between backticks, each on one line.
func spansOf(text string) (code []string) {
	for _, m := range codeSpans.FindAllStringSubmatch(text, -1) {
		code = append(code, strings.Join(strings.Fields(m[1]), " "))
	}
	return code
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
