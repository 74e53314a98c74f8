package cu

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unsafe"
)

// product is a dense product as cuBLASLt takes it.
//
// The library counts by columns. A row-major [r][c] matrix is its c×r matrix, so
// D = op(A)·op(B) becomes Dᵀ = op(B)ᵀ·op(A)ᵀ: our B is its A, our A its B, our N its
// rows m and our M its columns n. A bias along its rows is ours along N; the sums of
// its B over k (BGRADB) are ours of op(A), along M.
type product struct {
	b             *blas
	p             Product // made full
	desc, a, x, d uintptr
	algo          [8]uint64
	need          uintptr // workspace, bytes
	work          Ptr
	makeshift     bool
	alpha, beta   float32
	bias, aux     Ptr
	set           [4]uintptr  // arguments of ltDescSet
	frame         [16]uintptr // arguments of ltMatmul
}

func (q *product) Algo() string {
	var raw []byte
	for _, v := range q.algo {
		raw = binary.LittleEndian.AppendUint64(raw, v)
	}
	return hex.EncodeToString(raw)
}

// Makeshift says that the algorithm is not what timing would have found: memory for that
// lacked.
func (q *product) Makeshift() bool { return q.makeshift }

func (q *product) take(h heuristic) { q.algo, q.need = h.algo, h.work }

// build makes the descriptors of a product.
func (b *blas) build(p Product) (*product, error) {
	full, err := p.full()
	if err != nil {
		return nil, err
	}
	if full.hasAux() && full.N%8 != 0 {
		return nil, fmt.Errorf("cuda: cublasLt: product %v: %w: aux needs rows of a multiple of 8", full, ErrUnsupported)
	}
	q := &product{b: b, p: full}
	if q.work, err = b.c.workspace(); err != nil {
		return nil, err
	}
	if err := b.c.within(q.describe); err != nil {
		q.destroy()
		return nil, fmt.Errorf("product %v: %w", full, err)
	}
	return q, nil
}

func (q *product) describe() error {
	p, b := q.p, q.b
	compute := uintptr(compute32F)
	if p.TF32 && p.A == F32 {
		compute = compute32FTF32
	}
	if err := b.fail("describe the product", b.lib.call(ltDescCreate, uintptr(unsafe.Pointer(&q.desc)), compute, realF32)); err != nil {
		return err
	}
	trans := func(t bool) uint64 { return uint64(pick(t, 1, 0)) } // cublasOperation_t
	err := errors.Join(q.attribute(descTransA, trans(p.TransB), 4), q.attribute(descTransB, trans(p.TransA), 4), q.attribute(descEpilogue, uint64(epilogues[p.Epilogue]), 4))
	// Algorithms are chosen by how the addresses are aligned: stand-ins until Run.
	if p.biases() > 0 {
		q.bias = q.work + Ptr(p.Align)
		err = errors.Join(err, q.attribute(descBias, uint64(q.bias), 8), q.attribute(descBiasType, uint64(cudaType(p.BiasType)), 4))
	}
	if p.hasAux() {
		q.aux = q.work + Ptr(p.Align)
		err = errors.Join(err, q.attribute(descAux, uint64(q.aux), 8), q.attribute(descAuxLD, uint64(p.N), 8))
		if p.Batch > 1 {
			err = errors.Join(err, q.attribute(descAuxStride, uint64(p.M)*uint64(p.N), 8))
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(
		q.layout(&q.a, p.B, p.rowB(), pick(p.TransB, p.N, p.K), p.LDB, p.SB),
		q.layout(&q.x, p.A, p.rowA(), pick(p.TransA, p.K, p.M), p.LDA, p.SA),
		q.layout(&q.d, p.D, p.N, p.M, p.LDD, p.SD))
}

// attribute sets one of the product's, whose value is a whole number of so many bytes.
func (q *product) attribute(id uintptr, v uint64, bytes uintptr) error {
	return q.b.fail("set an attribute of the product", q.b.lib.call(ltDescSet, q.desc, id, uintptr(unsafe.Pointer(&v)), bytes))
}

// layout describes an operand of rows and cols as the library counts them.
func (q *product) layout(to *uintptr, t Type, rows, cols, ld int, stride int64) error {
	b := q.b
	if err := b.fail("describe an operand", b.lib.call(ltLayoutCreate, uintptr(unsafe.Pointer(to)), cudaType(t), uintptr(rows), uintptr(cols), uintptr(ld))); err != nil || q.p.Batch == 1 {
		return err
	}
	batch := int32(q.p.Batch)
	return errors.Join(
		b.fail("set the batch", b.lib.call(ltLayoutSet, *to, layoutBatch, uintptr(unsafe.Pointer(&batch)), 4)),
		b.fail("set the batch's stride", b.lib.call(ltLayoutSet, *to, layoutStride, uintptr(unsafe.Pointer(&stride)), 8)))
}

// run queues the product; it allocates nothing.
func (q *product) run(a, w, c, d, bias, aux Ptr, alpha, beta float32) error {
	if (a|w|c|d|bias|aux)&Ptr(q.p.Align-1) != 0 {
		return fmt.Errorf("cuda: product %v: an address (%x %x %x %x %x %x) is no multiple of %d bytes: set Align", q.p, a, w, c, d, bias, aux, q.p.Align)
	}
	if (bias != 0) != (q.p.biases() > 0) || (aux != 0) != q.p.hasAux() {
		return fmt.Errorf("cuda: product %v: bias %x and aux %x do not fit its epilogue", q.p, bias, aux)
	}
	if bias != q.bias {
		q.bias = bias
		if err := q.address(descBias, &q.bias); err != nil {
			return err
		}
	}
	if aux != q.aux {
		q.aux = aux
		if err := q.address(descAux, &q.aux); err != nil {
			return err
		}
	}
	q.alpha, q.beta = alpha, beta
	q.frame = [...]uintptr{
		q.b.handle, q.desc, uintptr(unsafe.Pointer(&q.alpha)), uintptr(w), q.a, uintptr(a), q.x, uintptr(unsafe.Pointer(&q.beta)),
		uintptr(c), q.d, uintptr(d), q.d, uintptr(unsafe.Pointer(&q.algo)), uintptr(q.work), q.need, q.b.c.stream,
	}
	if r := q.b.lib.call(ltMatmul, q.frame[:]...); r != 0 {
		return fmt.Errorf("product %v: %w", q.p, q.b.fail("run", r))
	}
	return nil
}

func (q *product) address(id uintptr, to *Ptr) error {
	q.set = [...]uintptr{q.desc, id, uintptr(unsafe.Pointer(to)), 8}
	if r := q.b.lib.call(ltDescSet, q.set[:]...); r != 0 {
		return q.b.fail("set an address", r)
	}
	return nil
}

// destroy gives the descriptors back; they are host memory.
func (q *product) destroy() {
	if q.desc != 0 {
		q.b.lib.call(ltDescDestroy, q.desc)
	}
	for _, l := range []uintptr{q.a, q.x, q.d} {
		if l != 0 {
			q.b.lib.call(ltLayoutDestroy, l)
		}
	}
	q.desc, q.a, q.x, q.d = 0, 0, 0, 0
}
