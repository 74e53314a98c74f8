package cu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// description says how a library is found and what we call in it.
type description struct {
	name    string   // "cublasLt"
	linux   []string // file names, the newest first
	windows []string
	majors  []int // CUDA's version each file name belongs to, 0: any
	places  func() []string
	beside  string   // a library that must be loaded before, when it lies beside: a pattern
	funcs   []string // by index; alternatives apart by |, the newest first; ? at the end: may lack
	where   string   // where it was looked for, in words; "": in all of places()
	costs   string   // what its absence costs
}

// library is an open one with the addresses of its functions.
type library struct {
	d       *description
	file    string // where it was found
	fn      []uintptr
	missing []string // of those that may lack
}

// call calls function i, which the library has, and returns its status.
//
//go:uintptrescapes
func (l *library) call(i int, args ...uintptr) int { return int(int32(invoke(l.fn[i], args...))) }

func (l *library) has(i int) bool { return l.fn[i] != 0 }

var opened struct {
	sync.Mutex
	by map[string]*library
}

// open finds and opens a library; once open, it stays. cuda is the version of CUDA that
// the driver is for (13), 0 when there is no driver: libraries of newer ones do not run
// on it and are passed over.
func (d *description) open(cuda int) (*library, error) {
	opened.Lock()
	defer opened.Unlock()
	if l := opened.by[d.name]; l != nil {
		return l, nil
	}
	l, err := d.find(cuda)
	if err != nil {
		return nil, err
	}
	if opened.by == nil {
		opened.by = map[string]*library{}
	}
	opened.by[d.name] = l
	return l, nil
}

func (d *description) find(cuda int) (*library, error) {
	if !loads {
		_, err := loadLibrary("", false)
		return nil, fmt.Errorf("%s: %w: %w", d.name, ErrNoLibrary, err)
	}
	names := d.linux
	if runtime.GOOS == "windows" {
		names = d.windows
	}
	var first, newer error // of files that are there
	for _, dir := range d.places() {
		for i, name := range names {
			file := name
			if dir != "" {
				if file = filepath.Join(dir, name); !exists(file) {
					continue
				}
			}
			if cuda > 0 && d.majors != nil && d.majors[i] > cuda {
				if dir != "" && newer == nil {
					newer = fmt.Errorf("%s is for CUDA %d, the driver for CUDA %d", file, d.majors[i], cuda)
				}
				continue
			}
			l, err := d.load(file)
			if err == nil {
				return l, nil
			}
			if first == nil && (dir != "" || errors.Is(err, errWrong)) {
				first = err
			}
		}
	}
	for _, err := range []error{first, newer} {
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", d.name, ErrNoLibrary, err)
		}
	}
	where := d.where
	if where == "" {
		where = "on the loader's path, in CUDA's folders or in a Python environment's"
	}
	return nil, fmt.Errorf("%s: %w: no %s %s (%s=FOLDER names another)", d.name, ErrNoLibrary, strings.Join(names, ", "), where, EnvLibs)
}

// errWrong is a file that loads and is not what its name says.
var errWrong = errors.New("lacks functions")

// load opens one file and looks its functions up.
func (d *description) load(file string) (*library, error) {
	if d.beside != "" && filepath.IsAbs(file) {
		for _, b := range glob(filepath.Join(filepath.Dir(file), d.beside)) {
			_, _ = loadLibrary(b, true) // if it fails, so does what needs it, and says why
		}
	}
	lib, err := loadLibrary(file, false)
	if err != nil {
		return nil, err
	}
	l := &library{d: d, file: file, fn: make([]uintptr, len(d.funcs))}
	var lacks []string
	for i, names := range d.funcs {
		names, optional := strings.CutSuffix(names, "?")
		for name := range strings.SplitSeq(names, "|") {
			if l.fn[i] = symbol(lib, name); l.fn[i] != 0 {
				break
			}
		}
		if l.fn[i] == 0 && optional {
			l.missing = append(l.missing, names)
		} else if l.fn[i] == 0 {
			lacks = append(lacks, names)
		}
	}
	if lacks != nil {
		return nil, fmt.Errorf("%s %w: %s", file, errWrong, strings.Join(lacks, ", "))
	}
	if at := mappedFile(l.fn[0]); at != "" {
		l.file = at
	}
	return l, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// mappedFile is the file that an address of this process's memory belongs to, "" where
// the system does not tell.
func mappedFile(at uintptr) string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || at < from || at >= to {
			continue
		}
		if i := strings.IndexByte(line, '/'); i > 0 {
			return strings.TrimSpace(line[i:])
		}
	}
	return ""
}
