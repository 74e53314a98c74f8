package chart

import (
	"math"
	"strconv"
	"strings"
)

// scale places values of the y axis in rows, 0 at the bottom. base and step
// are multiples of unit.
type scale struct {
	base float64 // axis value of row 0
	step float64 // between rows
	unit float64
	rows int
	log  bool
}

// steps that people read easily, per power of ten; halves have a unit of a
// half.
var niceSteps = [...]float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8}

// newScale is a fine scale with a readable step whose rows hold lo..hi.
func newScale(lo, hi float64, rows int, log bool) scale {
	if lo > hi {
		lo, hi = 0, 1
		if log {
			lo, hi = -1, 0
		}
	}
	if hi-lo <= max(math.Abs(lo), math.Abs(hi))*1e-9 {
		return flatScale(lo, hi, rows, log)
	}
	// Multiples of the step read best and show where 0 is; the finer scale
	// that starts anywhere is worth it only if it is a good deal finer.
	even := search(lo, hi, rows, log, true)
	if log || lo < 0 && hi > 0 || lo == 0 || hi == 0 {
		return even
	}
	if fine := search(lo, hi, rows, log, false); fine.step*1.2 < even.step {
		return fine
	}
	return even
}

// search finds the smallest readable step with which the rows hold lo..hi,
// starting at a multiple of the step (even) or of its unit.
func search(lo, hi float64, rows int, log, even bool) scale {
	n := float64(rows - 1)
	want := (hi - lo) / n
	for e := max(math.Floor(math.Log10(want)), -300); ; e++ {
		p := math.Pow(10, e)
		for _, m := range niceSteps {
			s := scale{step: m * p, unit: p, rows: rows, log: log}
			if m != math.Trunc(m) {
				s.unit = p / 2
			}
			start := s.unit
			if even {
				start = s.step
			}
			s.base = math.Floor(lo/start+1e-9) * start
			if s.step >= want*(1-1e-9) && s.base+n*s.step >= hi-s.step*1e-6 {
				return s
			}
		}
	}
}

// flatScale puts the one value there is on a row of its own, halfway up, and
// names it with three figures, or four if it has that many.
func flatScale(lo, hi float64, rows int, log bool) scale {
	v := lo/2 + hi/2
	size := math.Abs(v)
	if size == 0 || log {
		size = 1
	}
	p := math.Pow(10, math.Floor(math.Log10(size)))
	s := scale{unit: p * 1e-2, rows: rows, log: log}
	if k := v / s.unit; math.Abs(k-math.Round(k)) > 1e-6 {
		s.unit = p * 1e-3
	}
	for s.step = p / 20; s.step < size*0.05; s.step += p / 20 {
	}
	below := float64(rows / 2)
	if v >= 0 && !log { // amounts have nothing below 0
		below = min(below, math.Floor(v/s.step))
	}
	s.base = math.Round(v/s.unit)*s.unit - below*s.step
	return s
}

// row is the row of an axis value.
func (s scale) row(v float64) int {
	return int(min(max(math.Round((v-s.base)/s.step), 0), float64(s.rows-1)))
}

// value is what row r stands for, in the unit of the data.
func (s scale) value(r int) float64 {
	v := (math.Round(s.base/s.unit) + float64(r)*math.Round(s.step/s.unit)) * s.unit
	if s.log {
		return math.Pow(10, v)
	}
	return v
}

// labels are the figures of all rows, written alike, at most width cells each.
// What would repeat the figure below is empty.
func (s scale) labels(width int) []string {
	out := make([]string, s.rows)
	big := max(math.Abs(s.value(0)), math.Abs(s.value(s.rows-1)))
	for r := range out {
		v, step, size := s.value(r), s.unit, big
		if s.log { // two figures say where between the decades a row lies
			step = math.Pow(10, math.Floor(math.Log10(v)+1e-9)-1)
			v = math.Round(v/step) * step
			size = v
		}
		if out[r] = number(v, step, size, width); len(out[r]) > width {
			out[r] = ""
		}
		if s.log {
			out[r] = strings.TrimSuffix(out[r], ".0")
		}
	}
	last, text := math.NaN(), ""
	for r, t := range out { // 1e-9 and 1.0e-9 are the same figure
		v, err := strconv.ParseFloat(strings.TrimRight(t, "TGMk"), 64)
		if err != nil {
			continue
		}
		if t == text || v == last && !s.log {
			out[r] = ""
		}
		last, text = v, t
	}
	return out
}

var units = [...]struct {
	size float64
	name string
}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}

// number writes v in at most width cells so that neighbours step apart differ
// as far as that is possible. big, the greatest of them, chooses the form:
// 0.887, 12.5k, 1.5e-5.
func number(v, step, big float64, width int) string {
	if v == 0 || math.Abs(v) < step*1e-6 {
		return "0"
	}
	if big >= 1e-3 && big < 1e4 || step >= 1 && big >= 1 && big < math.Pow(10, float64(width-1)) {
		return fixed(v, step, "", width)
	}
	if big >= 1e4 && big < 1e15 {
		for _, u := range units {
			if big >= u.size {
				return fixed(v/u.size, step/u.size, u.name, width)
			}
		}
	}
	for d := significant(v, step); d >= 0; d-- {
		if t := exponent(v, d); len(t) <= width {
			return t
		}
	}
	return exponent(v, 0)
}

// fixed writes v with the decimals that step needs, fewer when they do not
// fit. Before a decimal is given up the leading zero goes: .8875.
func fixed(v, step float64, unit string, width int) string {
	for d := decimals(step); ; d-- {
		t := strconv.FormatFloat(v, 'f', d, 64) + unit
		if len(t) > width {
			if s, ok := strings.CutPrefix(t, "0."); ok {
				t = "." + s
			} else if s, ok := strings.CutPrefix(t, "-0."); ok {
				t = "-." + s
			}
		}
		if len(t) <= width || d == 0 {
			if !strings.ContainsAny(t, "123456789") {
				return "" // too small to be told from 0 here
			}
			return t
		}
	}
}

// decimals is how many places a multiple of step has: 1 for 0.5, 3 for 0.025.
func decimals(step float64) int {
	for d := range 16 {
		if x := step * math.Pow(10, float64(d)); math.Abs(x-math.Round(x)) < 1e-6*max(x, 1) && math.Round(x) > 0 {
			return d
		}
	}
	return 16
}

// significant is how many places after the first figure tell multiples of step
// near v apart.
func significant(v, step float64) int {
	e := math.Floor(math.Log10(math.Abs(v)))
	if step <= 0 {
		return 0
	}
	return min(decimals(step/math.Pow(10, e)), 15)
}

// exponent writes 1.5e-5 with d places.
func exponent(v float64, d int) string {
	t := strconv.FormatFloat(v, 'e', d, 64)
	m, e, _ := strings.Cut(t, "e")
	e = strings.TrimPrefix(e, "+")
	if neg, ok := strings.CutPrefix(e, "-"); ok {
		e = "-" + strings.TrimLeft(neg, "0")
	} else {
		e = strings.TrimLeft(e, "0")
	}
	if e == "" || e == "-" {
		e = "0"
	}
	return m + "e" + e
}
