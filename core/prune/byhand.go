package prune

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pare/core/graph"
)

// Shares by hand: a person says of some layers how many zeros they have at the target,
// and the distribution spreads over the others what is missing. Below the target a layer
// has its share in proportion; above it, where the target was raised, what it keeps
// shrinks as what the whole keeps. So the others can always make up for it.

// reached is how many of n weights have gone at a share of zeros of the whole, of which
// goes go at the target: never fewer at a larger share.
func (s *Spec) reached(goes, n int, share float64) int {
	if share <= s.Target {
		return count(share/s.Target, goes)
	}
	return n - count((1-share)/(1-s.Target), n-goes)
}

// byHand splits layers into those with a share by hand, with how many weights each of
// them loses, and the others, of which left go together. At the target k = round(s·n) of
// all go; on the way there the two are rounded by themselves.
func (s *Spec) byHand(xs []units, share float64) (hand []units, goes []int, rest []units, left int) {
	all, others := 0, 0
	for _, x := range xs {
		n := x.l.n * x.l.k
		all += n
		h, ok := s.ByHand[x.l.name]
		if !ok {
			rest, others = append(rest, x), others+n
			continue
		}
		k := count(h, n)
		hand, goes, left = append(hand, x), append(goes, s.reached(k, n, share)), left-k
	}
	left += count(s.Target, all)
	return hand, goes, rest, s.reached(max(left, 0), others, share)
}

// checkByHand tells whether shares by hand go with the rule, the model and the target.
func (s Spec) checkByHand(m *graph.Model) error {
	switch {
	case len(s.ByHand) == 0:
		return nil
	case s.Structured():
		return fmt.Errorf("prune: shares by hand are for patterns that mask: with pattern %s leave layers out by skip", s.Pattern)
	case twoFour(s.Pattern):
		return fmt.Errorf("prune: shares by hand: pattern %s takes half of every layer: leave layers out by skip", s.Pattern)
	case s.Score == "movement-soft":
		return errors.New("prune: shares by hand: score movement-soft has one threshold over all layers: choose movement")
	case !(s.Target > 0 && s.Target < 1):
		return fmt.Errorf("prune: shares by hand: target %g: give the share of all weights that go, above 0 and below 1", s.Target)
	}
	ls, err := layersOf(m, s.Skip)
	if err != nil {
		return err
	}
	left := maps.Clone(s.ByHand)
	all, gone, rest := 0, 0, 0
	for _, l := range ls {
		h, ok := left[l.name]
		delete(left, l.name)
		switch {
		case l.skip && ok:
			return fmt.Errorf("prune: layer %s has a share by hand and is in skip: leave one of the two out", l.name)
		case l.skip:
			continue
		case ok && !(h >= 0 && h < 1):
			return fmt.Errorf("prune: layer %s: share %g by hand: give at least 0 and below 1 (0.9 = 90 %%)", l.name, h)
		case ok:
			gone += count(h, l.n*l.k)
		default:
			rest += l.n * l.k
		}
		all += l.n * l.k
	}
	if len(left) > 0 {
		names := make([]string, len(ls))
		for i, l := range ls {
			names[i] = l.name
		}
		return fmt.Errorf("prune: no layer named %q to give a share by hand; %s has %s", slices.Min(slices.Collect(maps.Keys(left))), m.Name, strings.Join(names, ", "))
	}
	k := count(s.Target, all)
	least, most := float64(gone)/float64(all), float64(gone+rest)/float64(all)
	switch {
	case rest == 0 && max(k-gone, gone-k)*2000 > all:
		return fmt.Errorf("prune: every layer has its share by hand, together %.2f %% zeros: set the target to %.4f, not %g, or leave a layer to the others", 100*least, least, s.Target)
	case k < gone && rest > 0:
		return fmt.Errorf("prune: the shares by hand alone make %.2f %% zeros: set the target above that, not to %g, or lower them", 100*least, s.Target)
	case k >= gone+rest && rest > 0:
		return fmt.Errorf("prune: with these shares by hand the other layers would lose everything: set the target below %.4f, not to %g, or raise them", most, s.Target)
	}
	return nil
}

// HandWords are the shares by hand for people, in the order of names.
func (s *Spec) HandWords() string {
	var l []string
	for _, name := range slices.Sorted(maps.Keys(s.ByHand)) {
		l = append(l, fmt.Sprintf("%s %.4g %%", name, 100*s.ByHand[name]))
	}
	return strings.Join(l, ", ")
}
