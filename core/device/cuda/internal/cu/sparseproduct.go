package cu

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"
)

// sparseProduct is a 2:4 product as cuSPARSELt takes it, by columns as cuBLASLt does:
// yᵀ[N][M] = op(w)·xᵀ, its structured matrix first.
type sparseProduct struct {
	s            *sparse
	p            Product
	w, x, y      opaque // cusparseLtMatDescriptor_t
	desc         opaque // cusparseLtMatmulDescriptor_t
	made         int    // matrices described
	algo, algos  int    // the default, and how many there are
	packed, temp int64  // bytes of compressed weights, and of what compressing takes
	work         Ptr
	way          *way
	bias         Ptr
	alpha, beta  float32
	stream       uintptr
	frame        [11]uintptr // arguments of spMatmul
}

// way is a product by one algorithm.
type way struct {
	id        int
	sel, plan opaque // cusparseLtMatmulAlgSelection_t, cusparseLtMatmulPlan_t
	bias      Ptr    // that the plan was made with
}

func (q *sparseProduct) Algo() string { return strconv.Itoa(q.way.id) }

// Values of enumerations in cusparseLt.h and cusparse.h.
const (
	orderCol     = 1 // CUSPARSE_ORDER_COL
	sparseF32    = 2 // CUSPARSE_COMPUTE_32F
	spActReLU    = 0 // CUSPARSELT_MATMUL_ACTIVATION_RELU, int
	spBias       = 8 // CUSPARSELT_MATMUL_BIAS_POINTER
	spConfigID   = 0 // CUSPARSELT_MATMUL_ALG_CONFIG_ID, int
	spConfigMost = 1 // CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID, int: one beyond the last
)

// build makes the descriptors. What the library would refuse is refused here, for it
// would write about it on standard output, into the screen.
func (s *sparse) build(p Product) (*sparseProduct, error) {
	p, err := p.full()
	if err != nil {
		return nil, err
	}
	switch {
	case p.A != BF16 || p.B != BF16 || p.D != BF16 || p.biases() > 0 && p.BiasType != BF16:
		err = fmt.Errorf("%w: 2:4 products are of bf16 throughout", ErrUnsupported)
	case p.Epilogue > ReLUBias || p.TransA || p.Batch > 1:
		err = fmt.Errorf("%w: 2:4 products have no batch, no transposed x and no epilogue but a bias, with or without ReLU", ErrUnsupported)
	case p.N%16 != 0 || p.K%16 != 0 || p.M%8 != 0 || (p.LDA|p.LDB|p.LDD)%8 != 0 || p.Align < 16:
		err = fmt.Errorf("%w: 2:4 products need N and K in multiples of 16, M and rows in memory of 8, addresses of 16", ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: cusparseLt: product %v: %w", p, err)
	}
	q := &sparseProduct{s: s, p: p, w: newOpaque(), x: newOpaque(), y: newOpaque(), desc: newOpaque(), stream: s.c.stream}
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
		{"describe the product", func() int {
			return s.lib.call(spDesc, h, q.desc.at(), uintptr(pick(p.TransB, 1, 0)), 0, q.w.at(), q.x.at(), q.y.at(), q.y.at(), sparseF32)
		}},
	}
	for i, st := range steps {
		if err := s.fail(st.what, st.call()); err != nil {
			return err
		}
		if i < 3 {
			q.made++
		}
	}
	if p.Epilogue == ReLUBias {
		on := int32(1)
		if err := s.fail("set the activation", s.lib.call(spDescSet, h, q.desc.at(), spActReLU, uintptr(unsafe.Pointer(&on)), 4)); err != nil {
			return err
		}
	}
	if p.biases() > 0 { // a stand-in until RunSparse
		q.bias = q.work
		if err := q.setBias(); err != nil {
			return err
		}
	}
	sel := newOpaque()
	if err := s.fail("choose an algorithm", s.lib.call(spSelect, h, sel.at(), q.desc.at(), 0)); err != nil {
		return err
	}
	var id, most int32
	if err := s.fail("ask for the default algorithm", s.lib.call(spSelectGet, h, sel.at(), spConfigID, uintptr(unsafe.Pointer(&id)), 4)); err != nil {
		return err
	}
	if err := s.fail("count the algorithms", s.lib.call(spSelectGet, h, sel.at(), spConfigMost, uintptr(unsafe.Pointer(&most)), 4)); err != nil {
		return err
	}
	q.dropSelection(sel)
	q.algo, q.algos = int(id), max(int(most), int(id)+1)
	var packed, temp uintptr
	if err := s.fail("ask for the compressed size", s.lib.call(spSize, h, q.w.at(), uintptr(unsafe.Pointer(&packed)), uintptr(unsafe.Pointer(&temp)))); err != nil {
		return err
	}
	q.packed, q.temp = int64(packed), int64(temp)
	return nil
}

