package cu

import (
	"fmt"
	"runtime"
	"unsafe"
)

// sparseProduct is a 2:4 product as cuSPARSELt takes it, by columns as cuBLASLt does:
// yᵀ[N][M] = op(w)·xᵀ, its structured matrix first.
type sparseProduct struct {
	s           *sparse
	p           Product
	w, x, y     opaque // cusparseLtMatDescriptor_t
	made        int    // of them are described
	algo        algo   // the one taken, at first the default
	usual       algo   // the default, of which plan sets what differs
	algos       int    // how many there are, without ways to split K
	makeshift   bool   // memory to find the fastest lacked
	packing     Packing
	work        Ptr
	ways        []*way // by the algorithm taken, one for each bias
	alpha, beta float32
	stream      uintptr
	frame       [11]uintptr // arguments of spMatmul
}

// way is a product by one algorithm with one bias. A plan keeps the bias it was made
// with, and the library (0.8) crashes over another plan made of the same parts once the
// first is destroyed: so each has parts of its own.
type way struct {
	bias            Ptr
	desc, sel, plan opaque // cusparseLtMatmulDescriptor_t, cusparseLtMatmulAlgSelection_t, cusparseLtMatmulPlan_t
}

func (q *sparseProduct) Algo() string { return q.algo.String() }

// Makeshift reports that the algorithm was not chosen by time for want of memory.
func (q *sparseProduct) Makeshift() bool { return q.makeshift }

// Values of enumerations in cusparseLt.h and cusparse.h.
const (
	orderCol     = 1 // CUSPARSE_ORDER_COL
	sparseF32    = 2 // CUSPARSE_COMPUTE_32F
	spActReLU    = 0 // CUSPARSELT_MATMUL_ACTIVATION_RELU, int
	spBias       = 8 // CUSPARSELT_MATMUL_BIAS_POINTER
	spConfigID   = 0 // CUSPARSELT_MATMUL_ALG_CONFIG_ID, int
	spConfigMost = 1 // CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID, int: one beyond the last
	spSplit      = 3 // CUSPARSELT_MATMUL_SPLIT_K, _SPLIT_K_MODE and _SPLIT_K_BUFFERS, int
)

// build makes the descriptors. What the library would refuse is refused here, for it
// would write about it on standard output, into the screen.
func (s *sparse) build(p Product) (*sparseProduct, error) {
	if err := p.Fits2of4(); err != nil {
		return nil, fmt.Errorf("cuda: cusparseLt: product %v: %w: %w", p, ErrUnsupported, err)
	}
	p, err := p.full()
	if err != nil {
		return nil, err
	}
	q := &sparseProduct{s: s, p: p, w: newOpaque(), x: newOpaque(), y: newOpaque(), stream: s.c.stream}
	if q.work, err = s.c.workspace(); err != nil {
		return nil, err
	}
	if err := s.c.within(q.describe); err != nil {
		_ = s.Release(q) // host memory
		return nil, fmt.Errorf("2:4 product %v: %w", p, err)
	}
	return q, nil
}

func (q *sparseProduct) describe() error {
	s, p, h := q.s, q.p, q.s.handle.at()
	steps := []struct {
		what string
		call func() int
	}{
		{"describe the weights", func() int {
			return s.lib.call(spStructured, h, q.w.at(), uintptr(p.rowB()), uintptr(pick(p.TransB, p.N, p.K)), uintptr(p.LDB), 16, cudaType(BF16), orderCol, 0)
		}},
		{"describe the input", func() int {
			return s.lib.call(spDense, h, q.x.at(), uintptr(p.K), uintptr(p.M), uintptr(p.LDA), 16, cudaType(BF16), orderCol)
		}},
		{"describe the output", func() int {
			return s.lib.call(spDense, h, q.y.at(), uintptr(p.N), uintptr(p.M), uintptr(p.LDD), 16, cudaType(BF16), orderCol)
		}},
	}
	for _, st := range steps {
		if err := s.fail(st.what, st.call()); err != nil {
			return err
		}
		q.made++
	}
	w, err := q.selection(q.standIn())
	if err != nil {
		return err
	}
	defer q.dropSelection(w)
	if q.usual, err = q.read(w); err != nil {
		return err
	}
	var most int32
	if err := s.fail("count the algorithms", s.lib.call(spSelectGet, h, w.sel.at(), spConfigMost, uintptr(unsafe.Pointer(&most)), 4)); err != nil {
		return err
	}
	q.algo, q.algos = q.usual, max(int(most), int(q.usual.id)+1)
	var packed, temp uintptr
	if err := s.fail("ask for the compressed size", s.lib.call(spSize, h, q.w.at(), uintptr(unsafe.Pointer(&packed)), uintptr(unsafe.Pointer(&temp)))); err != nil {
		return err
	}
	q.packing = Packing{int64(packed), int64(temp)}
	return nil
}

// standIn is an address for a bias until RunSparse brings one.
func (q *sparseProduct) standIn() Ptr {
	if q.p.biases() > 0 {
		return q.work
	}
	return 0
}

