package cu

import (
	"fmt"
	"slices"
	"testing"
)

// sums is a product with operands of noise on the card, and its 2:4 one.
type sums struct {
	scratch
	p                     Product
	x, w, y, packed, temp Ptr
}

func newSums(t *testing.T, dev Driver, m, n, k int) *sums {
	t.Helper()
	p, err := Product{M: m, N: n, K: k, TransB: true, A: BF16, B: BF16, D: BF16}.full()
	check(t, err)
	s := &sums{scratch: scratch{c: dev.(*card), noise: &noise{}}, p: p}
	t.Cleanup(s.release)
	s.x, s.w, s.y = s.take(BF16, p.spanA()), s.take(BF16, p.spanB()), s.take(BF16, p.spanD())
	check(t, s.err)
	return s
}

// time is the shortest time of a run, ms, and with steady that of the mean over a
// second and more, when a card has come to the limit of its power.
func (s *sums) time(t *testing.T, run func() error, steady bool) float64 {
	t.Helper()
	ms, err := s.race(1, s.p.Flops(), func(int) error { return run() })
	check(t, err)
	if !steady {
		return float64(ms[0])
	}
	from, err := s.c.Event()
	check(t, err)
	to, err := s.c.Event()
	check(t, err)
	n := int(1500/ms[0]) + 1
	for i := range n {
		if i == n/3 {
			check(t, s.c.Record(from))
		}
		check(t, run())
	}
	check(t, s.c.Record(to))
	all, err := s.c.Elapsed(from, to)
	check(t, err)
	check(t, s.c.ReleaseEvent(from))
	check(t, s.c.ReleaseEvent(to))
	return float64(all) / float64(n-n/3)
}

// pack makes the weights 2:4 and packs them.
func (s *sums) pack(t *testing.T, sp Sparse, q Prepared, n Packing) {
	t.Helper()
	check(t, s.c.repeat(s.w, halved(s.noise.of(BF16), s.p), 2*s.p.spanB()))
	s.packed, s.temp = s.bytes(n.Bytes), s.bytes(max(n.Temp, 16))
	check(t, s.err)
	check(t, sp.Compress(q, s.w, s.packed, s.temp))
}

func large(t *testing.T) Driver {
	dev := gpu(t)
	if testing.Short() || dev.Info().Memory < 16<<30 {
		t.Skip("for large cards")
	}
	return dev
}

// TestGPUSpeed times large products on noise and tells.
func TestGPUSpeed(t *testing.T) {
	dev := large(t)
	b := openBlas(t, dev)
	for i, size := range [][3]int{{8192, 8192, 8192}, {4096, 8192, 4096}, {32768, 768, 768}, {32768, 2304, 768}, {32768, 3072, 768}, {32768, 768, 3072}, {32768, 50304, 768}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s, steady := newSums(t, dev, size[0], size[1], size[2]), i == 0
			q, err := b.Prepare(s.p)
			check(t, err)
			dense := s.time(t, func() error { return b.Run(q, s.x, s.w, s.y, 0, 0, 1, 0) }, steady)
			check(t, b.Release(q))
			t.Logf("dense %.3f ms, %.0f TFLOP/s", dense, s.p.Flops()/dense/1e9)
			sp := openSparse(t, dev)
			sq, n, err := sp.Prepare2of4(s.p)
			check(t, err)
			s.pack(t, sp, sq, n)
			half := s.time(t, func() error { return sp.RunSparse(sq, s.x, s.packed, s.y, s.y, 0, 1, 0) }, steady)
			pack := s.time(t, func() error { return sp.Compress(sq, s.w, s.packed, s.temp) }, false)
			t.Logf("2:4 %.3f ms, %.2f× (algorithm %s of %d); packing %.3f ms", half, dense/half, sq.Algo(), sq.(*sparseProduct).algos, pack)
			check(t, sp.Release(sq))
		})
	}
}

// TestGPUSparseWays times every algorithm of the library at 8192³, by all ways to split K
// that it takes, and tells the best and whether their bits repeat. What a version does not
// take it may say on standard output.
func TestGPUSparseWays(t *testing.T) {
	dev := large(t)
	sp := openSparse(t, dev)
	s := newSums(t, dev, 8192, 8192, 8192)
	pq, n, err := sp.Prepare2of4(s.p)
	check(t, err)
	q := pq.(*sparseProduct)
	s.pack(t, sp, q, n)
	q.work = s.bytes(1 << 30)
	check(t, s.err)
	t.Logf("the default is %v, taken was %v", q.usual, q.algo)
	type timed struct {
		algo
		ms   float64
		same bool
	}
	var all []timed
	for id := range int32(q.algos) {
		for _, a := range []algo{
			{id, q.usual.split, q.usual.mode, q.usual.buffers}, {id, 1, 4, 0}, {id, 1, 6, 0}, {id, 2, 5, 0}, {id, 2, 1, 1}, {id, 2, 2, 1},
		} {
			w, err := q.plan(a, 0)
			if err != nil {
				continue
			}
			m := &trialOf2of4{scratch: s.scratch, x: s.x, y: s.y, packed: s.packed}
			run := func() error { return q.s.c.within(func() error { return q.run(w, s.x, s.packed, s.y, s.y, 1, 0) }) }
			if run() == nil {
				same, err := q.repeats(w, m)
				check(t, err)
				all = append(all, timed{a, s.time(t, run, false), same})
			}
			q.drop(w)
		}
	}
	slices.SortFunc(all, func(a, b timed) int { return int(1e6 * (a.ms - b.ms)) })
	for _, a := range all[:min(len(all), 20)] {
		t.Logf("%v: %.4f ms, equal bits %t", a.algo, a.ms, a.same)
	}
	check(t, sp.Release(q))
}
