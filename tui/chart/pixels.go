package chart

import (
	"fmt"
	"math"
	"strings"

	"pare/tui/theme"
)

// Dots draws rows×cols bits exactly, one dot each, from the top left: eight dots of a
// braille character a cell, one character a dot in ASCII. What does not fit w×h cells is
// left out; DotsFit says how much fits. Exactly h lines of exactly w cells.
func Dots(th *theme.Theme, rows, cols int, on func(row, col int) bool, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	lines := make([]string, h)
	dr, dc := dotSize(th)
	for y := range h {
		var b strings.Builder
		for x := range w {
			bits := 0
			for r := range dr {
				for c := range dc {
					if i, j := y*dr+r, x*dc+c; i < rows && j < cols && on(i, j) {
						bits |= brailleBit[r][c]
					}
				}
			}
			switch {
			case y*dr >= rows || x*dc >= cols:
				b.WriteByte(' ')
			case th.ASCII && bits != 0:
				b.WriteByte('#')
			case th.ASCII:
				b.WriteByte('.')
			default:
				b.WriteRune(rune(0x2800 + bits))
			}
		}
		lines[y] = th.Paint(theme.Bar, b.String())
	}
	return strings.Join(lines, "\n")
}

// DotsFit is how many rows and columns of bits w×h cells show.
func DotsFit(th *theme.Theme, w, h int) (rows, cols int) {
	dr, dc := dotSize(th)
	return max(h, 0) * dr, max(w, 0) * dc
}

// dotSize is how many dots a cell has.
func dotSize(th *theme.Theme) (rows, cols int) {
	if th.ASCII {
		return 1, 1
	}
	return 4, 2
}

// brailleBit are the bits of U+2800 by row and column of their dot.
var brailleBit = [4][2]int{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// Shades draws values of 0..1, h lines of w, each the mean of its block of rows×cols:
// · for 0 over ░▒▓ to █ for 1, as Strip.
func Shades(th *theme.Theme, rows, cols int, at func(row, col int) float64, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	lines := make([]string, h)
	for y := range h {
		var b strings.Builder
		for x := range w {
			if rows < 1 || cols < 1 || y >= rows || x >= cols {
				b.WriteByte(' ')
				continue
			}
			y0, y1 := y*rows/min(h, rows), (y+1)*rows/min(h, rows)
			x0, x1 := x*cols/min(w, cols), (x+1)*cols/min(w, cols)
			sum := 0.0
			for i := y0; i < max(y1, y0+1); i++ {
				for j := x0; j < max(x1, x0+1); j++ {
					sum += at(i, j)
				}
			}
			b.WriteString(shade(th, sum/float64(max(y1-y0, 1)*max(x1-x0, 1))))
		}
		lines[y] = th.Paint(theme.Bar, b.String())
	}
	return strings.Join(lines, "\n")
}

// Picture draws a grey image of rows×cols pixels of 0 (black) to 1 in exactly h lines of
// exactly w cells, as large as its shape allows: two pixels a cell, one above the other,
// in greys; without colour a ramp of shades for both together.
func Picture(th *theme.Theme, rows, cols int, at func(row, col int) float64, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	pw, ph := PictureSize(rows, cols, w, h)
	ramp := []rune(" ░▒▓█")
	if th.ASCII {
		ramp = []rune(" .:-=+*#%@")
	}
	lines := make([]string, h)
	for y := range h {
		if y >= ph {
			lines[y] = strings.Repeat(" ", w)
			continue
		}
		var b strings.Builder
		for x := range pw {
			p := pixel(rows, cols, at, 2*y, x, 2*ph, pw)
			q := pixel(rows, cols, at, 2*y+1, x, 2*ph, pw)
			if th.Mode == theme.Mono || th.ASCII {
				b.WriteRune(ramp[min(int((p+q)/2*float64(len(ramp))), len(ramp)-1)])
				continue
			}
			u, v := int(math.Round(255*p)), int(math.Round(255*q))
			fmt.Fprintf(&b, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", u, u, u, v, v, v)
		}
		if th.Mode != theme.Mono && !th.ASCII && pw > 0 {
			b.WriteString("\x1b[m")
		}
		lines[y] = b.String() + strings.Repeat(" ", w-pw)
	}
	return strings.Join(lines, "\n")
}

// PictureSize is how many cells a picture takes of w×h, its pixels square: a cell is
// twice as high as it is wide.
func PictureSize(rows, cols, w, h int) (pw, ph int) {
	if rows < 1 || cols < 1 || w < 1 || h < 1 {
		return 0, 0
	}
	s := math.Min(float64(w)/float64(cols), 2*float64(h)/float64(rows))
	return min(max(int(s*float64(cols)), 1), w), min(max(int(s*float64(rows)/2+0.5), 1), h)
}

// pixel is the mean of the pixels that pixel y, x of an image of h×w covers.
func pixel(rows, cols int, at func(row, col int) float64, y, x, h, w int) float64 {
	y0, x0 := y*rows/h, x*cols/w
	y1, x1 := max((y+1)*rows/h, y0+1), max((x+1)*cols/w, x0+1)
	sum := 0.0
	for i := y0; i < y1; i++ {
		for j := x0; j < x1; j++ {
			if v := at(i, j); v == v {
				sum += min(max(v, 0), 1)
			}
		}
	}
	return sum / float64((y1-y0)*(x1-x0))
}
