package work

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// frames brings what has changed of a frame to the terminal.
//
// Bubble Tea takes a frame as text, reads all of its cells and compares them with those of the
// one before: half a millisecond a frame, most of what a screen costs that looks at a run ten
// times a second. Here only lines that differ are read. Bubble Tea keeps the terminal itself,
// its modes, the keys and the rhythm: it is shown a single cell that changes with each frame
// (see token), writes that when it is time to draw, and the frame follows in the same write.
type frames struct {
	to io.Writer

	mu      sync.Mutex
	next    string   // the frame to be shown
	shown   []string // lines as they stand on the terminal; nil: not known
	w, h    int      // of next
	colours colorprofile.Profile
	inside  bool // the alternate screen is on
	token   rune // counts them
	written bool // it was, since it changed
}

// show takes the next frame, h lines of exactly w cells, and says what Bubble Tea is to be
// shown for it: another character than it has written, however many frames were shown since.
func (f *frames) show(frame string, w, h int) (token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if frame != f.next || w != f.w || h != f.h {
		f.next, f.w, f.h = frame, w, h
		if f.written {
			f.token, f.written = (f.token+1)%('~'-'!'), false
		}
	}
	return string('!' + f.token)
}

// paint says which colours the terminal has.
func (f *frames) paint(p colorprofile.Profile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.colours, f.shown = p, nil
}

// Write passes on what Bubble Tea writes, and what has changed of the frame after it. Its
// cursor stands behind the token then, at the top left, and is brought back there.
func (f *frames) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	on, off := bytes.LastIndex(p, []byte(ansi.SetModeAltScreenSaveCursor)), bytes.LastIndex(p, []byte(ansi.ResetModeAltScreenSaveCursor))
	if on >= 0 || off >= 0 {
		f.inside = on > off
	}
	if !f.inside || f.w < 1 || f.h < 1 {
		f.shown = nil
		return f.to.Write(p)
	}
	f.written = true
	if !leaves(p) {
		f.shown = nil
	}
	var out bytes.Buffer
	end := []byte(ansi.ResetModeSynchronizedOutput)
	body, bracketed := bytes.CutSuffix(p, end)
	out.Write(body)
	(&colorprofile.Writer{Forward: &out, Profile: f.colours}).Write(f.changes()) //nolint:errcheck // into memory
	if bracketed {
		out.Write(end)
	}
	if _, err := f.to.Write(out.Bytes()); err != nil {
		f.shown = nil
		return 0, err
	}
	return len(p), nil
}

// leaves reports whether a write of Bubble Tea's leaves the screen as it is but for the
// token: it moves the cursor, sets a colour, brackets a frame, names the window or fills the
// clipboard. Of all else the screen is drawn anew.
func leaves(p []byte) bool {
	for len(p) > 0 {
		switch {
		case p[0] == '\r' || p[0] == '\b' || p[0] >= ' ' && p[0] <= '~':
			p = p[1:]
			continue
		case p[0] != '\x1b' || len(p) < 2:
			return false
		case p[1] == ']': // a title, the clipboard: up to BEL or ST
			n := bytes.IndexByte(p, 0x07)
			if st := bytes.Index(p, []byte("\x1b\\")); st > 0 && (n < 0 || st < n) {
				n = st + 1
			}
			if n < 0 {
				return false
			}
			p = p[n+1:]
			continue
		case p[1] != '[':
			return false
		}
		n := 2
		for n < len(p) && (p[n] >= '0' && p[n] <= '9' || p[n] == ';' || p[n] == '?') {
			n++
		}
		if n == len(p) {
			return false
		}
		switch p[n] {
		case 'H', 'G', 'd', 'C', 'D', 'm':
		case 'h', 'l':
			if s := string(p[:n]); s != "\x1b[?2026" && s != "\x1b[?25" {
				return false
			}
		default:
			return false
		}
		p = p[n+1:]
	}
	return true
}

// changes is what makes the terminal show the next frame.
func (f *frames) changes() []byte {
	lines := strings.Split(f.next, "\n")
	var b []byte
	if len(f.shown) != len(lines) || len(lines) != f.h || ansi.StringWidth(f.shown[0]) != f.w {
		b, f.shown = append(b, ansi.ResetStyle+ansi.CursorHomePosition+ansi.EraseScreenBelow...), nil
		for i, l := range lines {
			b = append(moveTo(b, i, 0), l...)
		}
		b = append(b, ansi.ResetStyle...)
	} else {
		var s scribe
		s.b = b
		for i, l := range lines {
			if i > 0 && l == f.shown[i] {
				continue
			}
			s.line(i, cells(f.shown[i]), cells(l))
		}
		if s.sgr != "" {
			s.b = append(s.b, ansi.ResetStyle...)
		}
		b = s.b
	}
	f.shown = lines
	return moveTo(b, 0, 1)
}

func moveTo(b []byte, row, col int) []byte {
	b = strconv.AppendInt(append(b, "\x1b["...), int64(row+1), 10)
	b = strconv.AppendInt(append(b, ';'), int64(col+1), 10)
	return append(b, 'H')
}

// column is one of a line: a character with its colours, or the second half of a wide
// one, which has no text.
type column struct{ text, sgr string }

// cells are the columns of a line, which holds nothing but text and colours.
func cells(line string) []column {
	out := make([]column, 0, len(line))
	sgr := ""
	for len(line) > 0 {
		if line[0] == '\x1b' {
			n := strings.IndexByte(line, 'm')
			if n < 0 {
				return out
			}
			if s := line[:n+1]; s == "\x1b[m" || s == "\x1b[0m" {
				sgr = ""
			} else {
				sgr += s
			}
			line = line[n+1:]
			continue
		}
		n, w := 1, 1
		if line[0] >= 0x80 || len(line) > 1 && line[1] >= 0x80 {
			var c string
			c, w = ansi.FirstGraphemeCluster(line, ansi.GraphemeWidth)
			n = max(len(c), 1)
		}
		if w == 0 && len(out) > 0 { // belongs to the one before
			out[len(out)-1].text += line[:n]
			line = line[n:]
			continue
		}
		out = append(out, column{line[:n], sgr})
		for ; w > 1; w-- {
			out = append(out, column{"", sgr})
		}
		line = line[n:]
	}
	return out
}

// scribe writes cells.
type scribe struct {
	b   []byte
	sgr string // in force
}

// bridge is how many cells that stay are written again rather than passed over.
const bridge = 4

// line writes what differs of a line. The first cell of the screen holds the token.
func (s *scribe) line(row int, old, now []column) {
	same := func(x int) bool { return x < len(old) && old[x] == now[x] && (row > 0 || x > 0) }
	for x := 0; x < len(now); {
		if same(x) {
			x++
			continue
		}
		from, to := x, x+1 // to: after the last one that differs
		for y := to; y < len(now) && y-to <= bridge; y++ {
			if !same(y) {
				to = y + 1
			}
		}
		for from > 0 && now[from].text == "" { // the second half of a wide one comes with the first
			from--
		}
		for to < len(now) && now[to].text == "" {
			to++
		}
		s.b = moveTo(s.b, row, from)
		for _, c := range now[from:to] {
			if c.text == "" {
				continue
			}
			if c.sgr != s.sgr {
				if s.sgr != "" {
					s.b = append(s.b, "\x1b[m"...)
				}
				s.b = append(s.b, c.sgr...)
				s.sgr = c.sgr
			}
			s.b = append(s.b, c.text...)
		}
		x = to
	}
}
