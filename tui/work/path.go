package work

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/tui/theme"
)

// A path that is typed: what lies in its folder is listed, and tab completes it.

// paths are the names that go on with what was typed.
type paths struct {
	typed string
	dir   string // as it was typed
	names []string
	err   string // why there is none
}

// mostNames is how many names of a folder are looked at.
const mostNames = 10_000

// lookPath lists what goes on with the path that is typed.
func (d *desk) lookPath() []effect {
	if d.over != overPath {
		return nil
	}
	typed := d.input.text
	return []effect{func(context.Context) any { return findPaths(typed) }}
}

// findPaths reads the folder of a path. Hidden names are found by their dot.
func findPaths(typed string) *paths {
	dir, begin := filepath.Split(typed)
	p := &paths{typed: typed, dir: dir}
	in := homed(dir)
	if in == "" {
		in = "."
	}
	f, err := os.Open(in)
	if err != nil {
		p.err = "there is no folder " + dir
		return p
	}
	defer f.Close() //nolint:errcheck // only read from
	l, err := f.ReadDir(mostNames)
	if err != nil && !errors.Is(err, io.EOF) && len(l) == 0 {
		p.err = dir + " cannot be read"
		return p
	}
	for _, e := range l {
		n := e.Name()
		if !strings.HasPrefix(n, begin) || n[0] == '.' && !strings.HasPrefix(begin, ".") {
			continue
		}
		folder := e.IsDir()
		if e.Type()&os.ModeSymlink != 0 {
			i, err := os.Stat(filepath.Join(in, n))
			folder = err == nil && i.IsDir()
		}
		if folder {
			n += string(filepath.Separator)
		}
		p.names = append(p.names, n)
	}
	slices.Sort(p.names)
	if len(p.names) == 0 {
		p.err = "nothing here begins with " + begin
		if begin == "" {
			p.err = "nothing is here"
		}
	}
	return p
}

// homed is a path with ~ for the home folder.
func homed(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return home + string(filepath.Separator) + rest
		}
	}
	return path
}

func (d *desk) onPaths(p *paths) {
	if d.over == overPath && d.input.text == p.typed {
		d.paths = *p
		d.touch()
	}
}

func (d *desk) canComplete() string {
	if d.paths.typed != d.input.text || len(d.paths.names) == 0 {
		return "nothing to complete it with"
	}
	return ""
}

// completePath types what all names have in common.
func (d *desk) completePath() []effect {
	p := &d.paths
	same := p.names[0]
	for _, n := range p.names[1:] {
		for !strings.HasPrefix(n, same) {
			same = same[:len(same)-1]
		}
	}
	d.input.text = p.dir + strings.ToValidUTF8(same, "")
	d.input.err = ""
	return d.lookPath()
}

// pathPane lists the names.
func (d *desk) pathPane(w, h int) string {
	th, p := d.th, &d.paths
	in := p.dir
	if in == "" {
		in = "this folder"
	}
	t := d.text(w - 2)
	if p.err != "" {
		t.add(theme.Dim, p.err)
	}
	room := max(h-2, 1)
	show := len(p.names)
	if show > room {
		show = max(room-1, 0)
	}
	for _, n := range p.names[:show] {
		tok := theme.Text
		if strings.HasSuffix(n, string(filepath.Separator)) {
			tok = theme.Accent
		}
		t.line(tok, th.Clean(n))
	}
	if show < len(p.names) {
		t.line(theme.Dim, plural(len(p.names)-show, "more name", "more names")+": type on")
	}
	return th.BoxWith(theme.BoxOptions{Title: in, Body: t.String(), BorderToken: theme.Accent}, w, h)
}
