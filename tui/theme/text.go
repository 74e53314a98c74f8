package theme

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// Clean makes a text from outside (a file, layer or session name, an error
// message) fit to stand in one line: escape sequences, control characters,
// bidirectional overrides and everything else whose width terminals disagree
// about are removed, line breaks and tabs become spaces, invalid UTF-8 becomes
// "?". In ASCII mode the result is ASCII.
func (t *Theme) Clean(s string) string {
	for was := ""; was != s; { // what is dropped may bare a mark without a base
		was, s = s, strings.TrimSpace(safe(s, false))
	}
	if t.ASCII {
		s = t.Tr(s)
	}
	return s
}

// Harmless is Clean with the spaces at both ends kept and without a theme: for
// lines that are printed, not drawn.
func Harmless(s string) string { return safe(s, false) }

// Tr returns s itself, or in ASCII mode its ASCII form, which may be wider:
// "±40 %" becomes "+-40 %". Colours stay. What has no ASCII form becomes as
// many "?" as it has cells.
func (t *Theme) Tr(s string) string {
	if !t.ASCII || isASCII(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch a, known := asciiText[r]; {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case known:
			b.WriteString(a)
		default:
			b.WriteString(strings.Repeat("?", ansi.StringWidth(string(r))))
		}
	}
	return b.String()
}

// Fit cuts or fills one line to exactly w cells. Colours in s are kept and
// closed; other escape sequences are dropped. A cut ends in "…".
func (t *Theme) Fit(s string, w int) string {
	if w <= 0 {
		return ""
	}
	s, n := t.cut(s, w)
	return s + strings.Repeat(" ", w-n)
}

// FitRight is Fit with the text at the right, for columns of figures.
func (t *Theme) FitRight(s string, w int) string {
	if w <= 0 {
		return ""
	}
	s, n := t.cut(s, w)
	return strings.Repeat(" ", w-n) + s
}

// Center is Fit with the text in the middle.
func (t *Theme) Center(s string, w int) string {
	if w <= 0 {
		return ""
	}
	s, n := t.cut(s, w)
	left := (w - n) / 2
	return strings.Repeat(" ", left) + s + strings.Repeat(" ", w-n-left)
}

// Width is the number of cells a line takes.
func Width(s string) int {
	if n, ok := quick(s); ok {
		return n
	}
	return ansi.StringWidth(s)
}

// cut returns s in at most w cells, and how many it takes.
func (t *Theme) cut(s string, w int) (string, int) {
	if n, ok := quick(s); ok && n <= w && (!t.ASCII || isASCII(s)) {
		return closed(s), n
	}
	s = t.Tr(safe(s, true))
	n := ansi.StringWidth(s)
	if n > w {
		tail := t.G.Ellipsis
		if ansi.StringWidth(tail) >= w {
			tail = ""
		}
		s = ansi.Truncate(s, w, tail)
		n = ansi.StringWidth(s)
	}
	return closed(s), n
}

// closed ends open colours, so that they do not run into what follows.
func closed(s string) string {
	if strings.IndexByte(s, '\x1b') < 0 || strings.HasSuffix(s, "\x1b[m") || strings.HasSuffix(s, "\x1b[0m") {
		return s
	}
	return s + "\x1b[m"
}

// safe drops from one line of text what could move the cursor, change the
// terminal or be counted differently by it. With sgr, colours stay.
func safe(s string, sgr bool) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	base, marks := ' ', 0 // the last base character, combining marks since
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1 && s[0] >= 0x80 && s[0] < 0xa0, r >= 0x80 && r < 0xa0:
			n = sequence(s, n)
		case r == '\x1b':
			k := colour(s)
			if k > 0 && sgr {
				b.WriteString(s[:k])
			}
			n = k
			if k == 0 {
				n = sequence(s, 1)
			}
		case r == utf8.RuneError && n == 1:
			b.WriteByte('?')
			base, marks = '?', 0
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
			base, marks = ' ', 0
		case !stable(r):
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc):
			// A mark over a space would join whatever stands before the text.
			if marks++; marks <= 2 && !unicode.IsSpace(base) {
				b.WriteRune(r)
			}
		default:
			b.WriteRune(r)
			base, marks = r, 0
		}
		s = s[n:]
	}
	return agree(b.String())
}

