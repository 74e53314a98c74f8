//go:build !windows

package cu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindsLibraries looks in folders made like those of real boxes.
func TestFindsLibraries(t *testing.T) {
	root := t.TempDir()
	mk := func(p string) string {
		p = filepath.Join(root, p)
		check(t, os.MkdirAll(p, 0o755))
		return p
	}
	file := func(p, text string) string {
		mk(filepath.Dir(p))
		p = filepath.Join(root, p)
		check(t, os.WriteFile(p, []byte(text), 0o755))
		return p
	}
	own := mk("own")
	toolkit := mk("usr/local/cuda/lib64")
	newer, older := mk("usr/local/cuda-12.10/lib64"), mk("usr/local/cuda-12.9/lib64")
	active := mk("env/lib/python3.12/site-packages/nvidia/cu13/lib")
	system := mk("base/lib/python3.12/site-packages/nvidia/cublas/lib")
	user := mk("home/.local/lib/python3.11/site-packages/nvidia/cusparselt/lib")
	opt := mk("opt/torch/.venv/lib/python3.12/site-packages/nvidia/cu13/lib")
	conda := mk("opt/conda/lib/python3.10/site-packages/nvidia/cu13/lib")
	venv := mk("venv/lib/python3.12/site-packages/nvidia/cu13/lib")
	file("base/bin/python3", "")
	file("venv/pyvenv.cfg", "home = "+filepath.Join(root, "base/bin")+"\ninclude-system-site-packages = true\n")
	python := file("venv/bin/python3", "")
	s := searcher{
		env: func(k string) string {
			return map[string]string{EnvLibs: own, "VIRTUAL_ENV": filepath.Join(root, "env")}[k]
		},
		home: filepath.Join(root, "home"), root: root,
		look: func(name string) (string, error) {
			if name == "python3" {
				return python, nil
			}
			return "", os.ErrNotExist
		},
	}
	want := []string{own, "", toolkit, newer, older, active, venv, system, user, opt, conda}
	if got := s.places(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("searched\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	file("venv/pyvenv.cfg", "home = "+filepath.Join(root, "base/bin")+"\ninclude-system-site-packages = false\n")
	if got := strings.Join(s.places(), "\n"); strings.Contains(got, system) || !strings.Contains(got, venv) {
		t.Errorf("a closed environment is searched as\n%s", got)
	}
}
