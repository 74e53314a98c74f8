package cufake

import (
	"encoding/binary"
	"unsafe"

	"pare/core/device/cuda/internal/cu"
)

// The fake's layout of packed weights is its own: the values of tiles of 16 columns by 16
// of K, the later columns of a tile first, a filling of 0x55 behind each tile, and behind
// all values the places, four bits for each group of four.

// fill is the filling behind a tile, bytes.
const fill = 4

// packBytes is what the pack of an N×K weight takes.
func packBytes(p cu.Product) int64 {
	tiles := int64(p.N/16) * int64(p.K/16)
	return tiles*(16*16+fill) + int64(p.N)*int64(p.K)/8
}

// pack packs w. The lock is held.
func (c *Card) pack(p cu.Product, w, to cu.Ptr) error {
	from, err := c.at(w, 2*int64(p.N)*int64(p.K))
	if err != nil {
		return err
	}
	out, err := c.at(to, packBytes(p))
	if err != nil {
		return err
	}
	if c.packs++; !c.Unsteady {
		c.packs = 0
	}
	at := func(n, k int) uint16 {
		i := n*p.K + k
		if !p.TransB {
			i = k*p.N + n
		}
		return binary.LittleEndian.Uint16(from[2*i:])
	}
	tiles := p.N / 16 * (p.K / 16)
	places := out[tiles*(16*16+fill):]
	clear(places[:p.N*p.K/8])
	for tile := range tiles {
		n0, k0 := tile/(p.K/16)*16, tile%(p.K/16)*16
		values := out[tile*(16*16+fill):]
		for g := range 64 {
			n, k := n0+15-g%16, k0+(g/16+c.packs)%4*4
			a, b := kept(at(n, k), at(n, k+1), at(n, k+2), at(n, k+3))
			binary.LittleEndian.PutUint16(values[4*g:], at(n, k+a))
			binary.LittleEndian.PutUint16(values[4*g+2:], at(n, k+b))
			places[(64*tile+g)/2] |= byte(a|b<<2) << (g % 2 * 4)
		}
		for i := range fill {
			values[256+i] = 0x55
		}
	}
	return nil
}

// kept are the places of the first two of four that are not zero, or of zeros.
func kept(v ...uint16) (a, b int) {
	var l [8]int
	n := 0
	for _, zero := range []bool{false, true} {
		for i, x := range v {
			if (x&0x7fff == 0) == zero {
				l[n] = i
				n++
			}
		}
	}
	return min(l[0], l[1]), max(l[0], l[1])
}

// packKernels do what kernels/pack.cu does. They read their arguments when they are queued.
var packKernels = map[string]func(c *Card, args []unsafe.Pointer) func() error{
	"pack_codes": func(c *Card, args []unsafe.Pointer) func() error {
		n, w, mask, masked, pass := arg[int64](args, 0), arg[cu.Ptr](args, 1), arg[cu.Ptr](args, 2), arg[int64](args, 3), arg[int32](args, 4)
		return func() error {
			to, err := half(c, w, n)
			if err != nil {
				return err
			}
			m, err := c.at(mask, masked)
			for i := range to {
				if to[i] = 0; int64(i) < masked && m[i] != 0 {
					digit := uint16(i>>(14*pass)) & 0x3fff
					to[i] = digit&0x1fff + 0x2000<<pass + digit>>13<<15
				}
			}
			return err
		}
	},
	"pack_learn": func(c *Card, args []unsafe.Pointer) func() error {
		n, table, packed, pass := arg[int64](args, 0), arg[cu.Ptr](args, 1), arg[cu.Ptr](args, 2), arg[int32](args, 3)
		return func() error {
			t, err := words(c, table, n)
			if err != nil {
				return err
			}
			p, err := half(c, packed, n)
			for i := range p {
				a, b := t[i], uint32(p[i])
				coded := func(bits, from uint32) bool { return bits&0x7fff >= from && bits&0x7fff < from+0x2000 }
				digit := func(bits uint32) uint32 { return bits&0x1fff | bits>>15<<13 }
				switch {
				case pass == 0:
					t[i] = b
				case coded(a, 0x2000) && coded(b, 0x4000):
					t[i] = digit(a) | digit(b)<<14
				default:
					t[i] = 1<<31 | b
				}
			}
			return err
		}
	},
	"pack_sample": func(c *Card, args []unsafe.Pointer) func() error {
		n, to, w, mask, masked := arg[int64](args, 0), arg[cu.Ptr](args, 1), arg[cu.Ptr](args, 2), arg[cu.Ptr](args, 3), arg[int64](args, 4)
		return func() error {
			d, err := half(c, to, n)
			if err != nil {
				return err
			}
			s, err := half(c, w, masked)
			if err != nil {
				return err
			}
			m, err := c.at(mask, masked)
			for i := range d {
				if d[i] = 0; int64(i) < masked && m[i] != 0 {
					if d[i] = s[i]; s[i]&0x7f80 == 0 {
						d[i] = 0x3f00 | uint16(uint32(i)*2654435761>>24)
					}
				}
			}
			return err
		}
	},
	"pack_gather": func(c *Card, args []unsafe.Pointer) func() error {
		n, packed, table, w := arg[int64](args, 0), arg[cu.Ptr](args, 1), arg[cu.Ptr](args, 2), arg[cu.Ptr](args, 3)
		return func() error {
			p, err := half(c, packed, n)
			if err != nil {
				return err
			}
			t, err := words(c, table, n)
			if err != nil {
				return err
			}
			b, err := c.at(w, 0)
			v := unsafe.Slice((*uint16)(unsafe.Pointer(&b[0])), len(b)/2)
			for i := range t {
				switch {
				case t[i]>>31 != 0:
					p[i] = uint16(t[i])
				case int(t[i]) < len(v):
					p[i] = v[t[i]]
				default:
					return c.stray(w+cu.Ptr(2*t[i]), 2)
				}
			}
			return err
		}
	},
	"pack_differs": func(c *Card, args []unsafe.Pointer) func() error {
		n, a, b, flag := arg[int64](args, 0), arg[cu.Ptr](args, 1), arg[cu.Ptr](args, 2), arg[cu.Ptr](args, 3)
		return func() error {
			x, err := half(c, a, n)
			if err != nil {
				return err
			}
			y, err := half(c, b, n)
			if err != nil {
				return err
			}
			f, err := words(c, flag, 1)
			for i := range y {
				if x[i] != y[i] {
					f[0] = 1
				}
			}
			return err
		}
	},
}

func arg[T any](args []unsafe.Pointer, i int) T { return *(*T)(args[i]) }

// half and words are n values at p. The lock is held.
func half(c *Card, p cu.Ptr, n int64) ([]uint16, error)  { return values[uint16](c, p, n) }
func words(c *Card, p cu.Ptr, n int64) ([]uint32, error) { return values[uint32](c, p, n) }

func values[T any](c *Card, p cu.Ptr, n int64) ([]T, error) {
	size := int64(unsafe.Sizeof(*new(T)))
	b, err := c.at(p, size*n)
	if err != nil || n == 0 {
		return nil, err
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n), nil
}
