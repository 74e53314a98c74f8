package cu

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"
)

const (
	spProperty = iota
	spInit
	spDestroy
	spDense
	spStructured
	spMatDestroy
	spDesc
	spDescSet
	spSelect
	spSelectSet
	spSelectGet
	spSelectDestroy
	spPlan
	spPlanDestroy
	spWorkspace
	spSize
	spCompress
	spMatmul
)

var spLibrary = &description{
	name:    "cusparseLt",
	linux:   []string{"libcusparseLt.so.0"},
	windows: []string{"cusparseLt.dll"},
	places:  places,
	costs:   "2:4 weights run as dense ones: no gain from them",
	funcs: []string{
		spProperty: "cusparseLtGetProperty", spInit: "cusparseLtInit", spDestroy: "cusparseLtDestroy",
		spDense: "cusparseLtDenseDescriptorInit", spStructured: "cusparseLtStructuredDescriptorInit", spMatDestroy: "cusparseLtMatDescriptorDestroy",
		spDesc: "cusparseLtMatmulDescriptorInit", spDescSet: "cusparseLtMatmulDescSetAttribute",
		spSelect: "cusparseLtMatmulAlgSelectionInit", spSelectSet: "cusparseLtMatmulAlgSetAttribute", spSelectGet: "cusparseLtMatmulAlgGetAttribute",
		spSelectDestroy: "cusparseLtMatmulAlgSelectionDestroy?",
		spPlan:          "cusparseLtMatmulPlanInit", spPlanDestroy: "cusparseLtMatmulPlanDestroy", spWorkspace: "cusparseLtMatmulGetWorkspace",
		spSize: "cusparseLtSpMMACompressedSize2", spCompress: "cusparseLtSpMMACompress2", spMatmul: "cusparseLtMatmul",
	},
}

// sparse is cuSPARSELt on a card's stream.
type sparse struct {
	c      *card
	lib    *library
	handle opaque
	noise  noise
	closed bool
}

// opaque is one of the library's structs, which lie with the caller: 512 bytes in 0.8,
// 11024 before, aligned to 16. The library may keep pointers between them, so they
// live as long as what they are part of.
type opaque []byte

func newOpaque() opaque {
	const size, align = 16 << 10, 64
	b := make([]byte, size+align)
	off := -uintptr(unsafe.Pointer(&b[0])) & (align - 1)
	return b[off : off+size]
}

// NewSparse opens cuSPARSELt for a card that Open gave.
func NewSparse(d Driver) (Sparse, error) {
	c, ok := d.(*card)
	if !ok {
		return nil, fmt.Errorf("cuda: cusparseLt runs on a card that Open gave, not on %T", d)
	}
	lib, err := spLibrary.open(c.info.Driver / 1000)
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	s := &sparse{c: c, lib: lib, handle: newOpaque()}
	if err := c.within(func() error { return s.fail("start", lib.call(spInit, s.handle.at())) }); err != nil {
		return nil, err
	}
	return s, nil
}

// at is the struct's address. It lies on the heap and its owner keeps it.
func (o opaque) at() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(o))) }

func (s *sparse) fail(op string, code int) error {
	err := status("cusparseLt", op, code, sparseNames)
	if (code == 6 || code == 7) && !s.c.capturing {
		return errors.Join(err, s.c.Sync())
	}
	return err
}

func (s *sparse) Version() string { return spText(s.lib) }

// spText is the version of cuSPARSELt.
func spText(lib *library) string {
	var v [3]int32
	for i := range v { // libraryPropertyType: major, minor, patch
		if lib.call(spProperty, uintptr(i), uintptr(unsafe.Pointer(&v[i]))) != 0 {
			return ""
		}
	}
	return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
}

func (s *sparse) Prepare2of4(p Product) (Prepared, int64, error) {
	if s.c.capturing {
		return nil, 0, errors.New("cuda: cusparseLt: prepare it before a graph is recorded")
	}
	q, err := s.build(p)
	if err != nil {
		return nil, 0, err
	}
	if err := s.choose(q); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("2:4 product %v: %w", q.p, err), s.Release(q))
	}
	return q, q.packed, nil
}

func (s *sparse) Prepare2of4With(p Product, algo string) (Prepared, int64, error) {
	id, err := strconv.ParseUint(algo, 10, 16)
	if err != nil {
		return nil, 0, fmt.Errorf("cuda: 2:4 product %v: %q names no algorithm of cusparseLt", p, algo)
	}
	q, err := s.build(p)
	if err != nil {
		return nil, 0, err
	}
	if int(id) >= q.algos {
		err = fmt.Errorf("%w: algorithm %d of an earlier run is of another version of the library or another card", ErrUnsupported, id)
	} else {
		q.algo = int(id)
		_, err = q.with(q.standIn())
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("2:4 product %v: %w", q.p, err), s.Release(q))
	}
	return q, q.packed, nil
}

// choose takes the fastest algorithm of a large product, else the library's default.
func (s *sparse) choose(q *sparseProduct) error {
	if worthTiming(q.p) && q.algos > 1 {
		if err := s.fastest(q); err != nil {
			return err
		}
	}
	_, err := q.with(q.standIn())
	return err
}

// fastest tries every algorithm on scratch memory, as blas.fastest does, and takes the
// best. Where memory for it lacks, it takes the default.
func (s *sparse) fastest(q *sparseProduct) error {
	m := scratch{c: s.c, noise: &s.noise}
	defer m.release()
	p := q.p
	x, y, packed, w := m.take(BF16, p.spanA()), m.take(BF16, p.spanD()), m.bytes(q.packed), m.bytes(p.spanB()*2)
	if m.err == nil {
		m.err = s.c.repeat(w, halved(s.noise.of(BF16), p), p.spanB()*2)
	}
	if m.err == nil {
		m.err = s.Compress(q, w, packed)
	}
	if m.err != nil {
		if errors.Is(m.err, ErrOutOfMemory) {
			return nil
		}
		return m.err
	}
	var ways []*way
	var ids []int
	for id := range q.algos {
		w, err := q.plan(id, q.standIn())
		if err == nil {
			ways, ids = append(ways, w), append(ids, id)
		} else if !errors.As(err, new(*Error)) || errors.Is(err, ErrLost) {
			return err
		}
	}
	times, err := m.race(len(ways), p.Flops(), func(i int) error {
		return s.c.within(func() error { return q.run(ways[i], x, packed, y, 1, 0) })
	})
	if err != nil {
		return err
	}
	best := -1
	for i, t := range times {
		if t < 1e30 && (best < 0 || t < 0.98*times[best]) {
			best = i
		}
	}
	for i, w := range ways {
		if i == best {
			q.algo, q.ways = ids[i], []*way{w}
		} else {
			q.drop(w)
		}
	}
	return nil
}

// halved is noise that keeps two in each four along K.
func halved(noise []byte, p Product) []byte {
	b := append([]byte(nil), noise...)
	group := pick(p.TransB, 1, p.LDB) // values from one to the next along K
	for len(b) < 8*group {
		b = append(b, b...)
	}
	b = b[:len(b)/(8*group)*8*group]
	for i := 0; i < len(b); i += 2 {
		if i/2/group%4 >= 2 {
			b[i], b[i+1] = 0, 0
		}
	}
	return b
}

func (s *sparse) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.c.within(func() error { return s.fail("close", s.lib.call(spDestroy, s.handle.at())) })
}
