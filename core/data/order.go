package data

import "math/bits"

// Order returns the numbers 0 … n-1 shuffled for one epoch. The same (n, seed,
// epoch) give the same order on every machine and with every version of Go:
// the generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014), keyed by seed and epoch, the
// shuffle Fisher and Yates's. n is under 2^31; n < 1 gives an empty order.
func Order(n int, seed uint64, epoch int) []int32 {
	return shuffled(n, newRNG(seed, uint64(epoch)))
}

// shuffled returns 0 … n-1 in the order r draws.
func shuffled(n int, r rng) []int32 {
	p := make([]int32, max(n, 0))
	for i := range p {
		p[i] = int32(i)
	}
	for i := len(p) - 1; i > 0; i-- {
		j := r.below(uint64(i) + 1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// rng is SplitMix64. The zero value is a valid generator.
type rng struct{ x uint64 }

// newRNG is a generator for one of many independent streams of a seed.
func newRNG(seed, stream uint64) rng {
	return rng{mix64(seed) ^ mix64(^stream)}
}

// mix64 is SplitMix64's output function, a bijection.
func mix64(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *rng) next() uint64 {
	z := mix64(r.x)
	r.x += 0x9e3779b97f4a7c15
	return z
}

// below draws evenly from 0 … n-1, n ≥ 1 (Lemire, "Fast random integer
// generation in an interval", ACM TOMACS 29(1), 2019).
func (r *rng) below(n uint64) uint64 {
	hi, lo := bits.Mul64(r.next(), n)
	if lo < n {
		for t := -n % n; lo < t; {
			hi, lo = bits.Mul64(r.next(), n)
		}
	}
	return hi
}
