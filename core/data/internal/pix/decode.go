package pix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// slot is one of the 4096 slots of a decoding table: the symbol in the low 8
// bits, its frequency minus one in the next 12, the place of this slot within
// the symbol in the top 12.
type slot = uint32

type table [probs]slot

// readTables reads the frequencies of every context and spreads them out.
func readTables(b []byte) (*[Contexts]table, []byte, error) {
	var t [Contexts]table
	for c := range t {
		at := 0
		for s := 0; s < 256; s++ {
			f, k := binary.Uvarint(b)
			if k <= 0 {
				return nil, nil, fmt.Errorf("%w: table %d is cut short", errDamaged, c)
			}
			b = b[k:]
			if f == 0 {
				more, k := binary.Uvarint(b)
				if k <= 0 || more > uint64(255-s) {
					return nil, nil, fmt.Errorf("%w: table %d has more than 256 entries", errDamaged, c)
				}
				b = b[k:]
				s += int(more)
				continue
			}
			if f > uint64(probs-at) {
				return nil, nil, fmt.Errorf("%w: table %d adds up to more than %d", errDamaged, c, probs)
			}
			for i := range int(f) {
				t[c][at+i] = slot(s) | slot(f-1)<<8 | slot(i)<<20
			}
			at += int(f)
		}
		if at != probs {
			return nil, nil, fmt.Errorf("%w: table %d adds up to %d, not %d", errDamaged, c, at, probs)
		}
	}
	return &t, b, nil
}

// Decode unpacks a file in memory. It uses every core: chunks are independent.
// The result shares nothing with b. Errors name what is inconsistent; no input
// makes it panic or allocate more than 256 bytes per byte of b plus the tables.
func Decode(b []byte) (*Images, error) {
	h, p, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	labels := append([]byte(nil), p[:h.n]...)
	tabs, p, err := readTables(p[h.n:])
	if err != nil {
		return nil, err
	}
	streams := make([][]byte, 0, min(h.chunks(), len(p)/4))
	sizes := p
	if len(p) < 4*h.chunks() {
		return nil, fmt.Errorf("%w: the list of %d chunks is cut short", errDamaged, h.chunks())
	}
	p = p[4*h.chunks():]
	for i := range h.chunks() {
		n := uint64(binary.LittleEndian.Uint32(sizes[4*i:]))
		if n > uint64(len(p)) {
			return nil, fmt.Errorf("%w: chunk %d is cut short", errDamaged, i)
		}
		streams = append(streams, p[:n])
		p = p[n:]
	}
	if len(p) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errDamaged, len(p))
	}

	f := h.h * h.w
	out := &Images{H: h.h, W: h.w, Labels: labels, Pix: make([]byte, h.n*f)}
	errs := make([]error, len(streams))
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(streams))
	for k := range workers {
		wg.Go(func() {
			for i := k; i < len(streams); i += workers {
				lo, hi := i*h.chunk*f, min((i+1)*h.chunk, h.n)*f
				if err := decodeChunk(out.Pix[lo:hi], h.w, f, streams[i], tabs); err != nil {
					errs[i] = fmt.Errorf("%w: chunk %d: %w", errDamaged, i, err)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// decodeChunk fills pix, [n][f] with rows of w pixels, from one stream. Two
// images go side by side: while one waits for its table the other goes on.
func decodeChunk(pix []byte, w, f int, stream []byte, tabs *[Contexts]table) error {
	if len(stream) < 16 {
		return fmt.Errorf("no coder state")
	}
	x0, x1 := binary.LittleEndian.Uint64(stream), binary.LittleEndian.Uint64(stream[8:])
	in := stream[16:]
	r0, r1 := newRows(w), newRows(w)
	for ; len(pix) > 0; pix = pix[min(2*f, len(pix)):] {
		im0, im1 := pix[:f], make([]byte, 0)
		if len(pix) > f {
			im1 = pix[f : 2*f]
		}
		r0.clear()
		r1.clear()
		for y := 0; y < f; y += w {
			r0.next()
			r1.next()
			a0, a1 := r0.above[:w], r1.above[:w]
			n0, n1 := r0.n[:w+2], r1.n[:w+2]
			c0, c1 := r0.cur[:w+2], r1.cur[:w+2]
			w0, w1 := 0, 0
			for i := range a0 {
				nw0, n := int(n0[i]), int(n0[i+1])
				nw1, m := int(n1[i]), int(n1[i+1])
				ctx0 := context(a0[i], w0, nw0)
				ctx1 := context(a1[i], w1, nw1)
				e0 := tabs[ctx0][x0&(probs-1)]
				e1 := tabs[ctx1][x1&(probs-1)]
				w0 = int(byte(e0) + byte(median(w0, n, nw0)))
				w1 = int(byte(e1) + byte(median(w1, m, nw1)))
				x0 = uint64(e0>>8&(probs-1)+1)*(x0>>probBits) + uint64(e0>>20)
				x1 = uint64(e1>>8&(probs-1)+1)*(x1>>probBits) + uint64(e1>>20)
				c0[i+1], c1[i+1] = byte(w0), byte(w1)
				if x0 < lower {
					if len(in) < 4 {
						return errEarly
					}
					x0 = x0<<32 | uint64(binary.LittleEndian.Uint32(in))
					in = in[4:]
				}
				if x1 < lower {
					if len(in) < 4 {
						return errEarly
					}
					x1 = x1<<32 | uint64(binary.LittleEndian.Uint32(in))
					in = in[4:]
				}
			}
			copy(im0[y:], c0[1:w+1])
			if len(im1) > 0 {
				copy(im1[y:], c1[1:w+1])
			}
		}
	}
	if x0 != lower || x1 != lower || len(in) != 0 {
		return fmt.Errorf("the stream does not end where it should")
	}
	return nil
}

var errEarly = errors.New("the stream ends too early")
