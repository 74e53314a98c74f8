package device

import "math"

// Dropout draws its masks from a counter, not from a stream: the bits of one
// element depend on the plan's seed, the node's name, the step, the row of the
// sample in the batch and the element alone. So every device, tile size and
// number of threads draws the same mask, backward can draw it again instead of
// keeping it, and cutting one layer does not reshuffle the dropout of another.
//
// The generator is SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
// Number Generators, OOPSLA 2014) used as a hash: (seed, key, step) choose where
// a sequence starts, (sample, element) is the position in it.

// gamma is SplitMix64's increment, 2^64 divided by the golden ratio, odd.
const gamma uint64 = 0x9e3779b97f4a7c15

// mix64 is SplitMix64's finaliser (variant 13 of Stafford): every input bit
// changes every output bit with probability about one half.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// DropoutStream is the part of DropoutBits that is the same for a whole call:
// compute it once, then call DropoutAt for each element.
func DropoutStream(seed, key uint64, step int64) uint64 {
	h := mix64(seed + gamma)
	h = mix64((h ^ key) + gamma)
	return mix64((h ^ uint64(step)) + gamma)
}

// DropoutAt returns 32 uniform bits for one element of one sample. sample is
// the position in the batch (not in the tile), element the index of the value
// in the order [H][W][C], whatever tile the device works on. Both are below
// 2^32.
func DropoutAt(stream uint64, sample, element int) uint32 {
	return uint32(mix64(stream+gamma*(uint64(sample)<<32|uint64(uint32(element)))) >> 32)
}

// DropoutBits is DropoutAt(DropoutStream(seed, key, step), sample, element).
// The element is kept when the bits are at least DropoutLimit(p).
func DropoutBits(seed, key uint64, step int64, sample, element int) uint32 {
	return DropoutAt(DropoutStream(seed, key, step), sample, element)
}

// DropoutLimit is ⌈p·2^32⌉, for 0 ≤ p < 1: bits below it are dropped, which
// happens with probability p.
func DropoutLimit(p float32) uint32 {
	return uint32(math.Ceil(float64(p) * (1 << 32)))
}
