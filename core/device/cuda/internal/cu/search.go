package cu

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// EnvLibs is a list of folders that are searched for libraries before all others,
// separated as in PATH.
const EnvLibs = "PARE_CUDA_LIBS"

// places are where a box that has CUDA or PyTorch keeps its libraries, in the order
// of search. "" is the loader's own search. Nothing is run to find them.
func places() []string {
	s := searcher{env: os.Getenv, home: home(), root: "/", look: exec.LookPath}
	return s.places()
}

// driverPlaces are where the driver's own library may lie outside the loader's search.
func driverPlaces() []string {
	return append(append(filepath.SplitList(os.Getenv(EnvLibs)), ""), "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib")
}

func home() string {
	h, _ := os.UserHomeDir() // none: nothing is looked for there
	return h
}

type searcher struct {
	env  func(string) string
	home string
	root string // "/", or a folder that a test made
	look func(string) (string, error)
}

func (s searcher) places() []string {
	out := append(filepath.SplitList(s.env(EnvLibs)), "")
	if runtime.GOOS == "windows" {
		return append(out, s.windows()...)
	}
	for _, k := range []string{"CUDA_HOME", "CUDA_PATH"} {
		if d := s.env(k); d != "" {
			out = append(out, filepath.Join(d, "lib64"), filepath.Join(d, "lib"))
			out = append(out, glob(filepath.Join(d, "targets", "*-linux", "lib"))...)
		}
	}
	out = append(out, filepath.Join(s.root, "usr/local/cuda/lib64"))
	out = append(out, glob(filepath.Join(s.root, "usr/local/cuda-*/lib64"))...)
	for _, site := range s.sites() {
		out = append(out, glob(filepath.Join(site, "nvidia/*/lib"))...)
	}
	return unique(out)
}

func (s searcher) windows() []string {
	var out []string
	if d := s.env("CUDA_PATH"); d != "" {
		out = append(out, filepath.Join(d, "bin", "x64"), filepath.Join(d, "bin"))
	}
	for _, k := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if d := s.env(k); d != "" {
			out = append(out, glob(filepath.Join(d, "Lib", "site-packages", "nvidia", "*", "bin"))...)
			out = append(out, glob(filepath.Join(d, "Lib", "site-packages", "nvidia", "*", "bin", "*"))...)
		}
	}
	return unique(out)
}

// sites are the folders of Python packages, the active environment's first.
func (s searcher) sites() []string {
	var prefixes []string
	for _, k := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if d := s.env(k); d != "" {
			prefixes = append(prefixes, d)
		}
	}
	for _, name := range []string{"python3", "python"} {
		if p, err := s.look(name); err == nil {
			prefixes = append(prefixes, pythonPrefixes(p)...)
		}
	}
	var out []string
	for _, p := range unique(prefixes) {
		for _, lib := range []string{"lib", "lib64"} {
			out = append(out, glob(filepath.Join(p, lib, "python3*", "site-packages"))...)
		}
	}
	if s.home != "" {
		out = append(out, glob(filepath.Join(s.home, ".local/lib/python3*/site-packages"))...)
	}
	out = append(out, glob(filepath.Join(s.root, "usr/local/lib/python3*/dist-packages"))...)
	out = append(out, filepath.Join(s.root, "usr/lib/python3/dist-packages"))
	for _, env := range []string{".venv", "venv", "."} { // "." is an environment itself, as /opt/conda is
		out = append(out, glob(filepath.Join(s.root, "opt/*", env, "lib/python3*/site-packages"))...)
	}
	return unique(out)
}

// pythonPrefixes are the environments that a python on PATH belongs to: the one it
// lies in, and, unless that is closed off, the one it links to or is set on.
func pythonPrefixes(python string) []string {
	prefix := filepath.Dir(filepath.Dir(python))
	out := []string{prefix}
	cfg, err := os.ReadFile(filepath.Join(prefix, "pyvenv.cfg"))
	if err != nil { // no virtual environment
		if real, err := filepath.EvalSymlinks(python); err == nil {
			out = append(out, filepath.Dir(filepath.Dir(real)))
		}
		return out
	}
	var base string
	open := false
	for line := range strings.Lines(string(cfg)) {
		k, v, _ := strings.Cut(line, "=")
		switch k, v = strings.TrimSpace(k), strings.TrimSpace(v); k {
		case "home": // the folder of the python it was made with
			base = filepath.Dir(v)
		case "include-system-site-packages":
			open = strings.EqualFold(v, "true")
		}
	}
	if open && base != "" {
		out = append(out, base)
	}
	return out
}

// glob lists what matches, the newest version first.
func glob(pattern string) []string {
	list, _ := filepath.Glob(pattern) // the pattern is well formed, or nothing is there
	slices.SortFunc(list, func(a, b string) int { return natural(b, a) })
	return list
}

// natural compares texts with runs of digits as numbers: python3.9 < python3.12.
func natural(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if c := len(x) - len(y); c != 0 {
				return c
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// digits counts those that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// unique drops what came before.
func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s string) bool {
		was := seen[s]
		seen[s] = true
		return was
	})
}
