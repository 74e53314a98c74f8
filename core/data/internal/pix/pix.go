// Package pix packs sets of small grey images without loss, about a fifth
// smaller than gzip does and faster to unpack. It owns that one format and
// imports nothing of ours; core/data reads it, core/data/internal/subset
// writes it.
//
// # The format
//
// Integers are little endian; uvarint is encoding/binary's.
//
//	"pixpack1"
//	uint32 N, uint16 H, uint16 W     images, rows, columns
//	uint32 chunk                     images in a chunk
//	N bytes                          labels
//	Contexts tables                  256 frequencies that add up to 4096, as
//	                                 uvarint; a 0 is followed by the uvarint
//	                                 number of further zeros
//	⌈N/chunk⌉ × uint32               bytes of each chunk's stream
//	the streams
//
// A pixel is coded as its difference (mod 256) from a guess made of its
// neighbours left and above, the median predictor of JPEG-LS (Weinberger,
// Seroussi and Sapiro, "The LOCO-I lossless image compression algorithm", IEEE
// Trans. Image Processing 9(8), 2000). Which of the tables codes it depends on how much the
// neighbourhood varies and on which neighbours are background. The coder is
// rANS (Duda, arXiv:1311.2540) with two states, one for the images 0, 2, 4, … of
// a chunk and one for 1, 3, 5, … (a black image is added to an odd number),
// pixel by pixel in turn. A stream is the final states of the encoder, 8 bytes
// each, and then the 32-bit words in the order the decoder wants them. A stream
// that was read to its end leaves the states it started from, so nearly all
// damage is noticed; who needs certainty keeps a checksum of the file.
package pix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	magic = "pixpack1"
	// Contexts is the number of frequency tables.
	Contexts = levels * zones

	levels = 9 // of variation around the pixel
	zones  = 5 // which neighbours are background

	probBits = 12
	probs    = 1 << probBits
	lower    = 1 << 31 // smallest state of the coder between symbols

	// maxGain bounds what a file may claim to unpack to, in bytes of pixels
	// per byte of file, so that a damaged header cannot ask for all memory.
	// Photographs and drawings stay under 10.
	maxGain = 256
	// maxSide bounds H and W.
	maxSide = 1024
)

// Images is a set of grey images.
type Images struct {
	H, W   int
	Pix    []byte // [N][H][W]
	Labels []byte // [N]
}

// N is the number of images.
func (m *Images) N() int { return len(m.Labels) }

// errDamaged is what every inconsistency of a stream comes down to.
var errDamaged = errors.New("packed images are damaged")

// contextOf is the table of a pixel, by which of its neighbours are zero (left,
// above, above left, above right: bits 10 to 13) and by variation (below). It
// stands for branches on pixels, which a decoder would wait for.
//
// Zones: none of left and above is zero, left is, above is, both, all four
// neighbours. Levels of variation, a sum of three differences of bytes: none,
// up to 3, up to 7, up to 15, … and 256 or more.
var contextOf [16 << 10]uint8

func init() {
	for i := range contextOf {
		zone := i >> 10 & 3
		if i>>10 == 15 {
			zone = 4
		}
		level := 0
		if a := i & 1023; a > 0 {
			level = min(max(bits.Len(uint(a))-1, 1), levels-1)
		}
		contextOf[i] = uint8(level*zones + zone)
	}
}

// rows are what the pixels of a row are guessed from.
type rows struct {
	n, cur []byte   // [w+2] the row above and this one, a zero on each side
	above  []uint16 // [w] what the row above adds to the context
}

func newRows(w int) rows {
	return rows{make([]byte, w+2), make([]byte, w+2), make([]uint16, w)}
}

// clear starts an image.
func (r *rows) clear() {
	clear(r.n)
	clear(r.cur)
}

// next moves one row down: fills in above, and leaves cur to be written.
func (r *rows) next() {
	r.n, r.cur = r.cur, r.n
	nw, n := int(r.n[0]), int(r.n[1])
	for i, b := range r.n[2:] {
		ne := int(b)
		r.above[i] = uint16(isZero(n)<<11 | isZero(nw)<<12 | isZero(ne)<<13 | (abs(n-nw) + abs(n-ne)))
		nw, n = n, ne
	}
}

// context is the table of the pixel right of w and below-right of nw.
func context(above uint16, w, nw int) uint8 {
	return contextOf[(int(above)+isZero(w)<<10+abs(w-nw))&(len(contextOf)-1)]
}

// median predicts a pixel from its neighbours left, above, and between those.
func median(w, n, nw int) int { return min(max(w+n-nw, min(w, n)), max(w, n)) }

// isZero is 1 for 0 and 0 for other bytes.
func isZero(a int) int { return int(uint(a-1) >> (bits.UintSize - 1)) }

func abs(a int) int {
	s := a >> (bits.UintSize - 1)
	return (a ^ s) - s
}

// header is what stands before the tables.
type header struct{ n, h, w, chunk int }

func (h header) chunks() int { return (h.n + h.chunk - 1) / h.chunk }

func readHeader(b []byte) (header, []byte, error) {
	const size = len(magic) + 4 + 2 + 2 + 4
	if len(b) < size || string(b[:len(magic)]) != magic {
		return header{}, nil, fmt.Errorf("%w: no %q at the start", errDamaged, magic)
	}
	p := b[len(magic):]
	n := int64(binary.LittleEndian.Uint32(p))
	h := int64(binary.LittleEndian.Uint16(p[4:]))
	w := int64(binary.LittleEndian.Uint16(p[6:]))
	chunk := int64(binary.LittleEndian.Uint32(p[8:]))
	p = p[12:]
	switch {
	case n < 1 || h < 1 || w < 1 || h > maxSide || w > maxSide || chunk < 1 || chunk > n:
		return header{}, nil, fmt.Errorf("%w: %d images of %d×%d in chunks of %d", errDamaged, n, h, w, chunk)
	case n > int64(len(p)) || n*h*w > maxGain*int64(len(b)):
		return header{}, nil, fmt.Errorf("%w: %d bytes cannot hold %d images of %d×%d", errDamaged, len(b), n, h, w)
	}
	return header{int(n), int(h), int(w), int(chunk)}, p, nil
}
