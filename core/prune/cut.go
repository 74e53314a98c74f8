package prune

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"

	"pare/core/graph"
)

// Base is the number of weights of each prunable layer, by name, before the
// first cut: the base of a structured share; and of the channels of each group, by its
// name behind "channels of ". Keep it with the run.
type Base map[string]int

const (
	channelsOf = "channels of "
	narrowest  = channelsOf + "the narrowest group" // no layer is called so
)

// NewBase takes the base from a model that is still whole.
func NewBase(m *graph.Model) Base {
	b := Base{}
	for _, l := range m.Layers() {
		b[l.Name] = m.Params[l.Param].Shape.Len()
	}
	groups, err := m.Groups()
	if err != nil { // Cut will say so
		return b
	}
	for _, g := range groups {
		if g.Refused != "" {
			continue
		}
		b[channelsOf+g.Name] = g.Size
		if n := b[narrowest]; !g.Heads && (n == 0 || g.Size < n) {
			b[narrowest] = g.Size
		}
	}
	return b
}

// Narrowest is how many channels the smallest group had that could be cut, groups of heads
// apart; 0 without any.
func (b Base) Narrowest() int { return b[narrowest] }

// Complete adds what a base of an earlier version lacks, from one of the same net.
func (b Base) Complete(from Base) {
	if n := from.Narrowest(); n > 0 && b != nil && b.Narrowest() == 0 {
		b[narrowest] = n
	}
}

// check refuses the base of another model.
func (b Base) check(ls []layer) error {
	for _, l := range ls {
		if n := b[l.name]; n < l.n*l.k {
			return fmt.Errorf("prune: layer %s has %d weights, but %d before the first cut: the base is of another model", l.name, l.n*l.k, n)
		}
	}
	return nil
}

// Cut works out which channels to cut out so that at least k = round(share·n)
// of the n weights in base are gone, counting every slice that goes with a
// channel: its producers, and the inputs of all layers that read it. It returns
// one CutAxis for each group of channels that shrinks; m stays as it is.
//
// A channel's score by magnitude is the root mean square of all weights that produce
// it, by gradients the mean of what they are worth (over every producer of its group: with a residual addition there are several),
// divided by the mean over its group, so that groups of different fan-in can be
// ranked together: the group importance of DepGraph (Fang et al. 2023,
// arXiv:2301.12900) over the producers. Of equal channels the lower index stays.
//
// With distribution layer every group loses the same fraction of the channels it had
// before the first cut, to within one channel, and groups of one size stay of one size,
// as formats need that hold one number for all layers (config.json of Hugging Face);
// with global the lowest-ranked channels of all groups go, with sensitivity those that
// cost the least accuracy by the groups' curves (Curve). In all cases the smallest cut
// that reaches k is found by bisection. Each
// group keeps at least one channel, or RoundTo, and a multiple of RoundTo unless
// it stays whole; of heads any number from one on.
//
// A skipped layer keeps all its own outputs and is not in the base, but may lose
// inputs. The model's input and output, and grouped convolutions, cannot be cut.
// The share counts weights cut out; the report also counts masks that an earlier
// rule left. With score random the weights need not be here: shapes are enough.
func Cut(m *graph.Model, s Spec, share float64, base Base) ([]graph.CutAxis, Report, error) {
	if err := s.Check(m); err != nil {
		return nil, Report{}, err
	}
	if err := checkShare(share); err != nil {
		return nil, Report{}, err
	}
	if !s.Structured() || s.Pattern == layerPattern {
		return nil, Report{}, fmt.Errorf("prune: pattern %s cuts no channels", s.Pattern)
	}
	c, err := newCutter(m, &s, base)
	if err != nil {
		return nil, Report{}, err
	}
	order, steps, err := c.order()
	if err != nil {
		return nil, Report{}, err
	}
	k := count(share, c.of)
	if most := c.gone(c.cutBy(order)); most < k {
		return nil, Report{}, fmt.Errorf("prune: target %g %%: at most %.1f %% of the weights can be cut out%s", 100*share, 100*float64(most)/float64(c.of), c.limits())
	}
	q := sort.Search(len(steps)-1, func(q int) bool { return c.gone(c.cutBy(order[:steps[q]])) >= k })
	keep := c.cutBy(order[:steps[q]])
	var cuts []graph.CutAxis
	var groups []GroupReport
	for i, x := range c.chans {
		if keep[i] == x.g.Size {
			continue
		}
		kept := slices.Clone(x.order[x.g.Size-keep[i]:])
		slices.Sort(kept)
		cuts = append(cuts, graph.CutAxis{Group: x.g.Name, Keep: kept})
		groups = append(groups, GroupReport{x.g.Name, x.g.Size, keep[i]})
	}
	after := m.Shallow()
	for i := range after.Params { // shapes and masks are what is counted
		after.Params[i].Data = nil
	}
	for _, x := range cuts {
		if _, err := x.Apply(after); err != nil {
			return nil, Report{}, fmt.Errorf("prune: %w", err)
		}
	}
	r, err := Survey(after, s, base)
	r.Share, r.Cuts = share, groups
	return cuts, r, err
}

