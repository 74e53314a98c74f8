package chart

import (
	"math"
	"strings"

	"pare/tui/theme"
)

// Columns are amounts in order as columns of h lines, one cell wide each, w at most;
// exactly h lines of exactly w cells. An amount above 0 is never without a mark; what is
// negative or not finite is blank.
func Columns(th *theme.Theme, tok theme.Token, values []float64, w, h int) string {
	if w < 1 || h < 1 {
		return ""
	}
	values = values[:min(len(values), w)]
	top := 0.0
	for _, v := range values {
		if finite(v) {
			top = max(top, v)
		}
	}
	lines := make([]string, h)
	for y := range h {
		var b strings.Builder
		below := float64(h - 1 - y) // lines under this one
		for _, v := range values {
			if !(v > 0) || !finite(v) {
				b.WriteByte(' ')
				continue
			}
			eighths := int(math.Round((v/top*float64(h) - below) * 8))
			if y == h-1 {
				eighths = max(eighths, 1)
			}
			if eighths < 1 {
				b.WriteByte(' ')
				continue
			}
			b.WriteString(th.G.Spark[min(eighths, 8)-1])
		}
		lines[y] = th.Paint(tok, b.String()) + strings.Repeat(" ", w-len(values))
	}
	return strings.Join(lines, "\n")
}
