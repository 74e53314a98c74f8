package core_test

import (
	"go/build"
	"path/filepath"
	"strings"
	"testing"
)

// TestStaticBuildIsStatic: with the tag static, and for the systems of the shipped
// binaries, no package brings purego along, which makes a binary need a dynamic
// loader (purego#132, #398), nor cgo.
func TestStaticBuildIsStatic(t *testing.T) {
	dirs := map[string]bool{}
	walk(t, func(path, _ string) {
		if !strings.HasSuffix(path, "_test.go") {
			dirs[filepath.Dir(path)] = true
		}
	})
	seen := 0
	for dir := range dirs {
		ctx := build.Default
		ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", "amd64", false
		for _, tags := range [][]string{nil, {"static"}} {
			ctx.BuildTags = tags
			p, err := ctx.ImportDir(dir, 0)
			if err != nil {
				continue // no file of this system
			}
			for _, imp := range p.Imports {
				if imp == "C" {
					t.Errorf("%s needs cgo", dir)
				}
				if strings.Contains(imp, "purego") {
					seen++
					if tags != nil {
						t.Errorf("%s imports %s in the static build", dir, imp)
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("nothing imports purego: does the test still look?")
	}
}