// channels is a group that may be cut.
type channels struct {
	g     graph.Group
	score []float64
	order []int // channels, the first to go first
	least int   // channels that stay in any case
}

// axis ties one axis of a layer's weight to a group.
type axis struct{ layer, axis, group, block int }

type cutter struct {
	m       *graph.Model
	s       *Spec
	ls      []layer
	chans   []channels
	axes    []axis
	refused []string
	base    Base
	of      int // Σ base of layers not skipped
}

func newCutter(m *graph.Model, s *Spec, base Base) (*cutter, error) {
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, err
	}
	if err := base.check(ls); err != nil {
		return nil, err
	}
	c := &cutter{m: m, s: s, ls: ls, base: base}
	byParam := map[int]int{}
	for i := range ls {
		if !ls[i].skip {
			c.of += base[ls[i].name]
		}
		byParam[ls[i].param] = i
	}
	wrong := make([]error, len(ls))
	beside(len(ls), func(i int) {
		if wrong[i] = ls[i].bring(s); s.Score != "random" || len(ls[i].w) > 0 { // a draw needs no weights
			wrong[i] = errors.Join(ls[i].checkWeights(), wrong[i])
		}
	})
	for _, err := range wrong {
		if err != nil {
			return nil, err
		}
	}
	groups, err := m.Groups()
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	for _, g := range groups {
		why := g.Refused
		for _, x := range g.Slices {
			if i, ok := byParam[x.Param]; ok && x.Axis == 0 && ls[i].skip && why == "" {
				why = ls[i].name + " is skipped"
			}
		}
		if why == "" && !s.cuts(g.Heads) {
			why = "pattern " + s.Pattern + " leaves it whole"
		}
		if why != "" {
			if g.Name != "input" {
				c.refused = append(c.refused, g.Name+": "+why)
			}
			continue
		}
		gi := len(c.chans)
		c.chans = append(c.chans, channels{g: g})
		for _, x := range g.Slices {
			if i, ok := byParam[x.Param]; ok {
				c.axes = append(c.axes, axis{i, x.Axis, gi, x.Block})
			}
		}
	}
	beside(len(c.chans), func(i int) { c.chans[i] = c.channels(c.chans[i].g, byParam) })
	return c, nil
}

// beside calls f(0) … f(n − 1), each as soon as a processor is free for it.
func beside(n int, f func(i int)) {
	var wait sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		turn <- struct{}{}
		wait.Go(func() { f(i); <-turn })
	}
	wait.Wait()
}

// channels scores a group; byParam finds the layer of a weight.
func (c *cutter) channels(g graph.Group, byParam map[int]int) channels {
	sc := scoreOf(c.s.Score)
	weigh, worth := sc.weights()
	x := channels{g: g, score: make([]float64, g.Size), order: make([]int, g.Size), least: min(g.Size, max(1, c.s.RoundTo))}
	if g.Heads {
		x.least = 1
	}
	n := 0
	for _, s := range g.Slices {
		p := c.m.Params[s.Param]
		if s.Axis != 0 || p.Role != graph.Weight {
			continue
		}
		row := p.Shape[1:].Len() * s.Block // weights of one channel
		n += row
		l, at := &c.ls[byParam[s.Param]], p.Shape[1:].Len()*s.Offset
		if len(l.w) == 0 {
			continue
		}
		for i := range row * g.Size {
			x.score[i/row] += weigh(l, at+i)
		}
	}
	mean := 0.0
	for j := range x.score {
		x.score[j] = worth(x.score[j], max(n, 1))
		mean += x.score[j] / float64(g.Size)
	}
	for j := range x.score {
		if mean > 0 {
			x.score[j] /= mean
		}
		x.score[j] = sc.channel(c.s, g.Name, j, x.score[j])
		x.order[j] = j
	}
	sort.Slice(x.order, func(a, b int) bool {
		i, j := x.order[a], x.order[b]
		return x.score[i] < x.score[j] || x.score[i] == x.score[j] && i > j
	})
	return x
}

