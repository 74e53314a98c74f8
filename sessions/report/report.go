// Package report writes a session as one HTML file that needs nothing else: no
// network, no scripts, no fonts. It is a fold over the log like every other
// reader; it measures nothing and reads no files.
//
// report imports core/event (what happened), core/energy (how joules are
// written) and core's reading of a recipe. It must not import sessions, which
// hands it the state, nor tui.
//
// The page is written as well-formed XML, so that it can be checked and read by
// strict tools. What is not known says so: "–" or "not measured".
package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"unicode/utf8"

	"pare/core/event"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText string
)

var page = template.Must(template.New("page").Funcs(template.FuncMap{"t": typeset}).Parse(pageText))

// Write writes the report of the run folded into st. recipe is the text of
// recipe.toml, "" when it is not known. An unfinished run is reported as far as
// it went, with what is missing. The same state gives the same bytes.
func Write(w io.Writer, st *event.State, recipe string) error {
	var b bytes.Buffer
	v := newView(st, recipe)
	v.Style = template.CSS(styleText)
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("report of session %q: %w", st.Started.Session, err)
	}
	if _, err := w.Write(printable(b.Bytes())); err != nil {
		return fmt.Errorf("report of session %q: %w", st.Started.Session, err)
	}
	return nil
}

// printable replaces what must not stand in the page: bytes that are no UTF-8,
// control characters (XML has none), and marks that turn the direction of text,
// with which a name could make the page read differently from what it says.
func printable(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1,
			r < 0x20 && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f,
			r == 0xfffe, r == 0xffff:
			out = utf8.AppendRune(out, utf8.RuneError)
		default:
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}
