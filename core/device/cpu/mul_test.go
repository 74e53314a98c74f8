package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestMul(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, f := range []struct {
			name   string
			run    func(int, *mulArgs)
			am, ak int // floats
		}{{"F", mulF, 1, 16}, {"X", mulX, 16, 1}} {
			for mr := 1; mr <= maxMR; mr++ {
				for _, inner := range []int{1, 2, 3, 4, 5, 7, 16, 17, 31} {
					for outer := 1; outer <= 5; outer++ {
						for acc := range 3 {
							t.Run(fmt.Sprintf("%s%d/%dx%d/%d", f.name, mr, inner, outer, acc), func(t *testing.T) {
								testMul(t, f.run, mr, f.am, f.ak, inner, outer, acc)
							})
						}
					}
				}
			}
		}
	})
}

func testMul(t *testing.T, run func(int, *mulArgs), mr, am, ak, inner, outer, acc int) {
	r := rand.New(rand.NewPCG(uint64(mr), uint64(inner)))
	size := (mr-1)*am + (inner-1)*ak + 1 // exactly what may be read
	ao, bo := size+3, inner*16+5         // odd strides
	a := newGuarded(t, "a", (outer-1)*ao+size, 1).random(r)
	b := newGuarded(t, "b", (outer-1)*bo+inner*16, 2).random(r)
	c := newGuarded(t, "c", mr*16, 3).fill(nan)
	if acc == 1 {
		c.random(r)
	}
	was := c.copy()
	args := mulArgs{a: a.p(), b: b.p(), c: c.p(), inner: inner, outer: outer, aOuter: ao * 4, bOuter: bo * 4, acc: min(acc, 1)}
	if acc == 2 { // to z
		z := newGuarded(t, "z", mr*16, 4).random(r)
		was, args.z = z.copy(), z.p()
	}
	run(mr, &args)
	for m := range mr {
		for n := range 16 {
			var s, abs float64
			if acc > 0 {
				s = float64(was[m*16+n])
				abs = math.Abs(s)
			}
			for o := range outer {
				for k := range inner {
					v := float64(a.x[o*ao+m*am+k*ak]) * float64(b.x[o*bo+k*16+n])
					s += v
					abs += math.Abs(v)
				}
			}
			if !near(c.x[m*16+n], s, abs) {
				t.Fatalf("C[%d][%d] = %g, want %g", m, n, c.x[m*16+n], s)
			}
		}
	}
}
