package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pare/tui/theme"
)

// Bar is a share of 0..1 as ████░░░ in exactly w cells. A bar is empty only at
// 0 and full only at 1, as far as its cells allow; an unknown share (NaN) is
// drawn as dots.
func Bar(th *theme.Theme, share float64, w int) string {
	if w < 1 {
		return ""
	}
	if math.IsNaN(share) {
		return th.Paint(theme.Track, strings.Repeat(th.G.Dot, w))
	}
	n := int(math.Round(min(max(share, 0), 1) * float64(w)))
	switch {
	case share > 0 && n == 0:
		n = 1
	case share < 1 && n == w && w > 1:
		n--
	}
	return th.Paint(theme.Bar, strings.Repeat(th.G.BarFull, n)) +
		th.Paint(theme.Track, strings.Repeat(th.G.BarEmpty, w-n))
}

// level is the glyph for v between lo and hi.
func level(th *theme.Theme, v, lo, hi float64) string {
	if !finite(v) {
		return " "
	}
	k := 3 // all alike: in the middle
	if hi > lo {
		k = int((v/2 - lo/2) / (hi/2 - lo/2) * 7.999)
	}
	return th.G.Spark[min(max(k, 0), 7)]
}

// Strip is a heat strip: one shade per value (layer), from · for 0 over ░▒▓ to
// █ for 1, in exactly w cells. Values stand apart while there is room; beyond w
// values a cell is the mean of its neighbours. Unknown (NaN) is "?".
func Strip(th *theme.Theme, values []float64, w int) string {
	if w < 1 {
		return ""
	}
	n := len(values)
	var b strings.Builder
	used := 0
	if n > w {
		for c := range w {
			b.WriteString(shade(th, mean(values[c*n/w:max((c+1)*n/w, c*n/w+1)])))
		}
		used = w
	} else if n > 0 {
		each, space := w/n, 0
		if w >= 2*n-1 {
			each, space = min((w-n+1)/n, 6), 1
		}
		for i, v := range values {
			if i > 0 {
				b.WriteString(strings.Repeat(" ", space))
				used += space
			}
			b.WriteString(strings.Repeat(shade(th, v), each))
			used += each
		}
	}
	return th.Paint(theme.Bar, b.String()) + strings.Repeat(" ", w-used)
}

// shade keeps 0 and 1 apart from nearly so, like Bar.
func shade(th *theme.Theme, v float64) string {
	switch {
	case math.IsNaN(v):
		return "?"
	case v <= 0:
		return th.G.Shade[0]
	case v >= 1:
		return th.G.Shade[4]
	}
	return th.G.Shade[1+min(int(v*3), 2)]
}

// mean of what is known; NaN if nothing is.
func mean(v []float64) float64 {
	sum, n := 0.0, 0
	for _, x := range v {
		if finite(x) {
			sum, n = sum+x, n+1
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// Progress is a bar with its per cent and the time left, in exactly w cells:
// "██████░░░░  42 %  ETA 0:41". What does not fit is left out from the right;
// a negative eta is unknown.
func Progress(th *theme.Theme, share float64, eta time.Duration, w int) string {
	if w < 1 {
		return ""
	}
	pct := "   – %"
	if !math.IsNaN(share) {
		pct = fmt.Sprintf("%4.0f %%", math.Floor(min(max(share, 0), 1)*100))
	}
	left := "  ETA " + Duration(eta)
	switch room := w - theme.Width(pct); {
	case room < 4:
		return th.Fit(strings.TrimSpace(pct), w)
	case room-theme.Width(th.Tr(left)) < 4:
		return th.Fit(Bar(th, share, room)+pct, w)
	default:
		tail := pct + left
		return th.Fit(Bar(th, share, w-theme.Width(th.Tr(tail)))+tail, w)
	}
}

// Duration writes a time left: 0:41, 12:05, 1:02:33, 3 d 4 h; "–" if unknown.
func Duration(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	s := int64(math.Ceil(d.Seconds()))
	switch {
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return strconv.FormatInt(s/86400, 10) + " d " + strconv.FormatInt(s/3600%24, 10) + " h"
}
