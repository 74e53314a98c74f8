package prune

import (
	"fmt"

	"pare/core/graph"
	"pare/core/tensor"
)

// Controls lists the controls of a lottery ticket (Frankle & Carbin 2019): runs that a
// ticket must beat. They differ from it at the last level alone.
func Controls() []Word {
	return []Word{
		{"random-ticket", "as many zeros in each layer, but a random mask"},
		{"random-reinit", "the same mask, but other weights to start from"},
	}
}

// Scatter makes masks with as many zeros in each layer as r reports, chosen by lot among
// all weights: the mask of a random ticket. Weights may come back; m stays as it is.
func Scatter(m *graph.Model, s Spec, r Report) ([]graph.SetMask, Report, error) {
	s.Score, s.Evidence = "random", nil
	p := patternOf(s.Pattern)
	if p == nil {
		return nil, Report{}, fmt.Errorf("prune: pattern %s is no mask: there is no random ticket of it", s.Pattern)
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return nil, Report{}, err
	}
	zeros := map[string]int{}
	for _, x := range r.Layers {
		zeros[x.Name] = x.Zeros
	}
	var set []graph.SetMask
	for i := range ls {
		l := &ls[i]
		if l.skip || zeros[l.name] == 0 {
			continue
		}
		l.mask = nil
		mask := tensor.NewMask(l.n * l.k)
		xs := []units{rate(&s, l, p)}
		dropLowest(xs, zeros[l.name], func(_, u int) { xs[0].each(u, mask.Drop) })
		l.mask = mask
		set = append(set, graph.SetMask{Param: m.Params[l.param].Name, Mask: mask})
	}
	after := report(m, &s, r.Share, ls, NewBase(m))
	after.Rule = r.Rule + ", then a random ticket"
	return set, after, nil
}
