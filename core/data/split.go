package data

import (
	"fmt"
	"math"
)

// Shares taken when Options leave them 0.
const (
	defaultVal  = 0.10
	defaultTest = 0.20
)

// shares checks and completes Options.Val and Test.
func (o Options) shares() (val, test float64, err error) {
	val, test = o.Val, o.Test
	if val == 0 {
		val = defaultVal
	}
	if test == 0 {
		test = defaultTest
	}
	for _, s := range []struct {
		name  string
		share float64
	}{{"validation", val}, {"test", test}} {
		if !(s.share > 0 && s.share < 1) {
			return 0, 0, fmt.Errorf("%s share %v: choose a share between 0 and 1, such as 0.1", s.name, s.share)
		}
	}
	if val+test >= 1 {
		return 0, 0, fmt.Errorf("validation share %v and test share %v leave nothing to train on: choose smaller ones", val, test)
	}
	return val, test, nil
}

// Parts of a data set, as split hands them out.
const (
	inTrain = iota
	inVal
	inTest
)

// split deals samples out to training set and, where their shares are above 0,
// validation and test set:
// within each class by its own shuffle of seed, so the shares hold per class to
// within one sample (or as near as it gets with every class in every part). It
// returns the part of each sample. A class without samples is passed over; one
// with fewer samples than parts is an error that says which (class -1: none).
func split(labels []int32, classes int, val, test float64, seed uint64) (part []uint8, class int) {
	counts := make([]int, classes)
	for _, c := range labels {
		counts[c]++
	}
	parts := 1
	if val > 0 {
		parts++
	}
	if test > 0 {
		parts++
	}
	byClass := make([][]int32, classes)
	for c, n := range counts {
		if n > 0 && n < parts {
			return nil, c
		}
		byClass[c] = make([]int32, 0, n)
	}
	for i, c := range labels {
		byClass[c] = append(byClass[c], int32(i))
	}
	part = make([]uint8, len(labels))
	for c, ids := range byClass {
		n := len(ids)
		if n == 0 {
			continue
		}
		nv, nt := 0, 0
		if val > 0 {
			nv = share(n, val)
		}
		if test > 0 {
			nt = share(n, test)
		}
		// Rounding both up may take the last sample from training: the one
		// further above its share gives one back.
		for nv+nt >= n {
			if nv <= 1 || nt > 1 && float64(nt)-test*float64(n) >= float64(nv)-val*float64(n) {
				nt--
			} else {
				nv--
			}
		}
		for i, k := range shuffled(n, newRNG(seed, uint64(c)|splitStream)) {
			switch {
			case i < nt:
				part[ids[k]] = inTest
			case i < nt+nv:
				part[ids[k]] = inVal
			}
		}
	}
	return part, -1
}

// splitStream keeps the streams of split apart from those of Order.
const splitStream = 1 << 63

// share is s·n, rounded, but at least one and never all n.
func share(n int, s float64) int {
	return min(max(int(math.Round(s*float64(n))), 1), n-1)
}
