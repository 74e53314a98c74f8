package cpu

import (
	"math/rand/v2"
	"testing"
)

// TestMaskRows: whatever part of a tensor is masked, elements without a bit become
// zero, NaN or not, and the others stay.
func TestMaskRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const n = 16*maxRows + 75
		keep := newBits(n)
		kept := make([]bool, n)
		for i := range kept {
			if kept[i] = r.IntN(3) > 0; kept[i] {
				keep[i/T] |= 1 << (i % T)
			}
		}
		for _, c := range [][2]int{{0, n}, {0, 16}, {16, 48}, {3, 5}, {3, 16}, {4, 20}, {12, 77}, {15, 17}, {7, 7}, {32, 47}, {n - 3, n}} {
			g := newGuarded(t, "g", c[1]-c[0], 1).random(r)
			if len(g.x) > 1 {
				g.x[1] = nan
			}
			was := g.copy()
			maskRows(g.x, keep, c[0])
			for i, v := range g.x {
				switch want := was[i]; {
				case !kept[c[0]+i] && v != 0:
					t.Fatalf("%v: masked element %d is %g", c, c[0]+i, v)
				case kept[c[0]+i] && v != want && want == want:
					t.Fatalf("%v: element %d is %g, was %g", c, c[0]+i, v, want)
				}
			}
		}
	})
}
