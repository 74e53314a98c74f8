package pix

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Encode packs m in chunks of the given number of images. The same images
// give the same bytes everywhere.
func Encode(m *Images, chunk int) ([]byte, error) {
	f := m.H * m.W
	switch {
	case m.N() < 1 || m.H < 1 || m.W < 1 || m.H > maxSide || m.W > maxSide || uint64(m.N()) > math.MaxUint32:
		return nil, fmt.Errorf("cannot pack %d images of %d×%d: sides go from 1 to %d", m.N(), m.H, m.W, maxSide)
	case len(m.Pix) != m.N()*f:
		return nil, fmt.Errorf("cannot pack: %d labels but %d pixels, %d each", m.N(), len(m.Pix), f)
	case chunk < 1:
		return nil, fmt.Errorf("cannot pack in chunks of %d images", chunk)
	}
	chunk = min(chunk, m.N())

	// The model's view of every pixel: its table and its difference.
	ctxs := make([]byte, len(m.Pix))
	diff := make([]byte, len(m.Pix))
	var counts [Contexts][256]int
	for i := 0; i < len(m.Pix); i += f {
		model(m.Pix[i:i+f], m.W, ctxs[i:i+f], diff[i:i+f])
	}
	for i, c := range ctxs {
		counts[c][diff[i]]++
	}
	counts[zones-1][0]++ // for the black image that may fill a chunk up
	var freq, start [Contexts][256]int
	for c := range counts {
		freq[c] = normalise(&counts[c])
		at := 0
		for s, f := range freq[c] {
			start[c][s] = at
			at += f
		}
	}

	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.N()))
	b = binary.LittleEndian.AppendUint16(b, uint16(m.H))
	b = binary.LittleEndian.AppendUint16(b, uint16(m.W))
	b = binary.LittleEndian.AppendUint32(b, uint32(chunk))
	b = append(b, m.Labels...)
	for c := range freq {
		for s := 0; s < 256; s++ {
			b = binary.AppendUvarint(b, uint64(freq[c][s]))
			if freq[c][s] == 0 {
				more := 0
				for s+1 < 256 && freq[c][s+1] == 0 {
					s, more = s+1, more+1
				}
				b = binary.AppendUvarint(b, uint64(more))
			}
		}
	}
	var streams []byte
	for lo := 0; lo < len(m.Pix); lo += chunk * f {
		hi := min(lo+chunk*f, len(m.Pix))
		s := encodeChunk(ctxs[lo:hi], diff[lo:hi], f, &freq, &start)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		streams = append(streams, s...)
	}
	b = append(b, streams...)
	if len(m.Pix) > maxGain*len(b) {
		return nil, fmt.Errorf("cannot pack: the images are nearly empty (%d pixels would take %d bytes)", len(m.Pix), len(b))
	}
	return b, nil
}

// model writes the table and the difference of every pixel of one image.
func model(im []byte, w int, ctxs, diff []byte) {
	r := newRows(w)
	for y := 0; y < len(im); y += w {
		r.next()
		left := 0
		for i, v := range im[y : y+w] {
			n, nw := int(r.n[i+1]), int(r.n[i])
			ctxs[y+i] = context(r.above[i], left, nw)
			diff[y+i] = v - byte(median(left, n, nw))
			r.cur[i+1] = v
			left = int(v)
		}
	}
}

// normalise scales counts to frequencies that add up to 4096 and are at least
// 1 where the count is. An unused table gives everything to symbol 0.
func normalise(counts *[256]int) (f [256]int) {
	total := 0
	for _, c := range counts {
		total += c
	}
	if total == 0 {
		f[0] = probs
		return f
	}
	sum := 0
	for s, c := range counts {
		if c > 0 {
			f[s] = max(1, int(int64(c)*probs/int64(total)))
		}
		sum += f[s]
	}
	// Hand out what rounding left, or take back what the ones cost, where one
	// unit changes the length of the stream least.
	for ; sum < probs; sum++ {
		best, gain := -1, -1.0
		for s, c := range counts {
			if c > 0 {
				if g := float64(c) / float64(f[s]); g > gain {
					best, gain = s, g
				}
			}
		}
		f[best]++
	}
	for ; sum > probs; sum-- {
		best, loss := -1, math.Inf(1)
		for s, c := range counts {
			if f[s] > 1 {
				if l := float64(c) / float64(f[s]-1); l < loss {
					best, loss = s, l
				}
			}
		}
		f[best]--
	}
	return f
}

// encodeChunk runs the coder backwards over a chunk, as rANS wants it, and
// returns the stream in the order the decoder reads. Images have f pixels.
func encodeChunk(ctxs, diff []byte, f int, freq, start *[Contexts][256]int) []byte {
	x := [2]uint64{lower, lower}
	var words []uint32
	images := len(diff) / f
	for pair := (images - 1) / 2; pair >= 0; pair-- {
		for i := f - 1; i >= 0; i-- {
			for k := 1; k >= 0; k-- {
				c, s := uint8(zones-1), uint8(0) // of a black image
				if im := 2*pair + k; im < images {
					c, s = ctxs[im*f+i], diff[im*f+i]
				}
				fr := uint64(freq[c][s])
				if x[k] >= (lower>>probBits<<32)*fr {
					words = append(words, uint32(x[k]))
					x[k] >>= 32
				}
				x[k] = x[k]/fr<<probBits + x[k]%fr + uint64(start[c][s])
			}
		}
	}
	b := make([]byte, 0, 16+4*len(words))
	b = binary.LittleEndian.AppendUint64(b, x[0])
	b = binary.LittleEndian.AppendUint64(b, x[1])
	for i := len(words) - 1; i >= 0; i-- {
		b = binary.LittleEndian.AppendUint32(b, words[i])
	}
	return b
}
