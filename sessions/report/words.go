package report

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pare/core"
	"pare/core/energy"
	"pare/core/event"
)

// none stands where nothing is known.
const none = "–"

// minus writes a typographic minus, as wide as a plus.
func minus(s string) string { return strings.ReplaceAll(s, "-", "−") }

var (
	negative = regexp.MustCompile(`(^|[\s(])-([0-9])`)
	unitsOf  = regexp.MustCompile(`([0-9]) (%|pt|[kMG]?B|[µm]?s|[µmkMG]?J)([^\pL\pN]|$)`)
	rangeOf  = regexp.MustCompile(`([0-9])–([0-9])`)
	tierOf   = regexp.MustCompile(`J ([A-E])( ±|[^\pL\pN]|$)`)
)

// typeset makes a sentence from the log fit for print: true minus signs, and
// figures that are not torn from their units. Names keep their hyphens.
func typeset(s string) string {
	const nbsp, joiner = "\u00a0", "\u2060"
	s = rangeOf.ReplaceAllString(s, "$1"+joiner+"–"+joiner+"$2")
	s = negative.ReplaceAllString(s, "$1−$2")
	s = tierOf.ReplaceAllString(s, "J"+nbsp+"$1$2")
	return unitsOf.ReplaceAllString(s, "$1"+nbsp+"$2$3")
}

// upper begins a sentence.
func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

func percent(x float64) string { return minus(fmt.Sprintf("%.1f %%", 100*x)) }

// interval is "88.4 % (88.0–88.8)".
func interval(x, lo, hi float64) string {
	if !(hi > lo) {
		return percent(x)
	}
	return fmt.Sprintf("%s (%.1f–%.1f)", percent(x), 100*lo, 100*hi)
}

// points is a difference of two shares in percentage points.
func points(d float64) string {
	if math.Abs(d) < 0.0005 {
		return "0.0 pt"
	}
	return minus(fmt.Sprintf("%+.1f pt", 100*d))
}

// change is the relative change in percent, "" when there is nothing to relate
// to.
func change(from, to float64) string {
	if !(from > 0) || to < 0 {
		return ""
	}
	c := 100 * (to/from - 1)
	if math.Abs(c) < 0.5 {
		return "0 %"
	}
	return minus(fmt.Sprintf("%+.0f %%", c))
}

// known reports whether an amount of energy can be shown: it has joules and a
// tier.
func known(j event.Joules) bool { return j.UJ != nil && energy.Tier(j.Tier).Known() }

// joules prints an amount with unit and tier, "not measured" without one.
func joules(j event.Joules) string {
	if !known(j) {
		return "not measured"
	}
	return energy.Format(core.Reading(j))
}

// seconds prints a time given in µs, from µs to hours.
func seconds(us float64) string {
	switch {
	case !(us > 0):
		return "0 s"
	case us < 999.5:
		return fmt.Sprintf("%.3g µs", us)
	case us < 999.5e3:
		return fmt.Sprintf("%.3g ms", us/1e3)
	case us < 99.95e6:
		return fmt.Sprintf("%.3g s", us/1e6)
	}
	return time.Duration(math.Min(us, 9e15) * 1e3).Round(time.Second).String()
}

// millis prints µs as ms with its band, "–" when it is not known.
func millis(us, band float64) string {
	if !(us > 0) {
		return none
	}
	s := event.Num(us/1e3, 3) + " ms"
	if band > 0 {
		s += fmt.Sprintf(" ±%.0f %%", math.Ceil(band))
	}
	return s
}

// size prints bytes in powers of 1000.
func size(n int64) string {
	f := float64(n)
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 999_500:
		return fmt.Sprintf("%.3g kB", f/1e3)
	case n < 999_500_000:
		return fmt.Sprintf("%.3g MB", f/1e6)
	}
	return event.Num(f/1e9, 3) + " GB"
}

// count groups the digits by three: 266,610.
func count(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// shape is 300×784.
func shape(d []int) string {
	p := make([]string, len(d))
	for i, v := range d {
		p[i] = fmt.Sprint(v)
	}
	return strings.Join(p, "×")
}

// plural is "1 epoch", "2 epochs".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(int64(n)) + " " + word + "s"
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// short cuts a text that is too long to be one.
func short(s string) string {
	const most = 400
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// when is a moment in UTC, to the minute.
func when(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

var raised = strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")

// scientific is 2×10⁻⁶, for what is far below one.
func scientific(x float64) string {
	if x == 0 {
		return "0"
	}
	m, e, ok := strings.Cut(fmt.Sprintf("%.1e", x), "e")
	if !ok {
		return m // not finite
	}
	n, err := strconv.Atoi(e)
	if err != nil {
		return m
	}
	return minus(m) + "×10" + raised.Replace(strconv.Itoa(n))
}
