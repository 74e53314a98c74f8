package cu

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unsafe"
)

const (
	ltVersion = iota
	ltCreate
	ltDestroy
	ltDescCreate
	ltDescDestroy
	ltDescSet
	ltLayoutCreate
	ltLayoutDestroy
	ltLayoutSet
	ltPrefCreate
	ltPrefDestroy
	ltPrefSet
	ltHeuristic
	ltCheck
	ltMatmul
)

var ltLibrary = &description{
	name:    "cublasLt",
	linux:   []string{"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"},
	windows: []string{"cublasLt64_13.dll", "cublasLt64_12.dll", "cublasLt64_11.dll"},
	majors:  []int{13, 12, 11},
	places:  places,
	costs:   "no GPU: matrix products run on it",
	funcs: []string{
		ltVersion: "cublasLtGetVersion", ltCreate: "cublasLtCreate", ltDestroy: "cublasLtDestroy",
		ltDescCreate: "cublasLtMatmulDescCreate", ltDescDestroy: "cublasLtMatmulDescDestroy", ltDescSet: "cublasLtMatmulDescSetAttribute",
		ltLayoutCreate: "cublasLtMatrixLayoutCreate", ltLayoutDestroy: "cublasLtMatrixLayoutDestroy", ltLayoutSet: "cublasLtMatrixLayoutSetAttribute",
		ltPrefCreate: "cublasLtMatmulPreferenceCreate", ltPrefDestroy: "cublasLtMatmulPreferenceDestroy", ltPrefSet: "cublasLtMatmulPreferenceSetAttribute",
		ltHeuristic: "cublasLtMatmulAlgoGetHeuristic", ltCheck: "cublasLtMatmulAlgoCheck", ltMatmul: "cublasLtMatmul",
	},
}

// blas is cuBLASLt on a card's stream.
type blas struct {
	c      *card
	lib    *library
	handle uintptr
	noise  noise
}

// NewBlas opens cuBLASLt for a card that Open gave.
func NewBlas(d Driver) (Blas, error) {
	c, ok := d.(*card)
	if !ok {
		return nil, fmt.Errorf("cuda: cublasLt runs on a card that Open gave, not on %T", d)
	}
	lib, err := ltLibrary.open(c.info.Driver / 1000)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	b := &blas{c: c, lib: lib}
	err = c.within(func() error { return b.fail("start", lib.call(ltCreate, uintptr(unsafe.Pointer(&b.handle)))) })
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *blas) Work() int64 {
	if b.c.work != 0 {
		return 0
	}
	return Workspace
}

func (b *blas) Version() string { return ltText(b.lib) }

