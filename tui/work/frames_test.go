package work

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"

	"pare/tui/theme"
)

const (
	enterAlt = "\x1b[?1049h\x1b[2J\x1b[H"
	tick     = "\x1b[H."
)

// TestFramesOnATerminal: whatever frame follows whatever frame, with hostile texts, changed
// sizes, and with what Bubble Tea writes in between, the terminal shows the last one.
func TestFramesOnATerminal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 13))
		d, f := watching(t, 80, 24, newStory().start("B").baselineDone("B"))
		d.th = theme.New(theme.Mode(1+rnd.IntN(3)), true, rnd.IntN(4) == 0)
		s := &story{at: begun, es: f.log}
		term := vt.NewEmulator(80, 24)
		fr := &frames{to: term, colours: colorprofile.TrueColor}
		whole := vt.NewEmulator(80, 24)
		fmt.Fprint(fr, enterAlt+".")
		token, before := "", ""
		for i := range 60 {
			switch rnd.IntN(8) {
			case 0:
				d.resize(1+rnd.IntN(140), 1+rnd.IntN(50))
				term.Resize(d.w, d.h)
				whole.Resize(d.w, d.h)
			case 1:
				key(d, names[rnd.IntN(len(names))])
			default:
				s.add(anyBody(t, rnd))
				f.log = append(f.log, s.es[len(f.log):]...)
				sample(d)
			}
			d.quit = false
			frame := d.Render()
			last := token
			token = fr.show(frame, d.w, d.h)
			if frame != before && token == last {
				t.Fatal("Bubble Tea does not hear of a new frame")
			}
			before = frame
			if !fr.written { // another before it has drawn
				fr.show(frame+" ", d.w, d.h)
				if fr.show(frame, d.w, d.h) != token {
					t.Fatal("the token of a frame that is not drawn yet changes")
				}
			}
			p := tick
			switch rnd.IntN(12) {
			case 0: // it erased
				p = "\x1b[H\x1b[2J\x1b[H."
			case 1:
				p = "\x1b[?2026h\x1b]2;pare x\x07\r:\x1b[m\x1b[?2026l"
			case 2:
				p = "\x1b[?1002h\x1b[?1006h\r."
			}
			if n, err := fmt.Fprint(fr, p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
			whole.WriteString("\x1b[2J")
			for y, l := range strings.Split(frame, "\n") {
				fmt.Fprintf(whole, "\x1b[%d;1H%s", y+1, l)
			}
			for y := range d.h {
				for x := range d.w {
					got, want := term.CellAt(x, y), whole.CellAt(x, y)
					if got == nil || want == nil || got.Content != want.Content || !got.Style.Equal(&want.Style) {
						t.Fatalf("seed %d, frame %d: at %d,%d stands %+v, want %+v\nscreen:\n%s\nframe:\n%s", seed, i, x, y, got, want, term.String(), bare(frame))
					}
				}
			}
			if p := term.CursorPosition(); p.X != min(1, d.w-1) || p.Y != 0 {
				t.Fatalf("the cursor is at %v, Bubble Tea left it behind the token", p)
			}
		}
		term.Close()  //nolint:errcheck // in memory
		whole.Close() //nolint:errcheck // in memory
	}
}

// TestFramesOutside: before the alternate screen is on and after it is left nothing is added;
// a write that fails is told and the frame drawn whole after it.
func TestFramesOutside(t *testing.T) {
	var b strings.Builder
	f := &frames{to: &b, colours: colorprofile.TrueColor}
	f.show("ab\ncd", 2, 2)
	for _, p := range []string{"\x1b[?2026$p", "\x1b[?1049l\x1b[?25h"} {
		b.Reset()
		if fmt.Fprint(f, p); b.String() != p {
			t.Errorf("%q became %q", p, b.String())
		}
	}
	fmt.Fprint(f, enterAlt)
	b.Reset()
	if fmt.Fprint(f, tick); strings.Contains(b.String(), "cd") {
		t.Errorf("an unchanged frame is sent again: %q", b.String())
	}
	f.to = writes(func([]byte) (int, error) { return 0, fmt.Errorf("hung up") })
	f.show("ab\nce", 2, 2)
	if _, err := fmt.Fprint(f, tick); err == nil {
		t.Error("a write that failed is not told")
	}
	f.to = &b
	b.Reset()
	if fmt.Fprint(f, tick); !strings.Contains(b.String(), "ab") || !strings.Contains(b.String(), "ce") {
		t.Errorf("after a write that failed the frame is not whole: %q", b.String())
	}
	f.paint(colorprofile.ASCII)
	f.show("\x1b[38;2;1;2;3ma\x1b[mb\nce", 2, 2)
	b.Reset()
	if fmt.Fprint(f, tick); strings.Contains(b.String(), "38;2") {
		t.Errorf("a terminal without colours is sent %q", b.String())
	}
}

type writes func([]byte) (int, error)

func (w writes) Write(b []byte) (int, error) { return w(b) }
