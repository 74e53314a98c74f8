package tokenizer

import (
	"fmt"
	"slices"
)

// behavior is what becomes of the places a pattern matches when a text is cut.
type behavior uint8

const (
	removed            behavior = iota // left out
	isolated                           // a piece each
	mergedWithPrevious                 // added to the piece before
	mergedWithNext                     // added to the piece after
	contiguous                         // a piece for all that follow each other
)

func newBehavior(section, name string) (behavior, error) {
	switch name {
	case "Removed":
		return removed, nil
	case "Isolated":
		return isolated, nil
	case "MergedWithPrevious":
		return mergedWithPrevious, nil
	case "MergedWithNext":
		return mergedWithNext, nil
	case "Contiguous":
		return contiguous, nil
	}
	return 0, fmt.Errorf("%s: behavior %q is not supported", section, name)
}

// cut cuts where f matches, or with invert where it does not.
func cut(f find, b behavior, invert bool) preTokenizer {
	return func(p *splits) error {
		var parts []part
		return p.split(func(t text, out []piece) ([]piece, error) {
			parts = parts[:0]
			done := 0
			err := f(t.s, func(from, to int) {
				if done < from {
					parts = append(parts, part{done, from, invert})
				}
				parts = append(parts, part{from, to, !invert})
				done = to
			})
			if err != nil {
				return nil, err
			}
			if done < len(t.s) {
				parts = append(parts, part{done, len(t.s), invert})
			}
			return b.apply(parts, out), nil
		})
	}
}

// part is a stretch of text that a pattern matches, or one between.
type part struct {
	from, to int
	match    bool
}

// apply appends the pieces that parts, which cover a text, make.
func (b behavior) apply(parts []part, out []piece) []piece {
	first := len(out)
	before := false // whether the part before was a match
	switch b {
	case removed, isolated:
		for _, p := range parts {
			if b == isolated || !p.match {
				out = append(out, piece{p.from, p.to, -1})
			}
		}
	case mergedWithPrevious:
		for _, p := range parts {
			if p.match && !before && len(out) > first {
				out[len(out)-1].to = p.to
			} else {
				out = append(out, piece{p.from, p.to, -1})
			}
			before = p.match
		}
	case mergedWithNext:
		for _, p := range slices.Backward(parts) {
			if p.match && !before && len(out) > first {
				out[len(out)-1].from = p.from
			} else {
				out = append(out, piece{p.from, p.to, -1})
			}
			before = p.match
		}
		slices.Reverse(out[first:])
	case contiguous:
		for _, p := range parts {
			if p.match == before && len(out) > first {
				out[len(out)-1].to = p.to
			} else {
				out = append(out, piece{p.from, p.to, -1})
			}
			before = p.match
		}
	}
	return out
}
