package device

import (
	"math/rand/v2"
	"testing"

	"pare/core/tensor"
)

// TestStored counts blocks one element at a time and sets the count of words beside it,
// for widths that fill no words and heights that fill no blocks.
func TestStored(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n, k := 1+r.IntN(40), 1+r.IntN(200)
		m := tensor.NewMask(n * k)
		for i := range n * k {
			if r.IntN(10) > 0 {
				m.Drop(i)
			}
		}
		for _, f := range tensor.Blocks {
			w := Weight{Shape: tensor.Shape{n, k}, Mask: m, Format: f}
			values, blocks, high := 0, 0, f.Height()
			for nb := 0; nb < n; nb += high {
				for j := range k {
					for i := nb; i < min(nb+high, n); i++ {
						if m.Kept(i*k + j) {
							values, blocks = values+min(high, n-nb), blocks+1
							break
						}
					}
				}
			}
			if w.Stored() != values || storedBlocks(w) != blocks {
				t.Fatalf("%d×%d in %v: %d values in %d blocks, want %d in %d", n, k, f, w.Stored(), storedBlocks(w), values, blocks)
			}
		}
	}
}
