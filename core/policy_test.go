package core_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers lists the packages from the top of the house to its floor. A package
// may import what stands below its own line, and its own sub-packages.
var layers = []string{
	"pare",
	"pare/tui",
	"pare/sessions",
	"pare/core",
	"pare/core/infer",
	"pare/core/deploy",
	"pare/core/train",
	"pare/core/prune",
	"pare/core/lowrank",
	"pare/core/energy",
	"pare/core/model",
	"pare/core/data",
	"pare/core/plan",
	"pare/core/graph",
	"pare/core/device",
	"pare/core/tensor",
	"pare/core/event",
	"pare/hwprofiles",
}

// leaves import nothing of ours.
var leaves = []string{"pare/core/tensor", "pare/core/event", "pare/hwprofiles"}

// layerOf finds the deepest listed package that holds p.
func layerOf(p string) int {
	best := -1
	for i, l := range layers {
		if (p == l || strings.HasPrefix(p, l+"/")) && (best < 0 || len(l) > len(layers[best])) {
			best = i
		}
	}
	return best
}

// walk calls fn for every Go file of the repository.
func walk(t *testing.T, fn func(path, pkg string)) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".go") {
			rel, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			fn(path, strings.TrimSuffix("pare/"+filepath.ToSlash(rel), "/."))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsGoDownward(t *testing.T) {
	files := 0
	walk(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range f.Imports {
			imp, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(imp, "pare/") {
				continue
			}
			if strings.HasSuffix(imp, "test") {
				t.Errorf("%s: %s is for tests only", path, imp)
			}
			if strings.HasSuffix(pkg, "test") { // test support stands beside the house
				continue
			}
			if slices.Contains(leaves, pkg) {
				t.Errorf("%s: %s imports nothing of ours, not %s", path, pkg, imp)
			}
			if layerOf(imp) < layerOf(pkg) || layerOf(imp) < 0 {
				t.Errorf("%s: %s must not import %s, which stands above it", path, pkg, imp)
			}
		}
	})
	if files < 50 {
		t.Fatalf("looked at %d files only", files)
	}
}

// TestInferIsSmall: a service that runs a model brings along no more than that.
func TestInferIsSmall(t *testing.T) {
	imports := map[string][]string{}
	walk(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range f.Imports {
			imports[pkg] = append(imports[pkg], strings.Trim(im.Path.Value, `"`))
		}
	})
	may := []string{"pare/core/deploy", "pare/core/model", "pare/core/plan", "pare/core/graph", "pare/core/device", "pare/core/tensor"}
	seen := map[string]bool{"pare/core/infer": true}
	for queue := []string{"pare/core/infer"}; len(queue) > 0; queue = queue[1:] {
		for _, imp := range imports[queue[0]] {
			if seen[imp] || !strings.HasPrefix(imp, "pare/") {
				continue
			}
			seen[imp] = true
			queue = append(queue, imp)
			if !slices.ContainsFunc(may, func(m string) bool { return imp == m || strings.HasPrefix(imp, m+"/") }) {
				t.Errorf("core/infer needs %s through %s", imp, queue[0])
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("followed %v only", seen)
	}
}

// TestPrometheusHasOneDoor: a run never links itself to who scrapes it.
func TestPrometheusHasOneDoor(t *testing.T) {
	doors := 0
	walk(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range f.Imports {
			switch {
			case !strings.HasPrefix(im.Path.Value, `"github.com/prometheus/`):
			case pkg == "pare/sessions/metrics":
				doors++
			default:
				t.Errorf("%s imports %s: only sessions/metrics does", path, im.Path.Value)
			}
		}
	})
	if doors == 0 {
		t.Error("sessions/metrics does not import it either: this test looks at nothing")
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	docs := map[string]int{}
	walk(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		docs[pkg] += 0
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil && len(f.Doc.Text()) > 60 {
			docs[pkg]++
		}
	})
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want exactly one that says what it owns", pkg, n)
		}
	}
}

// bare finds words the project does not use towards people: they mean different
// things to different tools.
var bare = regexp.MustCompile(`(?i)"[^"\n]*\b(compression|ratio|sparsity ratio)\b[^"\n]*"`)

func TestWordsOnScreen(t *testing.T) {
	walk(t, func(path, pkg string) {
		if strings.HasSuffix(path, "_test.go") || !strings.HasPrefix(pkg, "pare/tui") && pkg != "pare/core" && pkg != "pare/sessions" {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(b, []byte("\n")) {
			if m := bare.Find(line); m != nil {
				t.Errorf("%s:%d: %s: say zeros %%, params, bytes, ms or J instead", path, i+1, m)
			}
		}
	})
}

func TestFilesStayShort(t *testing.T) {
	const limit = 450
	walk(t, func(path, _ string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > limit && !bytes.HasPrefix(b, []byte("// Code generated")) {
			t.Errorf("%s has %d lines: one idea per file, at most %d", path, n, limit)
		}
	})
}
