package energy

import (
	"fmt"
	"math"
	"strings"
)

// group makes runs of rows: by the run columns, and by the learning rate too
// where the run columns alone would let a run's epochs fall.
func (l *TraceLog) group(rows []logRow, cols columns, head []string, o TraceOptions) error {
	key := func(w logRow) string { return w.key }
	if fall(rows, key) != nil && cols.rate >= 0 && len(o.By) == 0 {
		key = func(w logRow) string { return strings.TrimSpace(w.key + " " + w.rate) }
	}
	if w := fall(rows, key); w != nil {
		return fmt.Errorf("%s:%d: %s falls from %g to %g in one run (%s): name the columns that tell runs apart", l.File, w.line, head[cols.epoch], w.before, w.now, or(key(w.logRow), "the only one"))
	}
	index := map[string]int{}
	var runs [][]logRow
	for _, w := range rows {
		k := key(w)
		i, ok := index[k]
		if !ok {
			i = len(runs)
			index[k] = i
			runs = append(runs, nil)
		}
		runs[i] = append(runs[i], w)
	}
	if l.Unit == "J" {
		var err error
		if l.Cum, err = cumulative(runs, head[cols.energy]); err != nil {
			return fmt.Errorf("%s:%w", l.File, err)
		}
	}
	share := map[string]bool{} // tasks whose metric is a share of 1
	for _, rs := range runs {
		for _, w := range rs {
			if math.IsNaN(w.metric) {
				continue
			}
			if _, ok := share[w.task]; !ok {
				share[w.task] = true
				l.Tasks = append(l.Tasks, w.task)
			}
			share[w.task] = share[w.task] && math.Abs(w.metric) <= 1 && !hasWord(l.Metric, lossWords...)
		}
	}
	for _, rs := range runs {
		t := Trace{Name: key(rs[0]), Task: rs[0].task}
		sum := 0.0
		for _, w := range rs {
			p := TracePoint{Epoch: w.epoch, Acc: w.metric, Cost: w.epoch}
			if share[w.task] {
				p.Acc = math.Round(p.Acc*1e10) / 1e8 // 0.55 is 55, not 55.00000000000001
			}
			if l.Unit == "J" {
				if sum += w.joule; l.Cum {
					sum = w.joule
				}
				p.Cost = sum
			}
			if !math.IsNaN(w.metric) {
				t.Points = append(t.Points, p)
			}
		}
		if len(t.Points) > 0 {
			l.Traces = append(l.Traces, t)
		}
	}
	if len(l.Traces) == 1 {
		l.Traces[0].Name = ""
	}
	l.byTask = map[string][]Trace{}
	for _, t := range l.Traces {
		l.byTask[t.Task] = append(l.byTask[t.Task], t)
	}
	for _, task := range l.Tasks {
		l.Lower[task] = o.Lower || !hasWord(l.Metric, higherWords...) && (hasWord(l.Metric, lowerWords...) || falls(l.byTask[task]))
	}
	return nil
}

// fallRow is where a run's epochs fall.
type fallRow struct {
	logRow
	before, now float64
}

func fall(rows []logRow, key func(logRow) string) *fallRow {
	last := map[string]float64{}
	for _, w := range rows {
		if math.IsNaN(w.metric) {
			continue
		}
		k := key(w)
		if v, ok := last[k]; ok && w.epoch < v {
			return &fallRow{w, v, w.epoch}
		}
		last[k] = w.epoch
	}
	return nil
}

// cumulative tells a running sum from an amount per row. The column's name says
// it, else its values do: a sum rises in every run and ends well above its start.
func cumulative(runs [][]logRow, name string) (bool, error) {
	rises, grows := true, false
	var at *logRow
	for _, rs := range runs {
		for i := 1; i < len(rs); i++ {
			if rs[i].joule < rs[i-1].joule {
				rises, at = false, &rs[i]
			}
		}
		if n := len(rs); n > 1 && rs[n-1].joule >= 1.5*rs[0].joule {
			grows = true
		}
	}
	switch {
	case hasWord(name, eachWords...):
		return false, nil
	case hasWord(name, sumWords...):
		if !rises {
			return false, fmt.Errorf("%d: %s is a running sum by its name, but falls", at.line, name)
		}
		return true, nil
	}
	return rises && grows, nil
}

// falls reports whether most of the runs end with a lower metric than they began
// with.
func falls(ts []Trace) bool {
	down, up := 0, 0
	for _, t := range ts {
		switch a, b := t.Points[0].Acc, t.Points[len(t.Points)-1].Acc; {
		case b < a:
			down++
		case b > a:
			up++
		}
	}
	return down > up
}

// Of is the runs of a task, in the order of the file.
func (l *TraceLog) Of(task string) []Trace { return l.byTask[task] }

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
