package prune

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// Which inputs stand four by four decides what a 2:4 mask costs. Permute looks for an
// order of channels that keeps more of Σ|w| (Pool & Yu 2021, "Channel Permutations for
// N:M Sparsity"): outputs of one layer change places, and so do the inputs of every
// layer that reads them, so the model computes what it did.
//
// Two searches, both greedy and without chance: of every two groups of four the best of
// the 35 ways to deal their eight channels (as apex's exhaustive search with a window of
// 8), or, where that would take too long, the best exchange of two channels (apex's
// channel swap). Steps are taken in order of what they gain, one for each group at a
// time, until none gains anything.

// PermuteReport is what an order of channels brings.
type PermuteReport struct {
	Group  string  `json:"group"`
	All    float64 `json:"all"`    // Σ|w| of the layers that read the channels
	Before float64 `json:"before"` // of it 2:4 keeps
	After  float64 `json:"after"`
}

// Text says it in words.
func (r PermuteReport) Text() string {
	return fmt.Sprintf("%s: 2:4 keeps %.2f %% of Σ|w| behind it, %.2f %% before", r.Group, 100*r.After/r.All, 100*r.Before/r.All)
}

// Permute looks for a better order of channels for each group that layers read which 2:4
// will mask; m stays as it is. Groups that gain nothing are left out.
func Permute(m *graph.Model, s Spec) ([]graph.PermuteAxis, []PermuteReport, error) {
	if err := s.Check(m); err != nil {
		return nil, nil, err
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, nil, err
	}
	byParam := map[int]*layer{}
	for i := range ls {
		if err := ls[i].checkWeights(); err != nil {
			return nil, nil, err
		}
		byParam[ls[i].param] = &ls[i]
	}
	groups, err := m.Groups()
	if err != nil {
		return nil, nil, fmt.Errorf("prune: %w", err)
	}
	var out []graph.PermuteAxis
	var said []PermuteReport
	for _, g := range groups {
		if g.Refused != "" || g.Heads || g.Size%4 != 0 {
			continue
		}
		cols := make([][]float32, g.Size)
		for _, x := range g.Slices {
			l := byParam[x.Param]
			if l == nil || l.skip || x.Axis != 1 || x.Block != 1 || x.Offset != 0 || l.c != g.Size {
				continue // channels that become several inputs each, as behind a flattening, keep their fours apart
			}
			inner := l.k / l.c
			for j := range cols {
				for o := range l.n {
					for in := range inner {
						w := l.w[(o*l.c+j)*inner+in]
						cols[j] = append(cols[j], max(w, -w))
					}
				}
			}
		}
		if len(cols[0]) == 0 {
			continue
		}
		x := newOrder(cols)
		r := PermuteReport{Group: g.Name, Before: x.sum()}
		for _, c := range cols {
			for _, v := range c {
				r.All += float64(v)
			}
		}
		x.search()
		if r.After = x.sum(); r.After > r.Before {
			out, said = append(out, graph.PermuteAxis{Group: g.Name, Order: x.at}), append(said, r)
		}
	}
	return out, said, nil
}

// order is an order of columns under search.
type order struct {
	cols  [][]float32 // |w| by channel
	at    []int       // channel at each place
	fours []float64   // what 2:4 keeps of each four places
}

func newOrder(cols [][]float32) *order {
	x := &order{cols: cols, at: make([]int, len(cols)), fours: make([]float64, len(cols)/4)}
	for i := range x.at {
		x.at[i] = i
	}
	for i := range x.fours {
		x.fours[i] = x.keeps(x.at[4*i], x.at[4*i+1], x.at[4*i+2], x.at[4*i+3])
	}
	return x
}

// sum is what 2:4 keeps.
func (x *order) sum() (s float64) {
	for _, f := range x.fours {
		s += f
	}
	return s
}

// keeps is Σ over rows of the two largest of four channels.
func (x *order) keeps(a, b, c, d int) float64 {
	ca, cb, cc, cd := x.cols[a], x.cols[b], x.cols[c], x.cols[d]
	sum := 0.0
	for i, p := range ca {
		q, r, s := cb[i], cc[i], cd[i]
		hi1, lo1, hi2, lo2 := max(p, q), min(p, q), max(r, s), min(r, s)
		sum += float64(max(hi1, hi2)) + float64(max(min(hi1, hi2), lo1, lo2))
	}
	return sum
}