// ltText is the version of cuBLASLt.
func ltText(lib *library) string {
	v := int(invoke(lib.fn[ltVersion]))
	if v < 100000 { // up to 11: major·1000 + minor·100 + patch
		return fmt.Sprintf("%d.%d.%d", v/1000, v/100%10, v%100)
	}
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// fail is the error of a status. What the library saw of a fault of the card it tells
// in its own terms, so the card is asked too.
func (b *blas) fail(op string, code int) error {
	err := status("cublasLt", op, code, blasNames)
	if (code == 13 || code == 14) && !b.c.capturing {
		return errors.Join(err, b.c.Sync())
	}
	return err
}

// heuristic is cublasLtMatmulHeuristicResult_t: 96 bytes.
type heuristic struct {
	algo  [8]uint64 // cublasLtMatmulAlgo_t
	work  uintptr   // bytes
	state int32     // cublasStatus_t
	waves float32
	_     [4]int32
}

func (b *blas) Prepare(p Product) (Prepared, error) {
	q, err := b.build(p)
	if err != nil {
		return nil, err
	}
	if err := b.choose(q); err != nil {
		q.destroy()
		return nil, fmt.Errorf("product %v: %w", q.p, err)
	}
	return q, nil
}

func (b *blas) PrepareWith(p Product, algo string) (Prepared, error) {
	raw, err := hex.DecodeString(algo)
	if err != nil || len(raw) != 64 {
		return nil, fmt.Errorf("cuda: product %v: %q names no algorithm of cublasLt", p, algo)
	}
	q, err := b.build(p)
	if err != nil {
		return nil, err
	}
	h := &heuristic{}
	for i := range q.algo {
		q.algo[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	err = b.c.within(func() error {
		return b.fail("check the algorithm of an earlier run", b.lib.call(ltCheck, b.handle, q.desc, q.a, q.x, q.d, q.d, uintptr(unsafe.Pointer(&q.algo)), uintptr(unsafe.Pointer(h))))
	})
	if err == nil && (h.state != 0 || h.work > Workspace) {
		err = fmt.Errorf("%w: it is of another version of the library or another card", ErrUnsupported)
	}
	if err != nil {
		q.destroy()
		return nil, fmt.Errorf("product %v: %w", q.p, err)
	}
	q.need = h.work
	return q, nil
}

// choose asks the library for algorithms and takes one.
func (b *blas) choose(q *product) error {
	if b.c.capturing {
		return errors.New("cuda: cublasLt: prepare it before a graph is recorded")
	}
	const most = 8
	found := make([]heuristic, most)
	var n int32
	err := b.c.within(func() error {
		var pref uintptr
		if err := b.fail("create preferences", b.lib.call(ltPrefCreate, uintptr(unsafe.Pointer(&pref)))); err != nil {
			return err
		}
		defer b.lib.call(ltPrefDestroy, pref)
		set := func(attribute uintptr, v uint64, bytes uintptr) error {
			return b.fail("set a preference", b.lib.call(ltPrefSet, pref, attribute, uintptr(unsafe.Pointer(&v)), bytes))
		}
		// Of the ways to split K only that is let in whose parts are float32 and added in
		// a fixed order; others add in memory as they come, or in D's type.
		if err := errors.Join(set(prefWorkspace, Workspace, 8), set(prefReductions, reduceCompute, 4)); err != nil {
			return err
		}
		for _, a := range []uintptr{prefAlignA, prefAlignB, prefAlignC, prefAlignD} {
			if err := set(a, uint64(q.p.Align), 4); err != nil {
				return err
			}
		}
		return b.fail("choose an algorithm", b.lib.call(ltHeuristic, b.handle, q.desc, q.a, q.x, q.d, q.d, pref, most, uintptr(unsafe.Pointer(&found[0])), uintptr(unsafe.Pointer(&n))))
	})
	if err != nil {
		return err
	}
	var good []heuristic
	for _, h := range found[:n] {
		if h.state == 0 && h.work <= Workspace {
			good = append(good, h)
		}
	}
	if len(good) == 0 {
		return fmt.Errorf("cuda: cublasLt: %w", ErrUnsupported)
	}
	best := 0
	if worthTiming(q.p) && len(good) > 1 {
		if best, err = b.fastest(q, good[:min(len(good), timed)]); err != nil {
			return err
		}
	}
	q.take(good[best])
	return nil
}

func (b *blas) Run(pr Prepared, a, w, d, bias, aux Ptr, alpha, beta float32) error {
	return b.RunOnto(pr, a, w, d, d, bias, aux, alpha, beta)
}

func (b *blas) RunOnto(pr Prepared, a, w, c, d, bias, aux Ptr, alpha, beta float32) error {
	q, ok := pr.(*product)
	if !ok {
		return fmt.Errorf("cuda: cublasLt: run of a product that was prepared elsewhere")
	}
	return b.c.within(func() error { return q.run(a, w, c, d, bias, aux, alpha, beta) })
}

func (b *blas) Release(pr Prepared) error {
	q, ok := pr.(*product)
	if !ok {
		return fmt.Errorf("cuda: cublasLt: release of a product that was prepared elsewhere")
	}
	q.destroy()
	return nil
}

func (b *blas) Close() error {
	if b.handle == 0 {
		return nil
	}
	err := b.c.within(func() error { return b.fail("close", b.lib.call(ltDestroy, b.handle)) })
	b.handle = 0
	return err
}

// Values of enumerations in cublasLt.h, cublas_api.h and library_types.h.
const (
	prefWorkspace  = 1 // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, u64
	prefReductions = 3 // CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, u32
	prefAlignA     = 5
	prefAlignB     = 6
	prefAlignC     = 7
	prefAlignD     = 8
	reduceCompute  = 2 // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
	compute32F     = 68
	compute32FTF32 = 77
	realF32        = 0  // CUDA_R_32F
	realBF16       = 14 // CUDA_R_16BF
	descTransA     = 3
	descTransB     = 4
	descEpilogue   = 7
	descBias       = 8
	descAux        = 11
	descAuxLD      = 12
	descAuxStride  = 13
	descBiasType   = 26
	layoutBatch    = 5 // CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, i32
	layoutStride   = 6 // CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, i64
)

// epilogues are those of cublasLtEpilogue_t.
var epilogues = [...]uint32{None: 1, Bias: 4, ReLUBias: 2 | 4, GELUBias: 32 | 4, GELUAux: 32 | 128 | 4, DGELU: 64 | 128, BGrad: 512}

func cudaType(t Type) uintptr { return [...]uintptr{F32: realF32, BF16: realBF16}[t] }
