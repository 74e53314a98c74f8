package cu

import (
	"testing"
	"unsafe"
)

// layout is a way to tell the library of y[M][N] = x[M][K]·w[N][K]ᵀ, all row-major. By
// columns the same bytes are yᵀ = w·xᵀ. Each matrix may be said to lie by rows or, then
// turned, by columns.
type layout struct {
	name       string
	second     bool // the structured matrix is the second one: y = x·wᵀ
	wRow, xRow bool // they lie by rows
}

// TestGPUSparseLayouts times every algorithm at 8192³ for each way to tell of one product,
// and tells the best of each: the library's kernels differ by layout. Of those that it
// refuses it may say so on standard output.
func TestGPUSparseLayouts(t *testing.T) {
	dev := large(t)
	sp := openSparse(t, dev).(*sparse)
	const n = 8192
	s := newSums(t, dev, n, n, n)
	check(t, s.c.repeat(s.w, halved(s.noise.of(BF16), s.p), 2*s.p.spanB()))
	s.packed, s.temp = s.bytes(2*n*n), s.bytes(256<<20)
	work := s.bytes(256 << 20)
	check(t, s.err)
	h := sp.handle.at()
	const row, column = 2, 1 // CUSPARSE_ORDER_ROW, _COL
	order := func(r bool) uintptr { return uintptr(pick(r, row, column)) }
	for _, l := range []layout{
		{"w first, by columns", false, false, false}, {"w first, w by rows", false, true, false}, {"w first, x by rows", false, false, true},
		{"w first, both by rows", false, true, true}, {"w second, both by rows", true, true, true}, {"w second, w by columns", true, false, true},
		{"w second, x by columns", true, true, false}, {"w second, both by columns", true, false, false},
	} {
		t.Run(l.name, func(t *testing.T) {
			w, x, y := newOpaque(), newOpaque(), newOpaque()
			var r int
			call := func(f int, args ...uintptr) bool {
				if r == 0 {
					check(t, s.c.within(func() error { r = sp.lib.call(f, args...); return nil }))
				}
				return r == 0
			}
			// Sizes are equal, so only orders and turns tell layouts apart.
			call(spStructured, h, w.at(), n, n, n, 16, cudaType(BF16), order(l.wRow), 0)
			call(spDense, h, x.at(), n, n, n, 16, cudaType(BF16), order(l.xRow))
			call(spDense, h, y.at(), n, n, n, 16, cudaType(BF16), order(l.second))
			// First: w as [N][K] is right by rows, xᵀ is [K][M] by columns. Second: x by rows, wᵀ by columns.
			opW, opX := pick(l.wRow != l.second, 0, 1), pick(l.xRow == l.second, 0, 1)
			a, b, opA, opB := w, x, opW, opX
			if l.second {
				a, b, opA, opB = x, w, opX, opW
			}
			call(spCompress, h, w.at(), uintptr(pick(l.second, 0, 1)), uintptr(opW), uintptr(s.w), uintptr(s.packed), uintptr(s.temp), s.c.stream)
			check(t, dev.Sync())
			if r != 0 {
				t.Skipf("cusparseLt packs no weight that is told so: status %d", r)
			}
			best, by := 1e30, int32(-1)
			for id := int32(0); id < 100; id++ {
				r = 0
				desc, sel, plan := newOpaque(), newOpaque(), newOpaque() // see way
				call(spDesc, h, desc.at(), uintptr(opA), uintptr(opB), a.at(), b.at(), y.at(), y.at(), sparseF32)
				if !call(spSelect, h, sel.at(), desc.at(), 0) {
					break
				}
				var most int32
				call(spSelectGet, h, sel.at(), spConfigMost, uintptr(unsafe.Pointer(&most)), 4)
				if id >= most {
					break
				}
				id := id
				call(spSelectSet, h, sel.at(), spConfigID, uintptr(unsafe.Pointer(&id)), 4)
				if !call(spPlan, h, plan.at(), desc.at(), sel.at()) {
					continue
				}
				one, zero, stream := float32(1), float32(0), s.c.stream
				from := [2]Ptr{s.packed, s.x}
				if l.second {
					from = [2]Ptr{s.x, s.packed}
				}
				run := func() error {
					return s.c.within(func() error {
						return sp.fail("run", sp.lib.call(spMatmul, h, plan.at(), uintptr(unsafe.Pointer(&one)), uintptr(from[0]), uintptr(from[1]), uintptr(unsafe.Pointer(&zero)),
							uintptr(s.y), uintptr(s.y), uintptr(work), uintptr(unsafe.Pointer(&stream)), 1))
					})
				}
				if run() == nil {
					if ms := s.time(t, run, false); ms < best {
						best, by = ms, id
					}
				}
				check(t, dev.Sync())
				call(spPlanDestroy, plan.at())
				if sp.lib.has(spSelectDestroy) {
					call(spSelectDestroy, sel.at())
				}
			}
			t.Logf("%.4f ms by algorithm %d", best, by)
		})
	}
}
