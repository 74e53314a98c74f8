package prune

import (
	"errors"
	"fmt"

	"pare/core/graph"
	"pare/core/tensor"
)

// Masks works out the masks that bring the model to the given share of zeros:
// one SetMask for each layer whose mask changes. m itself stays as it is; its
// parameters must hold their values (Data) and the masks in force (Mask).
//
// With distribution layer each layer loses k = round(share·n) of its own n
// weights, with global the whole loses k of all, with erk each layer a share that
// follows from its shape (ERK), k of all together, with sensitivity what its curve says,
// k of all together (Curve). Already masked weights count
// first; if more than k are masked, nothing more goes.
//
// Zeros are exactly k for element. For blocks whole blocks go until zeros
// reach k, so with up to 4 weights a block they are k to k+3 (of each layer, or
// of the whole).
//
// 2:4 is complete at a share of half. Scores that give weights back choose among all
// weights, whatever is masked now; the others among what is left.
//
// Skipped layers are not touched and not in the base. Layers with a share by hand
// (Spec.ByHand) lose that, the others what is then missing, spread as said above.
func Masks(m *graph.Model, s Spec, share float64) ([]graph.SetMask, Report, error) {
	if err := s.Check(m); err != nil {
		return nil, Report{}, err
	}
	if err := checkShare(share); err != nil {
		return nil, Report{}, err
	}
	p := patternOf(s.Pattern)
	if p == nil {
		return nil, Report{}, fmt.Errorf("prune: pattern %s is no mask: it cuts channels out for good", s.Pattern)
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, Report{}, err
	}
	var xs []units
	zeros, all := 0, 0
	for i := range ls {
		l := &ls[i]
		if l.skip {
			continue
		}
		if err := errors.Join(l.checkWeights(), l.bring(&s)); err != nil {
			return nil, Report{}, err
		}
		if scoreOf(s.Score).learned {
			l.mask = nil
		}
		xs = append(xs, rate(&s, l, p))
		zeros += l.mask.Zeros()
		all += l.n * l.k
	}
	masks := map[int]*tensor.Mask{} // by parameter: those that change
	drop := func(x *units, u int) {
		mask := masks[x.l.param]
		if mask == nil {
			if mask = x.l.mask.Clone(); mask == nil {
				mask = tensor.NewMask(x.l.n * x.l.k)
			}
			masks[x.l.param] = mask
		}
		x.each(u, mask.Drop)
	}
	each := func(xs []units, goes []int) {
		for i := range xs {
			x := &xs[i]
			dropLowest(xs[i:i+1], goes[i]-x.l.mask.Zeros(), func(_, u int) { drop(x, u) })
		}
	}
	k, part := count(share, all), share
	if len(s.ByHand) > 0 {
		hand, goes, rest, left := s.byHand(xs, share)
		each(hand, goes)
		for _, x := range hand {
			zeros, all = zeros-x.l.mask.Zeros(), all-x.l.n*x.l.k
		}
		xs, k, part = rest, left, float64(left)/float64(max(all, 1))
	}
	switch s.Distribution {
	case "global":
		dropLowest(xs, k-zeros, func(i, u int) { drop(&xs[i], u) })
	case "sensitivity":
		goes, err := bySensitivity(&s, xs, part)
		if err != nil {
			return nil, Report{}, err
		}
		each(xs, goes)
	default:
		each(xs, counts(m, s.Distribution, xs, part))
	}
	var set []graph.SetMask
	for i := range ls {
		mask := masks[ls[i].param]
		was := m.Params[ls[i].param].Mask
		if mask != nil && !mask.Equal(was) {
			set = append(set, graph.SetMask{Param: m.Params[ls[i].param].Name, Mask: mask})
		}
		if mask != nil {
			ls[i].mask = mask
		} else if was != nil && ls[i].mask == nil { // every weight came back
			set = append(set, graph.SetMask{Param: m.Params[ls[i].param].Name, Mask: tensor.NewMask(was.N)})
		}
	}
	return set, report(m, &s, share, ls, NewBase(m)), nil
}

// Step is Masks, Cut or Drop, whichever the rule asks for. base is only needed by a
// structured rule.
func Step(m *graph.Model, s Spec, share float64, base Base) ([]graph.Rewrite, Report, error) {
	var rs []graph.Rewrite
	if s.Pattern == layerPattern {
		drops, r, err := Drop(m, s, share, base)
		for _, d := range drops {
			rs = append(rs, d)
		}
		return rs, r, err
	}
	if s.Structured() {
		cuts, r, err := Cut(m, s, share, base)
		for _, c := range cuts {
			rs = append(rs, c)
		}
		return rs, r, err
	}
	set, r, err := Masks(m, s, share)
	for _, c := range set {
		rs = append(rs, c)
	}
	return rs, r, err
}
