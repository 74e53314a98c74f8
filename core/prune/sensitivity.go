package prune

import (
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// Curve is what a scan measured of one layer, or of one group of channels, pruned
// alone without training after it: the accuracy that is lost at each level.
type Curve struct {
	Name   string    `json:"name"`
	Levels []float64 `json:"levels"` // share gone, ascending, above 0: of weights; of a group's channels
	Lost   []float64 `json:"lost"`   // share of accuracy lost, 0.01 = one point; below 0: gained
	// Rise is by how much the mean loss rises, in nats: it tells layers apart whose
	// accuracy does not change. Nil: not known.
	Rise []float64 `json:"rise,omitempty"`
}

// riseWorth is how much accuracy a nat of loss counts as when layers are compared:
// little, so that it decides where accuracy does not.
const riseWorth = 0.01

// At is the accuracy lost at a share, between the measured levels by straight lines;
// above the highest what is lost there.
func (c Curve) At(share float64) float64 {
	x0, y0 := 0.0, 0.0
	for i, x := range c.Levels {
		y := c.Lost[i]
		if share <= x {
			return y0 + (y-y0)*(share-x0)/(x-x0)
		}
		x0, y0 = x, y
	}
	return y0
}

// check refuses curves that no scan makes.
func (c Curve) check() error {
	if len(c.Levels) == 0 || len(c.Lost) != len(c.Levels) || c.Rise != nil && len(c.Rise) != len(c.Levels) {
		return fmt.Errorf("prune: sensitivity of %s: %d levels, %d accuracies: scan it again", c.Name, len(c.Levels), len(c.Lost))
	}
	before := 0.0
	for i, x := range c.Levels {
		if !(x > before && x < 1) || c.Lost[i]-c.Lost[i] != 0 {
			return fmt.Errorf("prune: sensitivity of %s: level %g, accuracy lost %g: levels rise from 0 to below 1, scan it again", c.Name, x, c.Lost[i])
		}
		before = x
	}
	return nil
}

// segment is a straight piece of a curve: shares from … to lose slope per share.
type segment struct{ from, to, slope float64 }

// unknown is how many pieces the shares above the highest level are dealt out in.
const unknown = 64

// segments is the curve as straight pieces whose slopes never fall: measured values
// that never fall (the larger of a value and those before it), and of these the lower
// convex hull. Taking pieces in order of their slope then is optimal, and what a small
// share takes a larger one takes too. Above the highest level nothing is known: these
// shares go last.
func (c Curve) segments() []segment {
	type point struct{ x, y float64 }
	hull := []point{{0, 0}}
	top := 0.0
	for i, x := range c.Levels {
		y := c.Lost[i]
		if c.Rise != nil && c.Rise[i] > 0 {
			y = max(y, 0) + riseWorth*c.Rise[i]
		}
		top = max(top, y)
		p := point{x, top}
		for len(hull) > 1 {
			a, b := hull[len(hull)-2], hull[len(hull)-1]
			if (b.y-a.y)*(p.x-b.x) < (p.y-b.y)*(b.x-a.x) {
				break
			}
			hull = hull[:len(hull)-1]
		}
		hull = append(hull, p)
	}
	var s []segment
	for i, p := range hull[1:] {
		a := hull[i]
		s = append(s, segment{a.x, p.x, (p.y - a.y) / (p.x - a.x)})
	}
	end := hull[len(hull)-1].x
	for i := range unknown {
		part := (1 - end) / unknown
		s = append(s, segment{end + float64(i)*part, end + float64(i+1)*part, math.MaxFloat32 * float64(1+i)})
	}
	s[len(s)-1].to = 1
	return s
}

// curveOf finds the curve of a layer or group.
func (s *Spec) curveOf(name string) (Curve, error) {
	i := slices.IndexFunc(s.Sensitivity, func(c Curve) bool { return c.Name == name })
	if i < 0 {
		return Curve{}, fmt.Errorf("prune: distribution sensitivity: nothing is known of %s: scan the model as it is", name)
	}
	return s.Sensitivity[i], s.Sensitivity[i].check()
}

// bySensitivity says how many weights each layer loses, k = round(share·n) of all
// together, so that the accuracy lost by the curves is least when what layers lose adds
// up: pieces of curves in order of what a weight there costs, until k are gone. Of
// equal pieces the earlier layer goes first. Weights that are masked already count
// first.
func bySensitivity(s *Spec, xs []units, share float64) ([]int, error) {
	type piece struct {
		layer, from, to int
		cost            float64
	}
	var all []piece
	n, of, gone := make([]int, len(xs)), 0, 0
	for i, x := range xs {
		c, err := s.curveOf(x.l.name)
		if err != nil {
			return nil, err
		}
		size := x.l.n * x.l.k
		for _, g := range c.segments() {
			all = append(all, piece{i, count(g.from, size), count(g.to, size), g.slope / float64(size)})
			if g.slope >= math.MaxFloat32 { // unknown: all layers alike
				all[len(all)-1].cost = g.slope
			}
		}
		n[i] = x.l.mask.Zeros()
		of, gone = of+size, gone+n[i]
	}
	slices.SortStableFunc(all, func(a, b piece) int {
		switch {
		case a.cost < b.cost:
			return -1
		case a.cost > b.cost:
			return 1
		}
		return 0
	})
	left := count(share, of) - gone
	for _, p := range all {
		take := min(p.to-max(p.from, n[p.layer]), left)
		if take > 0 {
			n[p.layer] += take
			left -= take
		}
	}
	return n, nil
}

// sensitivities are for each group, and each of its channels in the order in which they
// go, what losing it costs, by its curve, per weight that goes with it while the others
// are whole. Never falling.
func (c *cutter) sensitivities() ([][]float64, error) {
	whole := make([]int, len(c.chans))
	for i, x := range c.chans {
		whole[i] = x.g.Size
	}
	out := make([][]float64, len(c.chans))
	for i, x := range c.chans {
		curve, err := c.s.curveOf(x.g.Name)
		if err != nil {
			return nil, err
		}
		size := max(c.base[channelsOf+x.g.Name], x.g.Size) // before the first cut
		less := slices.Clone(whole)
		less[i] = max(less[i]-1, 0)
		weights := float64(max(c.gone(less)-c.gone(whole), 1)) * float64(size)
		segs := curve.segments()
		for j := range x.g.Size - x.least {
			at := (float64(size-x.g.Size+j) + 0.5) / float64(size)
			k := slices.IndexFunc(segs, func(g segment) bool { return at < g.to })
			cost := segs[k].slope
			if cost < math.MaxFloat32 {
				cost /= weights
			}
			out[i] = append(out[i], cost)
		}
	}
	return out, nil
}

// Part is what a scan prunes alone: a layer, or a group of channels.
type Part struct {
	Name    string
	Layers  []string // prunable layers it is in
	Size    int      // weights; of a group channels
	Refused string   // why it cannot be pruned
}

// Parts lists what a rule prunes: layers for masks, for cuts whole groups, with all
// layers that lose weights with a channel. Groups that the pattern leaves whole are
// not listed, those that cannot be cut are, with the reason.
func Parts(m *graph.Model, s Spec) ([]Part, error) {
	if err := s.Check(m); err != nil {
		return nil, err
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, err
	}
	var out []Part
	if !s.Structured() {
		for _, l := range ls {
			if !l.skip {
				out = append(out, Part{Name: l.name, Layers: []string{l.name}, Size: l.n * l.k})
			}
		}
		return out, nil
	}
	groups, err := m.Groups()
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	for _, g := range groups {
		if g.Name == "input" || !s.cuts(g.Heads) {
			continue
		}
		p := Part{Name: g.Name, Size: g.Size, Refused: g.Refused}
		for _, x := range g.Slices {
			i := slices.IndexFunc(ls, func(l layer) bool { return l.param == x.Param })
			if i < 0 {
				continue
			}
			if x.Axis == 0 && ls[i].skip && p.Refused == "" {
				p.Refused = ls[i].name + " is skipped"
			}
			if !slices.Contains(p.Layers, ls[i].name) {
				p.Layers = append(p.Layers, ls[i].name)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// Alone works out the rewrites that take a share of one part and nothing else, by the
// rule's score and pattern: k = round(share·n) of a layer's n weights (blocks as in
// Masks), round(share·n) of a group's n channels. A group keeps what Cut would leave
// it: at least one channel, multiples of RoundTo. gone is the share that really goes.
func Alone(m *graph.Model, s Spec, part string, share float64) (rs []graph.Rewrite, gone float64, err error) {
	if err := checkShare(share); err != nil {
		return nil, 0, err
	}
	if !s.Structured() {
		ls, err := layersOf(m, s.Skip)
		if err != nil {
			return nil, 0, err
		}
		s.Distribution, s.Skip, s.ByHand = "layer", nil, nil
		found := false
		for _, l := range ls {
			if l.name != part {
				s.Skip = append(s.Skip, l.name)
			}
			found = found || l.name == part && !l.skip
		}
		if !found {
			return nil, 0, fmt.Errorf("prune: no layer named %q that the rule prunes", part)
		}
		set, r, err := Masks(m, s, share)
		for _, x := range set {
			rs = append(rs, x)
		}
		return rs, r.Reached(), err
	}
	s.Distribution = "layer"
	c, err := newCutter(m, &s, NewBase(m))
	if err != nil {
		return nil, 0, err
	}
	for i, x := range c.chans {
		if x.g.Name != part {
			continue
		}
		losses := make([]int, min(count(share, x.g.Size), x.g.Size-x.least))
		for j := range losses {
			losses[j] = i
		}
		keep := c.cutBy(losses)[i]
		if keep == x.g.Size {
			return nil, 0, nil
		}
		kept := slices.Clone(x.order[x.g.Size-keep:])
		slices.Sort(kept)
		return []graph.Rewrite{graph.CutAxis{Group: part, Keep: kept}}, 1 - float64(keep)/float64(x.g.Size), nil
	}
	return nil, 0, fmt.Errorf("prune: no group of channels named %q that the rule can cut%s", part, c.limits())
}