// affordable bounds the values that the search by eights looks at in its first round:
// some seconds.
const affordable = 2e9

// gains below this are rounding.
const worthwhile = 1e-4

// search tries the better search, or the quicker one.
func (x *order) search() {
	n := float64(len(x.fours))
	if n*n/2*float64(len(eights))*8*float64(len(x.cols[0])) <= affordable {
		x.byEights()
		return
	}
	x.bySwaps()
}

// move is a change of the places of two groups of four.
type move struct {
	a, b int    // groups
	to   [8]int // channels of a, then of b, afterwards
	gain float64
}

// climb takes the best moves, one for each group at a time, until none gains anything;
// best gives that of two groups.
func (x *order) climb(best func(a, b int) move) {
	n := len(x.fours)
	moves := make([]move, 0, n*(n-1)/2)
	for a := range n {
		for b := a + 1; b < n; b++ {
			moves = append(moves, best(a, b))
		}
	}
	ranked := make([]int, len(moves))
	for {
		for i := range ranked {
			ranked[i] = i
		}
		slices.SortFunc(ranked, func(i, j int) int { return cmp.Or(cmp.Compare(moves[j].gain, moves[i].gain), i-j) })
		touched := make([]bool, n)
		any := false
		for _, i := range ranked {
			m := moves[i]
			if m.gain <= worthwhile {
				break
			}
			if touched[m.a] || touched[m.b] {
				continue
			}
			touched[m.a], touched[m.b], any = true, true, true
			for k, g := range []int{m.a, m.b} {
				copy(x.at[4*g:], m.to[4*k:4*k+4])
				x.fours[g] = x.keeps(m.to[4*k], m.to[4*k+1], m.to[4*k+2], m.to[4*k+3])
			}
		}
		if !any {
			return
		}
		for i, m := range moves {
			if touched[m.a] || touched[m.b] {
				moves[i] = best(m.a, m.b)
			}
		}
	}
}

// eights are the 34 other ways to deal eight channels to two groups: the first stays in
// its own.
var eights = func() (l [][8]int) {
	for b := 1; b < 8; b++ {
		for c := b + 1; c < 8; c++ {
			for d := c + 1; d < 8; d++ {
				way, k := [8]int{0, b, c, d}, 4
				for j := 1; j < 8; j++ {
					if j != b && j != c && j != d {
						way[k] = j
						k++
					}
				}
				l = append(l, way)
			}
		}
	}
	return l[1:]
}()

func (x *order) byEights() {
	x.climb(func(a, b int) move {
		var now [8]int
		copy(now[:4], x.at[4*a:])
		copy(now[4:], x.at[4*b:4*b+4])
		best, have := move{a: a, b: b, gain: math.Inf(-1)}, x.fours[a]+x.fours[b]
		for _, way := range eights {
			gain := x.keeps(now[way[0]], now[way[1]], now[way[2]], now[way[3]]) + x.keeps(now[way[4]], now[way[5]], now[way[6]], now[way[7]]) - have
			if gain > best.gain {
				best.gain = gain
				for k, j := range way {
					best.to[k] = now[j]
				}
			}
		}
		return best
	})
}

func (x *order) bySwaps() {
	x.climb(func(a, b int) move {
		var now [8]int
		copy(now[:4], x.at[4*a:])
		copy(now[4:], x.at[4*b:4*b+4])
		best, have := move{a: a, b: b, gain: math.Inf(-1)}, x.fours[a]+x.fours[b]
		for i := range 4 {
			for j := 4; j < 8; j++ {
				to := now
				to[i], to[j] = to[j], to[i]
				if gain := x.keeps(to[0], to[1], to[2], to[3]) + x.keeps(to[4], to[5], to[6], to[7]) - have; gain > best.gain {
					best.gain, best.to = gain, to
				}
			}
		}
		return best
	})
}
