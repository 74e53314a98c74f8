package prune

import (
	"hash/fnv"
	"math"
)

// score rates what goes together; the lowest goes first. Only the order of
// ratings counts. A new score is a new row of scores.
type score struct {
	Word
	// unit rates one unit of a mask pattern: of u's size elements, at is the
	// first and each further one lies l.k behind.
	unit func(s *Spec, l *layer, u, at, size int) float32
	// channel rates a channel from the sum of squares of the n weights that
	// produce it, divided by the mean over its group; see Cut.
	channel func(s *Spec, group string, j int, rms float64) float64
}

var scores = []score{
	{
		Word: Word{"magnitude", "small weights go first"},
		// The mean of |w|: for whole blocks the order of their L1 norms, and
		// fair to the last block row, whose blocks may be smaller.
		unit: func(_ *Spec, l *layer, _, at, size int) float32 {
			var sum float64
			for i := 0; i < size; i++ {
				if e := at + i*l.k; l.mask.Kept(e) {
					sum += math.Abs(float64(l.w[e]))
				}
			}
			return float32(sum / float64(size))
		},
		channel: func(_ *Spec, _ string, _ int, rms float64) float64 { return rms },
	},
	{
		Word: Word{"random", "any weight, by lot: the control that a good score must beat"},
		unit: func(s *Spec, l *layer, u, _, _ int) float32 {
			return lot(s.Seed, l.name, uint64(u))
		},
		channel: func(s *Spec, group string, j int, _ float64) float64 {
			return float64(lot(s.Seed, group, uint64(j)))
		},
	},
}

// scoreOf finds a row; Spec.Check has seen the name.
func scoreOf(name string) *score {
	for i := range scores {
		if scores[i].Name == name {
			return &scores[i]
		}
	}
	return nil
}

// lot draws element i of a layer's random order: a counter generator, so a lot
// depends on (seed, name, i) alone and masks grow nested. The 30 bits are used
// as the pattern of a float32 in [0, 2): not uniform, but all orders are
// equally likely, and with 2³⁰ values ties are rare.
func lot(seed uint64, name string, i uint64) float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	key := mix(mix(seed) ^ h.Sum64())
	return math.Float32frombits(uint32(mix(key+i*gamma) >> 34))
}

// gamma and mix are SplitMix64 (Steele, Lea & Flood 2014).
const gamma = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z += gamma
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