// agree keeps of each cluster that terminals count in two ways, such as a
// conjunct of Devanagari, only the first character: half a name is better than
// a screen that is one cell off in every line. Colours inside a cluster do not part it on a
// terminal; they go behind it.
func agree(s string) string {
	type paint struct {
		at  int // byte of the bare text that it stands before
		sgr string
	}
	var paints []paint
	var bare, b strings.Builder
	for len(s) > 0 {
		if k := colour(s); k > 0 {
			paints = append(paints, paint{bare.Len(), s[:k]})
			s = s[k:]
			continue
		}
		bare.WriteByte(s[0])
		s = s[1:]
	}
	s = bare.String()
	at := 0
	paintTo := func() {
		for ; len(paints) > 0 && paints[0].at <= at; paints = paints[1:] {
			b.WriteString(paints[0].sgr)
		}
	}
	for paintTo(); len(s) > 0; paintTo() {
		c, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		s = s[len(c):]
		at += len(c)
		if len(c) > 1 && !alone(c) {
			_, n := utf8.DecodeRuneInString(c)
			if c = c[:n]; !alone(c) {
				c = "?"
			}
		}
		b.WriteString(c)
	}
	return b.String()
}

// alone says that c is as wide between spaces as by itself, however counted.
func alone(c string) bool {
	n, padded := ansi.StringWidth(c), " "+c+" "
	return n == ansi.StringWidthWc(c) && ansi.StringWidth(padded) == n+2 && ansi.StringWidthWc(padded) == n+2
}

// sequence is the length of the escape sequence s begins with, at least n.
func sequence(s string, n int) int {
	_, _, k, _ := ansi.DecodeSequence(s, ansi.NormalState, nil)
	return max(k, n)
}

// colour is the length of the SGR sequence that s begins with, or 0.
func colour(s string) int {
	if len(s) < 3 || s[0] != '\x1b' || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c < '0' || c > ';': // digits, ':' and ';' only
			return 0
		}
	}
	return 0
}

// quick is the quick way through the texts pare itself writes, which are most of
// a frame: ASCII, the few blocks its glyphs come from, and colours. It counts
// their cells; ok is false for a text that holds anything else.
func quick(s string) (cells int, ok bool) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= 0x20 && c < 0x7f:
			i++
			cells++
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !ours(r) {
				return 0, false
			}
			i += n
			cells++
		default:
			k := colour(s[i:])
			if k == 0 {
				return 0, false
			}
			i += k
		}
	}
	return cells, true
}

// printable is quick without colours.
func printable(s string) bool {
	_, ok := quick(s)
	return ok && strings.IndexByte(s, '\x1b') < 0
}

// ours are the blocks pare's own characters come from: one cell each, whoever
// counts.
func ours(r rune) bool {
	return r >= 0xa1 && r < 0x250 && r != 0xad || // Latin
		r >= 0x2010 && r <= 0x2027 || r >= 0x2190 && r < 0x2300 || // dashes, arrows, operators
		r >= 0x2500 && r < 0x25fd || r >= 0x2800 && r < 0x2900 || // boxes, blocks, braille
		r == 0x2713 || r == 0x2717 // check and cross
}

// stable says that a character is drawn, and by every terminal equally wide
// whether it counts characters or clusters.
func stable(r rune) bool {
	switch {
	case r < 0x20, r == 0x7f, r >= 0x80 && r < 0xa0:
		return false
	case unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Variation_Selector):
		return false // invisible: joiners, bidirectional overrides, selectors
	case r >= 0x1f3fb && r <= 0x1f3ff: // skin tones merge with what stands before
		return false
	case r >= 0x1f1e6 && r <= 0x1f1ff: // halves of flags
		return false
	case r >= 0x1100 && r <= 0x11ff, r >= 0xa960 && r <= 0xa97f, r >= 0xd7b0 && r <= 0xd7ff: // conjoining jamo
		return false
	}
	return true
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
