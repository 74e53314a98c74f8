package work

import (
	"fmt"
	"math"
	"strings"

	"pare/core"
	"pare/core/event"
	"pare/tui/theme"
)

// clockOf is how the times of the run are called.
func (d *desk) clockOf() event.Clock { return d.run.st.Started.Clock() }

// percent prints a share: 81.3 %.
func percent(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return minus(fmt.Sprintf("%.1f %%", 100*x))
}

// points prints a difference of shares in percentage points: −0.3 pt.
func points(diff float64) string {
	if math.IsNaN(diff) || math.IsInf(diff, 0) {
		return "–"
	}
	return minus(fmt.Sprintf("%+.1f pt", 100*diff))
}

// minus writes the sign as one.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

func withFix(text, fix string) string {
	if fix == "" {
		return text
	}
	return text + ": " + fix
}

// decided is a decision in a few words, for the mark on the charts.
func decided(b *event.Decision) string {
	switch b.Cmd {
	case core.CmdTarget:
		return "target " + percent(b.Value)
	case core.CmdSettle:
		if b.Stage == event.Baseline {
			return "ended here"
		}
		return "target lowered to " + percent(b.Value)
	case core.CmdRollback:
		return "rolled back to " + b.Text
	case core.CmdConfigure:
		return "recipe set"
	}
	return b.Cmd
}

// tier says in few words how joules are known: "B counter", "E est. ±40 %".
func tier(j event.Joules) string {
	switch j.Tier {
	case "A":
		return "A · wall meter"
	case "B":
		return "B · counter"
	case "C":
		return "C · power samples"
	case "D":
		return fmt.Sprintf("D · model ±%.0f %%", math.Ceil(j.Band))
	case "E":
		return fmt.Sprintf("E · est. ±%.0f %%", math.Ceil(j.Band))
	}
	return ""
}

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// wrap breaks text between words into lines of at most w characters; longer
// words are left to be cut. A unit stays with its figure.
func wrap(s string, w int) []string {
	var words []string
	for _, word := range strings.Fields(s) {
		if n := len(words); n > 0 && unit(word) {
			words[n-1] += " " + word
		} else {
			words = append(words, word)
		}
	}
	var out []string
	line, n := "", 0
	for _, word := range words {
		k := len([]rune(word))
		if n > 0 && n+1+k > w {
			out = append(out, line)
			line, n = "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+k
	}
	if n > 0 {
		out = append(out, line)
	}
	return out
}

// first wraps the first of several paragraphs that fit n lines; the one that does not fit
// ends in an ellipsis, those after it are left out.
func first(th *theme.Theme, paras []string, n, w int) []string {
	var out []string
	for _, p := range paras {
		if n <= len(out) {
			break
		}
		out = append(out, few(th, wrap(p, max(w, 1)), n-len(out), max(w, 1))...)
	}
	return out
}

// few keeps at most n lines of wrapped text; what is left out is told by an
// ellipsis after the last word that has room for it.
func few(th *theme.Theme, lines []string, n, w int) []string {
	if len(lines) <= max(n, 1) {
		return lines
	}
	lines = append([]string{}, lines[:max(n, 1)]...)
	last := &lines[len(lines)-1]
	for off := ""; unit(off) || theme.Width(th.Tr(*last))+1+theme.Width(th.G.Ellipsis) > w; {
		i := strings.LastIndexByte(*last, ' ')
		if i <= 0 {
			return lines // one long word: it is cut as it is
		}
		*last, off = (*last)[:i], (*last)[i+1:]
	}
	*last += " " + th.G.Ellipsis
	return lines
}

// brisk is a text in one line of w characters, cut after a word.
func brisk(th *theme.Theme, s string, w int) string {
	s = th.Clean(s)
	if theme.Width(th.Tr(s)) <= w {
		return s
	}
	return few(th, []string{s, ""}, 1, w)[0]
}

// unit says that a word belongs to the figure before it.
func unit(word string) bool {
	switch strings.TrimRight(word, ",.;:)") {
	case "%", "pt", "J", "mJ", "kJ", "ms", "kB", "MB":
		return true
	}
	return false
}

// longName is more than any layer's name has, in characters.
const longName = 256

// layerName is a layer's name in exactly w cells. Where it is too long its parts but the
// last become letters, and then its beginning goes: numbers and ends tell layers apart.
func layerName(th *theme.Theme, name string, w int) string {
	name = th.Clean(name)
	if r := []rune(name); len(r) > longName { // nobody's: what follows would take its time
		name = string(r[len(r)-longName:])
	}
	parts := strings.Split(name, ".")
	for i, p := range parts[:len(parts)-1] {
		if theme.Width(th.Tr(name)) <= w {
			break
		}
		if r := []rune(p); len(r) > 1 && (r[0] < '0' || r[0] > '9') {
			parts[i] = string(r[0])
		}
		name = strings.Join(parts, ".")
	}
	for r := []rune(name); theme.Width(th.Tr(name)) > w && len(r) > 0; {
		r = r[1:]
		name = th.G.Ellipsis + string(r)
	}
	return th.Fit(name, w)
}
