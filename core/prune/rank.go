package prune

import "math"

// key maps a rating to an integer of the same order; −0 and +0 are equal.
func key(s float32) uint32 {
	b := math.Float32bits(s + 0)
	if b>>31 == 1 {
		return ^b
	}
	return b | 1<<31
}

// dropLowest calls drop(layer, unit) for the lowest-rated units that are not
// gone yet, until at least need of their elements are: units in ascending order
// of their rating, of equal ones the highest index first, and it stops at the
// first unit that reaches need. With units of one element that is exactly need;
// with larger ones at most the size of a unit less one too many.
//
// It finds the threshold digit by digit, with a histogram of eight bits of the
// key each, instead of a sort: linear in the number of units.
func dropLowest(xs []units, need int, drop func(layer, unit int)) {
	if need <= 0 {
		return
	}
	limit, known := uint32(0), uint32(0) // the threshold and which of its bits are known
	for shift := 24; shift >= 0; shift -= 8 {
		var elements [256]int
		for i := range xs {
			for u, s := range xs[i].score {
				if k := key(s); k&known == limit {
					elements[k>>shift&255] += int(xs[i].kept[u])
				}
			}
		}
		b := 0
		for b < 255 && elements[b] < need {
			need -= elements[b]
			b++
		}
		limit |= uint32(b) << shift
		known |= 255 << shift
	}
	for i := len(xs) - 1; i >= 0; i-- {
		for u := len(xs[i].score) - 1; u >= 0; u-- {
			n := int(xs[i].kept[u])
			if n == 0 {
				continue
			}
			switch k := key(xs[i].score[u]); {
			case k < limit:
				drop(i, u)
			case k == limit && need > 0:
				drop(i, u)
				need -= n
			}
		}
	}
}