func (q *sparseProduct) setBias() error {
	return q.s.fail("set the bias", q.s.lib.call(spDescSet, q.s.handle.at(), q.desc.at(), spBias, uintptr(unsafe.Pointer(&q.bias)), 8))
}

// plan prepares a product by one algorithm.
func (s *sparse) plan(q *sparseProduct, id int) (*way, error) {
	w := &way{id: id, sel: newOpaque(), plan: newOpaque()}
	err := s.c.within(func() error {
		h, config := s.handle.at(), int32(id)
		if err := s.fail("choose an algorithm", s.lib.call(spSelect, h, w.sel.at(), q.desc.at(), 0)); err != nil {
			return err
		}
		if err := s.fail("set the algorithm", s.lib.call(spSelectSet, h, w.sel.at(), spConfigID, uintptr(unsafe.Pointer(&config)), 4)); err != nil {
			return err
		}
		return s.replan(q, w)
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// replan makes the plan of a way for the bias at hand.
func (s *sparse) replan(q *sparseProduct, w *way) error {
	h := s.handle.at()
	if err := s.fail("plan", s.lib.call(spPlan, h, w.plan.at(), q.desc.at(), w.sel.at())); err != nil {
		return err
	}
	w.bias = q.bias
	var need uintptr
	if err := s.fail("ask for the workspace", s.lib.call(spWorkspace, h, w.plan.at(), uintptr(unsafe.Pointer(&need)))); err != nil {
		return err
	}
	if need > Workspace {
		s.lib.call(spPlanDestroy, w.plan.at())
		return &Error{Library: "cusparseLt", Op: fmt.Sprintf("algorithm %d", w.id), Code: 11, Name: sparseNames[11], Text: fmt.Sprintf("it wants %d bytes of workspace", need)}
	}
	return nil
}

// drop gives a way back.
func (q *sparseProduct) drop(w *way) {
	q.s.lib.call(spPlanDestroy, w.plan.at())
	q.dropSelection(w.sel)
}

// dropSelection gives a choice of algorithm back, which versions before 0.8 need not.
func (q *sparseProduct) dropSelection(sel opaque) {
	if q.s.lib.has(spSelectDestroy) {
		q.s.lib.call(spSelectDestroy, sel.at())
	}
	runtime.KeepAlive(sel)
}

func (s *sparse) Compress(pr Prepared, w, packed Ptr) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: compress for a product that was prepared elsewhere")
	}
	temp := q.work
	if q.temp > Workspace {
		p, err := s.c.Alloc(q.temp)
		if err != nil {
			return err
		}
		defer s.c.Release(p) //nolint:errcheck // a lost card shows in the next call
		temp = p
	}
	return s.c.within(func() error {
		return s.fail("compress", s.lib.call(spCompress, s.handle.at(), q.w.at(), 1, uintptr(pick(q.p.TransB, 1, 0)), uintptr(w), uintptr(packed), uintptr(temp), s.c.stream))
	})
}

func (s *sparse) RunSparse(pr Prepared, x, packed, y, bias Ptr, alpha, beta float32) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: run of a product that was prepared elsewhere")
	}
	if (bias != 0) != (q.p.biases() > 0) {
		return fmt.Errorf("cuda: 2:4 product %v: bias %x does not fit its epilogue", q.p, bias)
	}
	return s.c.within(func() error {
		if bias != q.bias {
			q.bias = bias
			if err := q.setBias(); err != nil {
				return err
			}
		}
		if q.way.bias != bias { // a plan keeps what it was made with
			s.lib.call(spPlanDestroy, q.way.plan.at())
			if err := s.replan(q, q.way); err != nil {
				return err
			}
		}
		q.alpha, q.beta = alpha, beta
		q.frame = [...]uintptr{
			s.handle.at(), q.way.plan.at(), uintptr(unsafe.Pointer(&q.alpha)), uintptr(packed), uintptr(x), uintptr(unsafe.Pointer(&q.beta)),
			uintptr(y), uintptr(y), uintptr(q.work), uintptr(unsafe.Pointer(&q.stream)), 1,
		}
		if r := s.lib.call(spMatmul, q.frame[:]...); r != 0 {
			return fmt.Errorf("2:4 product %v: %w", q.p, s.fail("run", r))
		}
		return nil
	})
}

func (s *sparse) Release(pr Prepared) error {
	q, ok := pr.(*sparseProduct)
	if !ok {
		return fmt.Errorf("cuda: cusparseLt: release of a product that was prepared elsewhere")
	}
	if q.way != nil {
		q.drop(q.way)
		q.way = nil
	}
	for _, m := range []opaque{q.w, q.x, q.y}[:q.made] {
		s.lib.call(spMatDestroy, m.at())
	}
	q.made = 0
	return nil
}