// order lists groups in the order in which they lose a channel each, and the numbers of
// losses at which a cut may stop.
func (c *cutter) order() (losses, steps []int, err error) {
	var costs [][]float64
	if c.s.Distribution == "sensitivity" {
		if costs, err = c.sensitivities(); err != nil {
			return nil, nil, err
		}
	}
	type event struct {
		group, nth int
		at         float64
	}
	var es []event
	for i, x := range c.chans {
		for j := 0; j < x.g.Size-x.least; j++ {
			at := x.score[x.order[j]]
			if c.s.Distribution == "layer" {
				whole := max(c.base[channelsOf+x.g.Name], x.g.Size)
				at = float64(whole-x.g.Size+j+1) / float64(whole)
			}
			if costs != nil {
				at = costs[i][j]
			}
			es = append(es, event{i, j, at})
		}
	}
	sort.Slice(es, func(a, b int) bool {
		x, y := es[a], es[b]
		switch {
		case x.at != y.at:
			return x.at < y.at
		case c.chans[x.group].g.Size != c.chans[y.group].g.Size:
			return c.chans[x.group].g.Size < c.chans[y.group].g.Size
		case x.group != y.group:
			return x.group > y.group
		}
		return x.nth < y.nth
	})
	for i, e := range es {
		if i == 0 || c.s.Distribution != "layer" || e.at != es[i-1].at || c.chans[e.group].g.Size != c.chans[es[i-1].group].g.Size {
			steps = append(steps, i)
		}
		losses = append(losses, e.group)
	}
	return losses, append(steps, len(es)), nil
}

// cutBy is the number of channels each group keeps after the given losses,
// rounded up to RoundTo.
func (c *cutter) cutBy(losses []int) []int {
	keep := make([]int, len(c.chans))
	for i, x := range c.chans {
		keep[i] = x.g.Size
	}
	for _, g := range losses {
		keep[g]--
	}
	if r := c.s.RoundTo; r > 1 {
		for i, x := range c.chans {
			if !x.g.Heads {
				keep[i] = min(x.g.Size, (keep[i]+r-1)/r*r)
			}
		}
	}
	return keep
}

// left is the number of weights of each layer when group g keeps keep[g]
// channels.
func (c *cutter) left(keep []int) []int {
	shapes := make([][]int, len(c.ls))
	for i, l := range c.ls {
		shapes[i] = slices.Clone(c.m.Params[l.param].Shape)
	}
	for _, a := range c.axes { // an axis may have several blocks a channel
		shapes[a.layer][a.axis] = 0
	}
	for _, a := range c.axes {
		shapes[a.layer][a.axis] += keep[a.group] * a.block
	}
	left := make([]int, len(c.ls))
	for i, s := range shapes {
		left[i] = 1
		for _, d := range s {
			left[i] *= d
		}
	}
	return left
}

// gone is the number of weights of the base that are gone then.
func (c *cutter) gone(keep []int) int {
	n := 0
	for i, x := range c.left(keep) {
		if !c.ls[i].skip {
			n += c.base[c.ls[i].name] - x
		}
	}
	return n
}

// limits says in words what stands in the way of a larger cut.
func (c *cutter) limits() string {
	var why []string
	if c.s.RoundTo > 1 {
		why = append(why, fmt.Sprintf("each group keeps at least %d channels", c.s.RoundTo))
	} else if len(c.chans) > 0 {
		why = append(why, "each group keeps a channel")
	}
	why = append(why, c.refused...)
	if len(why) == 0 {
		return ""
	}
	return " (" + strings.Join(why, "; ") + ")"
}
