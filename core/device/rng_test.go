package device

import (
	"math"
	"math/bits"
	"testing"
)

// The generator is part of what "equal bits" promises: a resumed session must
// draw the masks it would have drawn.
func TestDropoutBitsFixed(t *testing.T) {
	// SplitMix64 from state 0, as published with the algorithm: the first three
	// outputs. DropoutAt walks the same sequence and keeps the upper halves.
	for i, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f} {
		if got := DropoutAt(0, 0, i+1); got != uint32(want>>32) {
			t.Errorf("DropoutAt(0, 0, %d) = %#x, want %#x", i+1, got, want>>32)
		}
	}
	if got := DropoutBits(1, 2, 3, 4, 5); got != 0x15c8ad58 {
		t.Errorf("DropoutBits(1, 2, 3, 4, 5) = %#x: masks of earlier sessions are no longer drawn", got)
	}
}

func TestDropoutBitsUniform(t *testing.T) {
	const n, cells = 1 << 16, 64
	for _, walk := range []struct {
		name string
		bits func(i int) uint32
	}{
		{"elements", func(i int) uint32 { return DropoutBits(1, 2, 3, 4, i) }},
		{"samples", func(i int) uint32 { return DropoutBits(1, 2, 3, i, 4) }},
		{"steps", func(i int) uint32 { return DropoutBits(1, 2, int64(i), 3, 4) }},
		{"seeds", func(i int) uint32 { return DropoutBits(uint64(i), 1, 2, 3, 4) }},
		{"keys", func(i int) uint32 { return DropoutBits(1, uint64(i), 2, 3, 4) }},
	} {
		var count [cells]float64
		var ones [32]float64
		flips, prev := 0.0, walk.bits(0)
		for i := range n {
			b := walk.bits(i)
			count[b>>26]++
			for k := range ones {
				ones[k] += float64(b >> k & 1)
			}
			flips += float64(bits.OnesCount32(b ^ prev))
			prev = b
		}
		chi := 0.0
		for _, c := range count {
			chi += (c - n/cells) * (c - n/cells) / (n / cells)
		}
		if chi < 25 || chi > 130 { // 63 degrees of freedom: 63 ± 11
			t.Errorf("%s: χ² = %.1f over %d cells", walk.name, chi, cells)
		}
		for k, c := range ones {
			if math.Abs(c-n/2) > 5*math.Sqrt(n)/2 {
				t.Errorf("%s: bit %d is set %.0f times of %d", walk.name, k, c, n)
			}
		}
		// Neighbours are independent: 16 of 32 bits differ.
		if math.Abs(flips/n-16) > 5*math.Sqrt(8.0/n) {
			t.Errorf("%s: neighbours differ in %.3f bits, want 16", walk.name, flips/n)
		}
	}
}

func TestDropoutLimit(t *testing.T) {
	for _, c := range []struct {
		p    float32
		want uint32
	}{{0, 0}, {0.5, 1 << 31}, {0.25, 1 << 30}, {1e-12, 1}, {1 - 1.0/(1<<24), 1<<32 - 1<<8}} {
		if got := DropoutLimit(c.p); got != c.want {
			t.Errorf("DropoutLimit(%g) = %d, want %d", c.p, got, c.want)
		}
	}
}
