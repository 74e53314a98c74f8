package report

import (
	"fmt"
	"math"
	"strings"

	"pare/core/event"
)

// chart is one chart in percent of its plot area, so that it stretches to any
// width while its letters keep their size. Paths use 0…1000 on both axes.
type chart struct {
	Kind       string // acc | energy: the colour
	Title, Sub string
	Alt        string
	X, Y, Z    []mark // Z: share of zeros, on the right
	Band       []string
	Line       []string
	Steps      string // zeros, an area
	StepLine   string
	Dots       []dot
	Rules      []ruleLine
	Flags      []mark
	Note       string
}

type mark struct{ At, Label string }

type dot struct {
	X, Y, Text string
	Hollow     bool // part of an epoch
}

// ruleLine is a level across the chart.
type ruleLine struct {
	Class, At, Label string
	Below            bool // its label stands under the line
}

// sample is a point of a series; a gap stands before it where one is missing.
type sample struct {
	x, y, lo, hi float64
	text         string
	gap, part    bool
}

// frame is the axis that both charts of a stage share.
type frame struct {
	x     scale
	marks []mark
}

// newFrame spans the steps of a stage; while it is not over, the steps to come
// as well.
func newFrame(st *event.State, s event.Stage) frame {
	c, last := &st.Curves[s], int64(1)
	if m := st.Metric; m.Stage == s && st.Stages[s].State != "done" {
		last = max(last, m.Steps)
	}
	for _, p := range [][]event.Point{c.Acc, c.CPU, c.Zeros} {
		if n := len(p); n > 0 {
			last = max(last, p[n-1].Step)
		}
	}
	f := frame{x: scale{0, float64(last)}}
	by := math.Max(step(float64(last), 6), 1)
	for _, v := range f.x.marks(by) {
		f.marks = append(f.marks, mark{coordinate(f.x.at(v)), count(int64(math.Round(v)))})
	}
	return f
}

// build draws a series on a frame.
func (c *chart) build(f frame, y scale, s []sample) {
	c.X = f.marks
	px := func(p sample) string { return coordinate(10 * f.x.at(p.x)) }
	py := func(v float64) string { return coordinate(1000 - 10*y.at(v)) }
	for len(s) > 0 {
		n := 1
		for n < len(s) && !s[n].gap {
			n++
		}
		var line, up, down strings.Builder
		banded := false
		for i, p := range s[:n] {
			cmd := "L"
			if i == 0 {
				cmd = "M"
			}
			fmt.Fprintf(&line, "%s%s %s", cmd, px(p), py(p.y))
			fmt.Fprintf(&up, "%s%s %s", cmd, px(p), py(p.hi))
			q := s[n-1-i]
			fmt.Fprintf(&down, "L%s %s", px(q), py(q.lo))
			banded = banded || p.hi > p.lo
		}
		if n > 1 {
			c.Line = append(c.Line, line.String())
			if banded {
				c.Band = append(c.Band, up.String()+down.String()+"Z")
			}
		}
		s = s[n:]
	}
}

// dots puts a mark that can be pointed at on every sample.
func (c *chart) dots(f frame, y scale, s []sample) {
	for _, p := range s {
		c.Dots = append(c.Dots, dot{coordinate(f.x.at(p.x)), coordinate(100 - y.at(p.y)), p.text, p.part})
	}
}

func (c *chart) rule(class, label string, y scale, v float64, below bool) {
	c.Rules = append(c.Rules, ruleLine{class, coordinate(100 - y.at(v)), label, below})
}

// zeros draws the share of zeros as steps, 0…100 % from bottom to top.
func (c *chart) zeros(f frame, pts []event.Point) {
	if len(pts) == 0 {
		return
	}
	var b strings.Builder
	y, full := "1000", scale{0, 1}
	fmt.Fprintf(&b, "M0 %s", y)
	for _, p := range pts {
		if n := coordinate(1000 - 10*full.at(p.Y)); n != y {
			fmt.Fprintf(&b, "H%sV%s", coordinate(10*f.x.at(float64(p.Step))), n)
			y = n
		}
	}
	end := coordinate(10 * f.x.at(float64(pts[len(pts)-1].Step)))
	c.StepLine = b.String() + "H" + end
	c.Steps = c.StepLine + "V1000H0Z"
	c.Z = []mark{{"100", "0 %"}, {"50", "50 %"}, {"0", "100 %"}}
}

// thin keeps at most about n points and every extreme: of each bucket the
// lowest and the highest, and always the last point.
func thin(pts []event.Point, n int) []event.Point {
	if len(pts) <= n {
		return pts
	}
	var out []event.Point
	buckets := max(n/2, 1)
	for b := range buckets {
		part := pts[b*len(pts)/buckets : (b+1)*len(pts)/buckets]
		lo, hi := 0, 0
		for i, p := range part {
			if p.Y < part[lo].Y {
				lo = i
			}
			if p.Y > part[hi].Y {
				hi = i
			}
		}
		out = append(out, part[min(lo, hi)])
		if lo != hi {
			out = append(out, part[max(lo, hi)])
		}
	}
	if last := pts[len(pts)-1]; out[len(out)-1] != last {
		out = append(out, last)
	}
	return out
}
