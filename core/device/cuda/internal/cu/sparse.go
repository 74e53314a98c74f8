package cu

import (
	"errors"
	"fmt"
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
	spSearch
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
		spSize: "cusparseLtSpMMACompressedSize2", spCompress: "cusparseLtSpMMACompress2", spMatmul: "cusparseLtMatmul", spSearch: "cusparseLtMatmulSearch?",
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