// selection describes the product with a bias, and a choice of algorithm for it.
func (q *sparseProduct) selection(bias Ptr) (*way, error) {
	s, h := q.s, q.s.handle.at()
	w := &way{bias: bias, desc: newOpaque(), sel: newOpaque(), plan: newOpaque()}
	if err := s.fail("describe the product", s.lib.call(spDesc, h, w.desc.at(), uintptr(pick(q.p.TransB, 1, 0)), 0, q.w.at(), q.x.at(), q.y.at(), q.y.at(), sparseF32)); err != nil {
		return nil, err
	}
	if q.p.Epilogue == ReLUBias {
		on := int32(1)
		if err := s.fail("set the activation", s.lib.call(spDescSet, h, w.desc.at(), spActReLU, uintptr(unsafe.Pointer(&on)), 4)); err != nil {
			return nil, err
		}
	}
	if bias != 0 {
		if err := s.fail("set the bias", s.lib.call(spDescSet, h, w.desc.at(), spBias, uintptr(unsafe.Pointer(&w.bias)), 8)); err != nil {
			return nil, err
		}
	}
	return w, s.fail("choose an algorithm", s.lib.call(spSelect, h, w.sel.at(), w.desc.at(), 0))
}

// plan prepares the product by an algorithm with a bias.
func (q *sparseProduct) plan(by algo, bias Ptr) (*way, error) {
	var w *way
	err := q.s.c.within(func() (err error) {
		s, h := q.s, q.s.handle.at()
		if w, err = q.selection(bias); err != nil {
			return err
		}
		if err = q.set(w, by); err == nil {
			err = s.fail("plan", s.lib.call(spPlan, h, w.plan.at(), w.desc.at(), w.sel.at()))
		}
		if err != nil {
			q.dropSelection(w)
			return err
		}
		var need uintptr
		err = s.fail("ask for the workspace", s.lib.call(spWorkspace, h, w.plan.at(), uintptr(unsafe.Pointer(&need))))
		if err == nil && need > Workspace {
			err = &Error{Library: "cusparseLt", Op: fmt.Sprintf("algorithm %v", by), Code: 11, Name: sparseNames[11], Text: fmt.Sprintf("it wants %d bytes of workspace", need)}
		}
		if err != nil {
			q.drop(w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// drop gives a way back.
func (q *sparseProduct) drop(w *way) {
	q.s.lib.call(spPlanDestroy, w.plan.at())
	q.dropSelection(w)
}

// dropSelection gives a choice of algorithm back, which versions before 0.8 need not.
func (q *sparseProduct) dropSelection(w *way) {
	if q.s.lib.has(spSelectDestroy) {
		q.s.lib.call(spSelectDestroy, w.sel.at())
	}
	runtime.KeepAlive(w)
}

func (s *sparse) Compress(pr Prepared, w, packed, temp Ptr) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: compress for a product that was prepared elsewhere")
	}
	return s.c.within(func() error {
		return s.fail("compress", s.lib.call(spCompress, s.handle.at(), q.w.at(), 1, uintptr(pick(q.p.TransB, 1, 0)), uintptr(w), uintptr(packed), uintptr(temp), s.c.stream))
	})
}

func (s *sparse) RunSparse(pr Prepared, x, packed, c, y, bias Ptr, alpha, beta float32) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: run of a product that was prepared elsewhere")
	}
	if (bias != 0) != (q.p.biases() > 0) {
		return fmt.Errorf("cuda: 2:4 product %v: bias %x does not fit its epilogue", q.p, bias)
	}
	w, err := q.with(bias)
	if err != nil {
		return err
	}
	return s.c.within(func() error { return q.run(w, x, packed, c, y, alpha, beta) })
}

// with is the way that has a bias, made when it first comes.
func (q *sparseProduct) with(bias Ptr) (*way, error) {
	for _, w := range q.ways {
		if w.bias == bias {
			return w, nil
		}
	}
	w, err := q.plan(q.algo, bias)
	if err != nil {
		return nil, err
	}
	q.ways = append(q.ways, w)
	return w, nil
}

func (q *sparseProduct) run(w *way, x, packed, c, y Ptr, alpha, beta float32) error {
	return q.call(spMatmul, w, x, packed, c, y, q.work, alpha, beta)
}

// call runs the product, or searches for its fastest way.
func (q *sparseProduct) call(f int, w *way, x, packed, c, y, work Ptr, alpha, beta float32) error {
	q.alpha, q.beta = alpha, beta
	q.frame = [...]uintptr{
		q.s.handle.at(), w.plan.at(), uintptr(unsafe.Pointer(&q.alpha)), uintptr(packed), uintptr(x), uintptr(unsafe.Pointer(&q.beta)),
		uintptr(c), uintptr(y), uintptr(work), uintptr(unsafe.Pointer(&q.stream)), 1,
	}
	if r := q.s.lib.call(f, q.frame[:]...); r != 0 {
		return fmt.Errorf("2:4 product %v: %w", q.p, q.s.fail("run", r))
	}
	return nil
}

func (s *sparse) Release(pr Prepared) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: release of a product that was prepared elsewhere")
	}
	for _, w := range q.ways {
		q.drop(w)
	}
	q.ways = nil
	for _, m := range []opaque{q.w, q.x, q.y}[:q.made] {
		s.lib.call(spMatDestroy, m.at())
	}
	q.made = 0
	return nil
}
