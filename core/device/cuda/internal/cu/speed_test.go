package cu

import (
	"fmt"
	"testing"
	"unsafe"
)

// sums is a product with operands of noise on the card, and its 2:4 one.
type sums struct {
	scratch
	p               Product
	x, w, y, packed Ptr
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
func (s *sums) pack(t *testing.T, sp Sparse, q Prepared, bytes int64) {
	t.Helper()
	check(t, s.c.repeat(s.w, halved(s.noise.of(BF16), s.p), 2*s.p.spanB()))
	s.packed = s.bytes(bytes)
	check(t, s.err)
	check(t, sp.Compress(q, s.w, s.packed))
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
			half := s.time(t, func() error { return sp.RunSparse(sq, s.x, s.packed, s.y, 0, 1, 0) }, steady)
			t.Logf("2:4 %.3f ms, %.2f× (algorithm %s of %d)", half, dense/half, sq.Algo(), sq.(*sparseProduct).algos)
			check(t, sp.Release(sq))
		})
	}
}

// TestGPUSparseSearch sets the library's own search beside ours, which takes no split
// of K.
func TestGPUSparseSearch(t *testing.T) {
	dev := large(t)
	sp := openSparse(t, dev)
	l := sp.(*sparse)
	lib, err := loadLibrary(l.lib.file, false)
	check(t, err)
	search := symbol(lib, "cusparseLtMatmulSearch")
	if search == 0 {
		t.Skip("the library has no search")
	}
	for _, size := range [][3]int{{8192, 8192, 8192}, {2048, 4096, 16384}} {
		s := newSums(t, dev, size[0], size[1], size[2])
		pq, n, err := sp.Prepare2of4(s.p)
		check(t, err)
		q := pq.(*sparseProduct)
		s.pack(t, sp, q, n)
		ours := s.time(t, func() error { return sp.RunSparse(q, s.x, s.packed, s.y, 0, 1, 0) }, false)
		w, err := q.plan(0, 0)
		check(t, err)
		work := s.bytes(2 << 30) // splits of K may want much
		check(t, s.err)
		one, zero, stream := float32(1), float32(0), l.c.stream
		var status uintptr
		check(t, l.c.within(func() error {
			status = invoke(search, l.handle.at(), w.plan.at(), uintptr(unsafe.Pointer(&one)), uintptr(s.packed), uintptr(s.x), uintptr(unsafe.Pointer(&zero)),
				uintptr(s.y), uintptr(s.y), uintptr(work), uintptr(unsafe.Pointer(&stream)), 1)
			return nil
		}))
		check(t, dev.Sync())
		var got [6]int32 // by cusparseLtMatmulAlgAttribute_t
		for i := range got {
			l.lib.call(spSelectGet, l.handle.at(), w.sel.at(), uintptr(i), uintptr(unsafe.Pointer(&got[i])), 4)
		}
		q.work = work
		theirs := s.time(t, func() error { return l.c.within(func() error { return q.run(w, s.x, s.packed, s.y, 1, 0) }) }, false)
		t.Logf("%v: ours %.3f ms by algorithm %s; the library's search (status %d) %.3f ms by algorithm %d of %d, split %d mode %d buffers %d",
			s.p, ours, q.Algo(), status, theirs, got[0], got[1], got[3], got[4], got[5])
		q.drop(w)
		check(t, sp.Release(q))
	}
}
