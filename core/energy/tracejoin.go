package energy

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// joinRows puts together rows that are parts of one: logs that write a line for each call
// (Weights & Biases) tell a step's accuracy in one row and its energy in another. Rows of one
// run belong together when they are of one step, or else of one epoch, and each has what the
// other lacks; two rows that have the same thing stay two. It also returns how many rows went
// into others.
func joinRows(rows []logRow) ([]logRow, int) {
	joined := 0
	for _, at := range []func(logRow) float64{
		func(w logRow) float64 { return w.step },
		func(w logRow) float64 { return w.epoch },
	} {
		type place struct {
			run string
			at  float64
		}
		open := map[place]int{} // the newest row there, in out
		out := rows[:0:0]
		for _, w := range rows {
			p := place{w.key + "\x00" + w.rate, at(w)}
			if i, ok := open[p]; ok && !math.IsNaN(p.at) && out[i].fits(w) {
				if out[i].tells() && w.tells() {
					joined++
				}
				out[i].take(w)
				continue
			}
			open[p] = len(out)
			out = append(out, w)
		}
		rows = out
	}
	return rows, joined
}

// tells says whether a row has anything that is asked for beside its place.
func (w logRow) tells() bool { return !math.IsNaN(w.metric) || !math.IsNaN(w.joule) }

// fits says whether no figure of two rows contradicts the other's.
func (w logRow) fits(o logRow) bool {
	one := func(a, b float64) bool { return math.IsNaN(a) || math.IsNaN(b) }
	return one(w.metric, o.metric) && one(w.joule, o.joule) && (one(w.epoch, o.epoch) || w.epoch == o.epoch)
}

func (w *logRow) take(o logRow) {
	first := func(a, b float64) float64 {
		if math.IsNaN(a) {
			return b
		}
		return a
	}
	w.metric, w.joule, w.epoch = first(w.metric, o.metric), first(w.joule, o.joule), first(w.epoch, o.epoch)
	w.tier = w.tier.Worse(o.tier)
}

// whole leaves out the rows without a cost, and says how many those were. A row that tells
// nothing is one of other figures where rows had to be joined, and lacks nothing.
func whole(rows []logRow, cols columns, joined bool) (kept []logRow, left int) {
	for _, w := range rows {
		switch {
		case cols.energy >= 0 && math.IsNaN(w.joule) || cols.energy < 0 && (math.IsNaN(w.metric) || math.IsNaN(w.epoch)):
			if w.tells() || !joined {
				left++
			}
		default:
			kept = append(kept, w)
		}
	}
	return kept, left
}

// noteJoined says what was put together.
func (l *TraceLog) noteJoined(n int) {
	if n > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("%d rows joined with others of the same step: %s and %s stand in rows of their own", n, l.Metric, l.Cost))
	}
}

// stepColumn is the column that counts steps beside the epochs; −1 without one.
func stepColumn(head []string, epoch int) int {
	for i, h := range head {
		if i != epoch && slices.Contains(stepWords, strings.Join(columnWords(h), "_")) {
			return i
		}
	}
	return -1
}
