package cpu

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// guarded is a buffer with guard words on both sides.
type guarded struct {
	t    *testing.T
	all  []float32
	x    []float32
	name string
}

const guardWords = 48

var guardBits = math.Float32frombits(0xdeadbeef)

// newGuarded returns n floats; offset shifts them off the cache line.
func newGuarded(t *testing.T, name string, n, offset int) *guarded {
	t.Helper()
	all := alloc(n + 2*guardWords + offset)
	for i := range all {
		all[i] = guardBits
	}
	g := &guarded{t, all, all[guardWords+offset:][:n:n], name}
	t.Cleanup(g.check)
	return g
}

func (g *guarded) check() {
	g.t.Helper()
	lo := (uintptr(ptr(g.x)) - uintptr(ptr(g.all))) / 4
	for i, v := range g.all {
		if (i < int(lo) || i >= int(lo)+len(g.x)) && math.Float32bits(v) != 0xdeadbeef {
			g.t.Errorf("%s: overwritten %d floats from its start (length %d)", g.name, i-int(lo), len(g.x))
			return
		}
	}
}

func (g *guarded) random(r *rand.Rand) *guarded {
	for i := range g.x {
		g.x[i] = r.Float32()*2 - 1
	}
	return g
}

func (g *guarded) fill(v float32) *guarded {
	for i := range g.x {
		g.x[i] = v
	}
	return g
}

func (g *guarded) p() unsafe.Pointer { return ptr(g.x) }

func (g *guarded) copy() []float32 { return append([]float32(nil), g.x...) }

// near compares with a float64 reference; scale is the sum of the absolute
// values of what was added, so that cancellation does not count as an error.
func near(got float32, want, scale float64) bool {
	return math.Abs(float64(got)-want) <= 1e-5*math.Max(scale, 1e-3)
}

var nan = float32(math.NaN())

// eachISA runs a test with every set of kernels that the processor has.
func eachISA(t *testing.T, f func(t *testing.T)) {
	for _, name := range isas {
		t.Run(name, func(t *testing.T) {
			if chooseISA(name, bestISA()) != name {
				t.Skipf("no %s here", name)
			}
			useISA(name)
			defer useISA(isa)
			f(t)
		})
	}
}
