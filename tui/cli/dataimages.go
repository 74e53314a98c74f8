package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"

	"pare/core/data"
	"pare/tui/theme"
)

// Images are shown in a line, which no terminal breaks, each at most so many characters wide.
const (
	lineWidth  = 100
	imageWidth = 32
)

// size is that of the terminal that w is; false if it is none.
func size(w io.Writer) (cols, rows int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0, false
	}
	cols, rows, err := term.GetSize(f.Fd())
	return cols, rows, err == nil && cols > 0 && rows > 0
}

// ink is how images are drawn: with two colours a character, or in shades.
type ink int

const (
	halfBlocks ink = iota
	shades
	asciiShades
)

// inkFor tells by the environment, and by whether out is a terminal; it asks nobody.
func inkFor(out io.Writer, getenv func(string) string) ink {
	mode, ascii := theme.FromEnv(theme.Auto, getenv("TERM") == "linux", getenv)
	f, _ := out.(*os.File)
	switch {
	case ascii:
		return asciiShades
	case mode == theme.Mono || !isTerminal(f) && getenv("CLICOLOR_FORCE") == "":
		return shades
	}
	return halfBlocks
}

// showImages draws the first training image of each of some classes.
func (e *env) showImages(d *data.Data) error {
	s := d.Train.Shape
	room := lineWidth
	if cols, _, ok := size(e.out); ok {
		room = min(room, cols)
	}
	w := min(s[2], imageWidth, room)
	h := max(1, (s[1]*w+s[2]/2)/s[2])
	ink := inkFor(e.out, os.Getenv)
	var lines [][]string // of each image
	seen := map[int32]bool{}
	for i, l := range d.Train.Labels {
		if len(lines) == min(len(d.Classes), (room+2)/(w+2)) {
			break
		}
		if seen[l] {
			continue
		}
		seen[l] = true
		x, err := raw(d, d.Train, i)
		if err != nil {
			return err
		}
		name := ansi.Truncate(quoted(d.Classes[l], 40), w, "…")
		lines = append(lines, append(drawImage(x, s, h, w, ink), name+strings.Repeat(" ", w-ansi.StringWidth(name))))
	}
	var b strings.Builder
	for y := range lines[0] {
		b.WriteByte('\n')
		var row []string
		for _, l := range lines {
			row = append(row, l[y])
		}
		b.WriteString(strings.TrimRight(strings.Join(row, "  "), " "))
	}
	_, err := lipgloss.Fprintln(e.out, b.String()) // with the colours that this terminal has
	return err
}

// drawImage draws x, of shape [C,H,W] s, as (h+1)/2 lines of w characters: each is two
// pixels, one above the other.
func drawImage(x []float32, s []int, h, w int, k ink) []string {
	lo, hi := float32(0), float32(1)
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == 0 && hi > 1 && hi <= 255 {
		hi = 255
	}
	at := func(y, x0 int) (c [3]float64) { // 0 … 1
		if y >= h {
			y = h - 1
		}
		y1, y2 := y*s[1]/h, max((y+1)*s[1]/h, y*s[1]/h+1)
		x1, x2 := x0*s[2]/w, max((x0+1)*s[2]/w, x0*s[2]/w+1)
		for k := range c {
			plane := x[min(k, s[0]-1)*s[1]*s[2]:]
			sum := 0.0
			for y := y1; y < y2; y++ {
				for x := x1; x < x2; x++ {
					sum += float64((plane[y*s[2]+x] - lo) / (hi - lo))
				}
			}
			c[k] = math.Min(1, math.Max(0, sum/float64((y2-y1)*(x2-x1))))
		}
		return c
	}
	var out []string
	for y := 0; y < h; y += 2 {
		var b strings.Builder
		for x := range w {
			p, q := at(y, x), at(y+1, x)
			switch k {
			case halfBlocks:
				fmt.Fprintf(&b, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", level(p[0]), level(p[1]), level(p[2]), level(q[0]), level(q[1]), level(q[2]))
			default:
				ramp := []rune(" ░▒▓█")
				if k == asciiShades {
					ramp = []rune(" .:-=+*#%@")
				}
				v := (luma(p) + luma(q)) / 2
				b.WriteRune(ramp[min(int(v*float64(len(ramp))), len(ramp)-1)])
			}
		}
		if k == halfBlocks {
			b.WriteString("\x1b[m")
		}
		out = append(out, b.String())
	}
	return out
}

func level(v float64) int { return int(v*255 + 0.5) }

// luma is the brightness of a colour (ITU-R BT.601).
func luma(c [3]float64) float64 { return 0.299*c[0] + 0.587*c[1] + 0.114*c[2] }
