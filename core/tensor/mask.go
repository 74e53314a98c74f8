package tensor

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Mask says which elements of a tensor are kept: a bitset over its row-major
// elements, 1 = kept. A nil *Mask keeps everything.
type Mask struct {
	Bits []uint64
	N    int // elements
}

// NewMask returns a mask over n elements that keeps all of them.
func NewMask(n int) *Mask {
	m := &Mask{Bits: make([]uint64, (n+63)/64), N: n}
	for i := range m.Bits {
		m.Bits[i] = ^uint64(0)
	}
	if r := n % 64; r != 0 {
		m.Bits[len(m.Bits)-1] = 1<<r - 1
	}
	return m
}

// MaskOfZeros keeps what is not zero; nil when nothing is.
func MaskOfZeros(x []float32) *Mask {
	m := NewMask(len(x))
	for i, v := range x {
		if v == 0 {
			m.Drop(i)
		}
	}
	if m.Zeros() == 0 {
		return nil
	}
	return m
}

// Kept reports whether element i stays.
func (m *Mask) Kept(i int) bool { return m == nil || m.Bits[i>>6]>>(i&63)&1 == 1 }

// Word holds elements i…i+63, the lowest bit first: 1 is kept, and past the end 0.
func (m *Mask) Word(i int) uint64 {
	w, at := i>>6, i&63
	x := m.Bits[w] >> at
	if at > 0 && w+1 < len(m.Bits) {
		x |= m.Bits[w+1] << (64 - at)
	}
	return x
}

// Drop removes element i.
func (m *Mask) Drop(i int) { m.Bits[i>>6] &^= 1 << (i & 63) }

// Keep puts element i back.
func (m *Mask) Keep(i int) { m.Bits[i>>6] |= 1 << (i & 63) }

// Count is the number of kept elements.
func (m *Mask) Count() int {
	n := 0
	for _, w := range m.Bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// Zeros is the number of removed elements; 0 for a nil mask.
func (m *Mask) Zeros() int {
	if m == nil {
		return 0
	}
	return m.N - m.Count()
}

// Clone returns an independent copy; nil stays nil.
func (m *Mask) Clone() *Mask {
	if m == nil {
		return nil
	}
	return &Mask{Bits: append([]uint64(nil), m.Bits...), N: m.N}
}

// Equal reports whether both masks keep the same elements. A nil mask equals
// one that keeps everything.
func (m *Mask) Equal(o *Mask) bool {
	switch {
	case m == nil && o == nil:
		return true
	case m == nil:
		return o.Zeros() == 0
	case o == nil:
		return m.Zeros() == 0
	case m.N != o.N:
		return false
	}
	for i := range m.Bits {
		if m.Bits[i] != o.Bits[i] {
			return false
		}
	}
	return true
}

// Hash identifies the mask: SHA-256 over the element count and the bitset,
// little endian, first 16 hex digits; "" for a nil mask.
func (m *Mask) Hash() string {
	if m == nil {
		return ""
	}
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(m.N))
	h.Write(b[:])
	for _, w := range m.Bits {
		binary.LittleEndian.PutUint64(b[:], w)
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Apply sets every removed element of x to zero (+0, also where x held NaN).
func (m *Mask) Apply(x []float32) {
	if m == nil {
		return
	}
	for i := range x {
		if m.Bits[i>>6]>>(i&63)&1 == 0 {
			x[i] = 0
		}
	}
}

// Bytes is the bitset as little-endian bytes, ⌈N/8⌉ of them, bit i of the
// tensor in bit i%8 of byte i/8.
func (m *Mask) Bytes() []byte {
	b := make([]byte, len(m.Bits)*8)
	for i, w := range m.Bits {
		binary.LittleEndian.PutUint64(b[i*8:], w)
	}
	return b[:(m.N+7)/8]
}

// MaskFromBytes is the inverse of Bytes. It returns nil when b has the wrong
// length or sets bits past n.
func MaskFromBytes(b []byte, n int) *Mask {
	if n < 0 || len(b) != (n+7)/8 {
		return nil
	}
	m := &Mask{Bits: make([]uint64, (n+63)/64), N: n}
	for i, v := range b {
		m.Bits[i>>3] |= uint64(v) << (8 * (i & 7))
	}
	if r := n % 64; r != 0 && m.Bits[len(m.Bits)-1]>>r != 0 {
		return nil
	}
	return m
}
