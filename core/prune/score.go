package prune

import (
	"hash/fnv"
	"math"
)

// score rates what goes together; the lowest goes first. Only the order of
// ratings counts. A new score is a new row of scores.
type score struct {
	Word
	gradients bool // needs Evidence
	learned   bool // needs Evidence.Scores, and may give weights back
	// unit rates one unit of a mask pattern: of u's size elements, at is the
	// first and each further one lies l.k behind.
	unit func(s *Spec, l *layer, u, at, size int) float32
	// channel rates a channel from its worth divided by the mean over its group; see
	// Cut.
	channel func(s *Spec, group string, j int, worth float64) float64
	// weigh is what weight i of a layer adds to the worth of its channel, and worth
	// makes that of a sum over n weights. Nil: the root mean square.
	weigh func(l *layer, i int) float64
	worth func(sum float64, n int) float64
}

var scores = []score{
	{
		Word: Word{"magnitude", "small weights go first"},
		// The mean of |w|: for whole blocks the order of their L1 norms, and
		// fair to the last block row, whose blocks may be smaller.
		unit: func(_ *Spec, l *layer, _, at, size int) float32 {
			return l.mean(at, size, func(e int) float64 { return math.Abs(float64(l.w[e])) })
		},
		channel: func(_ *Spec, _ string, _ int, rms float64) float64 { return rms },
	},
	{
		Word:      Word{"snip", "weights whose loss would hardly change if they were scaled go first (SNIP)"},
		gradients: true,
		// Connection sensitivity: Σ over batches |w·∂L/∂w|. Lee et al. 2019
		// (arXiv:1810.02340).
		unit: func(_ *Spec, l *layer, _, at, size int) float32 {
			return l.mean(at, size, func(e int) float64 { return math.Abs(float64(l.w[e])) * float64(l.abs[e]) })
		},
		weigh:   func(l *layer, i int) float64 { return math.Abs(float64(l.w[i])) * float64(l.abs[i]) },
		worth:   func(sum float64, n int) float64 { return sum / float64(n) },
		channel: func(_ *Spec, _ string, _ int, worth float64) float64 { return worth },
	},
	{
		Word:      Word{"taylor", "what the loss would change by if they were gone, to first order, goes by size"},
		gradients: true,
		// |Σ w·∂L/∂w| over what goes together and over the batches: Molchanov et al.
		// 2019 (arXiv:1906.10771), of groups as in LLM-Pruner (arXiv:2305.11627).
		unit: func(_ *Spec, l *layer, _, at, size int) float32 {
			return float32(math.Abs(float64(l.mean(at, size, func(e int) float64 { return float64(l.w[e]) * float64(l.sum[e]) }))))
		},
		weigh:   func(l *layer, i int) float64 { return float64(l.w[i]) * float64(l.sum[i]) },
		worth:   func(sum float64, n int) float64 { return math.Abs(sum) / float64(n) },
		channel: func(_ *Spec, _ string, _ int, worth float64) float64 { return worth },
	},
	{
		Word:    Word{"movement", "weights that training moves towards zero go first, and may come back"},
		learned: true, unit: moved,
	},
	{
		Word:    Word{"movement-soft", "movement with a penalty on every score, so that layers compete"},
		learned: true, unit: moved,
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

// mean is that of f over the elements of a unit that are not masked, masked ones
// counted as 0: fair to the last block row, whose blocks may be smaller.
func (l *layer) mean(at, size int, f func(e int) float64) float32 {
	sum := 0.0
	for i := range size {
		if e := at + i*l.k; l.mask.Kept(e) {
			sum += f(e)
		}
	}
	return float32(sum / float64(size))
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
