package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// of is what the kernels compute.
func (d divisor) of(n int) int {
	if d.d == 1 {
		return n
	}
	return int(uint64(n) * uint64(d.mul) >> 32 >> d.shift)
}

// TestDivision: at multiples of the divisor, beside them and at the ends.
func TestDivision(t *testing.T) {
	const most = 1<<31 - 1
	r := rand.New(rand.NewPCG(5, 6))
	divisors := []int{most, most - 1, 1 << 30, 1<<30 + 1, 1<<30 - 1, 641, 6700417, 65535, 65536, 65537}
	for d := range 3000 {
		divisors = append(divisors, d+1, r.IntN(most)+1)
	}
	for _, d := range divisors {
		q := divideBy(d)
		for range 300 {
			n := r.IntN(most/d+1) * d
			for _, n := range []int{n - 1, n, n + 1, r.IntN(most), most, most - 1, 0} {
				if n >= 0 && n <= most && q.of(n) != n/d {
					t.Fatalf("%d/%d is %d, not %d", n, d, q.of(n), n/d)
				}
			}
		}
	}
}

// TestPhases: each pixel is in one phase, and its taps there are those that see it, at the
// pixels of y that they see it from.
func TestPhases(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	type visit struct{ ky, kx, oy, ox int }
	for range 400 {
		g := win(1+r.IntN(6), 1+r.IntN(6), 1+r.IntN(5), 1+r.IntN(5), r.IntN(4), r.IntN(4), r.IntN(4), r.IntN(4))
		h, w := g.KH+r.IntN(9), g.KW+r.IntN(9)
		oh, ow := g.Out(h, w)
		want := map[[2]int]map[visit]bool{}
		for y := range h {
			for x := range w {
				want[[2]int{y, x}] = map[visit]bool{}
			}
		}
		for oy := range oh {
			for ox := range ow {
				for ky := range g.KH {
					for kx := range g.KW {
						if at := want[[2]int{oy*g.SH - g.PT + ky, ox*g.SW - g.PL + kx}]; at != nil {
							at[visit{ky, kx, oy, ox}] = true
						}
					}
				}
			}
		}
		name := fmt.Sprintf("%v of %d×%d", g, h, w)
		for _, p := range phasesOf(&g, value{Val: device.Val{C: 1, H: h, W: w}}) {
			for m := range int(p.height * p.width) {
				i, j := p.w.of(m)+int(p.u), m%int(p.width)+int(p.v)
				at := [2]int{g.SH*i + int(p.ry) - g.PT, g.SW*j + int(p.rx) - g.PL}
				seen, ok := want[at]
				if !ok {
					t.Fatalf("%s: pixel %v is no pixel or in two phases", name, at)
				}
				for tap := range int(p.taps) {
					a := p.tap.of(tap)
					b := tap - a*int(p.across)
					v := visit{a*g.SH + int(p.ry), b*g.SW + int(p.rx), i - a, j - b}
					if v.ky >= g.KH || v.kx >= g.KW {
						t.Fatalf("%s: phase %d,%d has tap %d,%d", name, p.ry, p.rx, v.ky, v.kx)
					}
					if v.oy < 0 || v.ox < 0 || v.oy >= oh || v.ox >= ow {
						continue
					}
					if !seen[v] {
						t.Fatalf("%s: pixel %v is not seen by %v", name, at, v)
					}
					delete(seen, v)
				}
				if len(seen) > 0 {
					t.Fatalf("%s: pixel %v misses %v", name, at, seen)
				}
				delete(want, at)
			}
		}
		if len(want) > 0 {
			t.Fatalf("%s: %d pixels are in no phase", name, len(want))
		}
	}
}

// TestOperands: copies are as long as channels and address allow, and channels are filled up
// where that is under 8 bytes.
func TestOperands(t *testing.T) {
	for _, c := range []struct {
		at         cu.Ptr
		n          int
		elem       cu.Type
		take, wide int
		copied     bool
	}{
		{256, 64, cu.BF16, 8, 64, false}, {256, 64, cu.F32, 4, 64, false}, {256, 12, cu.BF16, 8, 16, true}, {256, 12, cu.F32, 4, 12, false},
		{256, 6, cu.BF16, 8, 8, true}, {256, 6, cu.F32, 4, 8, true}, {256, 3, cu.BF16, 4, 4, true}, {256, 3, cu.F32, 4, 4, true},
		{256, 4, cu.BF16, 4, 4, false}, {264, 4, cu.BF16, 4, 4, false}, {256, 2, cu.F32, 2, 2, false}, {256, 1, cu.F32, 2, 2, true}, {256, 1, cu.BF16, 4, 4, true},
		{258, 64, cu.BF16, 8, 64, true}, {264, 64, cu.BF16, 8, 64, true}, {260, 4, cu.BF16, 4, 4, true}, {260, 64, cu.F32, 4, 64, true},
	} {
		o := operandOf(c.at, 5, c.n, c.elem)
		bytes := int64(0)
		if c.copied {
			bytes = int64(5 * c.wide * c.elem.Bytes())
		}
		if o.take != c.take || o.wide != c.wide || o.bytes != bytes {
			t.Errorf("%d channels of %d bytes at %d: %+v", c.n, c.elem.Bytes(), c.at, o)
		}
	}
}
