// Package theme owns how things look: the meaning of every colour, the glyphs
// lines and bars are made of, and the helpers that cut and frame text without
// ever breaking a width. It draws nothing by itself and knows no run, no event
// and no key; it must not import anything of pare.
//
// # Tokens, not colours
//
// Panes name what a text means ([Accuracy], [Bad], [KeyHint], …) and a [Theme]
// says how that looks:
//
//	t := theme.New(theme.Auto, dark, ascii)
//	t.Paint(theme.Energy, "0.24 J")        // one line of text with colour
//	t.Style(theme.Title).Padding(0, 1)     // the lipgloss style itself
//
// No token has a background: the terminal's own stays. [Accuracy] is blue and
// [Energy] orange, a pair that people with any of the common colour blindnesses
// tell apart; [Good] and [Bad] never stand without a word or a glyph beside
// them. [Mono], which NO_COLOR asks for, uses bold, faint, underline and
// reverse only.
//
// # Glyphs and ASCII
//
// Line, block and arrow characters come from [Theme.G]. In ASCII mode they are
// plain ASCII, and [Theme.Tr] replaces what else a text holds (− × ± … µ).
//
// # Text from outside
//
// Names of files, layers and sessions are hostile until proven otherwise:
// [Theme.Clean] strips escape sequences, control and bidirectional characters
// and whatever terminals disagree about the width of. [Theme.Box] cleans its
// titles and lets nothing but colours through in its body.
package theme

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
)

// Mode is the palette the user asked for.
type Mode uint8

// Modes. Auto follows the terminal's background.
const (
	Auto Mode = iota
	Dark
	Light
	Mono
)

var modeNames = [...]string{Auto: "auto", Dark: "dark", Light: "light", Mono: "mono"}

// String is the name that ParseMode reads.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "auto"
}

// ParseMode reads the value of --theme.
func ParseMode(s string) (Mode, error) {
	for m, name := range modeNames {
		if s == name {
			return Mode(m), nil
		}
	}
	return Auto, fmt.Errorf("theme %q: choose auto, dark, light or mono", s)
}

// Token is what a piece of text means.
type Token uint8

// Tokens. Text is the terminal's own foreground.
const (
	Text     Token = iota
	Dim            // secondary text, axis labels
	Accent         // what the eye should find first
	Accuracy       // the accuracy curve and its figures
	Energy         // the energy curve and its figures
	Ghost          // the dense baseline behind a curve, other sessions
	Floor          // the accuracy floor, a budget
	Good           // PASS, saved, done
	Warn           // worth a look
	Bad            // FAIL, lost, diverged
	Border         // boxes and axes
	Title          // titles in borders, stage names
	KeyHint        // the key in "r roll back"
	Selected       // the row or button that has the focus
	Cursor         // the cursor column of the charts
	Bar            // the filled part of a bar
	Track          // the empty part of a bar
	tokens
)

// Theme is a palette and a glyph set. It is immutable and safe for
// concurrent use.
type Theme struct {
	Mode  Mode // as resolved: Dark, Light or Mono
	ASCII bool
	G     Glyphs

	styles      [tokens]lipgloss.Style
	open, close [tokens]string // SGR before and after a text
}

// ink is how a token looks on a dark and on a light ground and without colour.
type ink struct {
	dark, light string // "#rrggbb", "" is the terminal's foreground
	bold        bool   // with colour
	mono        func(lipgloss.Style) lipgloss.Style
}

func faint(s lipgloss.Style) lipgloss.Style   { return s.Faint(true) }
func bold(s lipgloss.Style) lipgloss.Style    { return s.Bold(true) }
func reverse(s lipgloss.Style) lipgloss.Style { return s.Reverse(true) }
func under(s lipgloss.Style) lipgloss.Style   { return s.Underline(true) }
func plain(s lipgloss.Style) lipgloss.Style   { return s }

// The blue and orange start from Okabe and Ito's set and are darkened on light
// grounds until they reach 4.5:1.
var inks = [tokens]ink{
	Text:     {mono: plain},
	Dim:      {dark: "#9aa4af", light: "#57606a", mono: faint},
	Accent:   {dark: "#c9a7f5", light: "#6639ba", mono: bold},
	Accuracy: {dark: "#56b4e9", light: "#0b5ea8", mono: plain},
	Energy:   {dark: "#f0a030", light: "#a04500", mono: plain},
	Ghost:    {dark: "#9aa4af", light: "#57606a", mono: faint},
	Floor:    {dark: "#de96bd", light: "#93366b", mono: plain},
	Good:     {dark: "#40c4a0", light: "#006b52", mono: bold},
	Warn:     {dark: "#e8d44d", light: "#735600", mono: under},
	Bad:      {dark: "#ff8a80", light: "#b3261e", mono: bold},
	Border:   {dark: "#7a8490", light: "#6e7781", mono: plain},
	Title:    {bold: true, mono: bold},
	KeyHint:  {dark: "#c9a7f5", light: "#6639ba", bold: true, mono: bold},
	Selected: {mono: reverse},
	Cursor:   {bold: true, mono: bold},
	Bar:      {dark: "#c9a7f5", light: "#6639ba", mono: plain},
	Track:    {dark: "#7a8490", light: "#6e7781", mono: faint},
}

// New builds the theme for a mode. Dark says whether the terminal's background
// is dark and matters to Auto only; ascii asks for plain ASCII glyphs.
func New(mode Mode, dark, ascii bool) *Theme {
	if mode == Auto || mode > Mono {
		mode = Light
		if dark {
			mode = Dark
		}
	}
	t := &Theme{Mode: mode, ASCII: ascii, G: unicodeGlyphs}
	if ascii {
		t.G = asciiGlyphs
	}
	for tok := Token(0); tok < tokens; tok++ {
		t.styles[tok] = inks[tok].style(tok, mode)
		t.open[tok], t.close[tok], _ = strings.Cut(t.styles[tok].Render("x"), "x")
	}
	return t
}

func (k ink) style(tok Token, mode Mode) lipgloss.Style {
	s := lipgloss.NewStyle()
	if mode == Mono {
		return k.mono(s)
	}
	hex := k.dark
	if mode == Light {
		hex = k.light
	}
	if hex != "" {
		s = s.Foreground(lipgloss.Color(hex))
	}
	if k.bold {
		s = s.Bold(true)
	}
	if tok == Selected {
		s = s.Reverse(true)
	}
	return s
}

// Style is the lipgloss style of a token.
func (t *Theme) Style(tok Token) lipgloss.Style {
	if tok >= tokens {
		tok = Text
	}
	return t.styles[tok]
}

// Paint gives one line of text the look of a token. It neither cuts nor cleans.
func (t *Theme) Paint(tok Token, s string) string {
	if tok >= tokens || t.open[tok] == "" || s == "" {
		return s
	}
	return t.open[tok] + s + t.close[tok]
}

// SGR returns the sequences that Paint puts before and after a text, for code
// that writes cell by cell. Both are empty when the token has no look.
func (t *Theme) SGR(tok Token) (open, close string) {
	if tok >= tokens {
		return "", ""
	}
	return t.open[tok], t.close[tok]
}
