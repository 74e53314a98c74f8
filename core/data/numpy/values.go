package numpy

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"pare/core/tensor"
)

// Bytes are the values of the sample that Next read, if IsBytes; valid until the next.
func (a *Array) Bytes() []byte { return a.row }

// Floats puts the values of the sample that Next read into dst [Item]. Large ones
// become infinite.
func (a *Array) Floats(dst []float32) {
	for i := range dst {
		b := a.row[i*a.width:]
		switch {
		case a.kind == 'f' && a.width == 2:
			dst[i] = tensor.Half(a.order.Uint16(b))
		case a.kind == 'f' && a.width == 4:
			dst[i] = math.Float32frombits(a.order.Uint32(b))
		case a.kind == 'f':
			dst[i] = float32(math.Float64frombits(a.order.Uint64(b)))
		case a.kind == 'i':
			dst[i] = float32(a.signed(b))
		default:
			dst[i] = float32(a.unsigned(b))
		}
	}
}

func (a *Array) unsigned(b []byte) uint64 {
	switch a.width {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(a.order.Uint16(b))
	case 4:
		return uint64(a.order.Uint32(b))
	}
	return a.order.Uint64(b)
}

func (a *Array) signed(b []byte) int64 {
	shift := 64 - 8*a.width
	return int64(a.unsigned(b)<<shift) >> shift
}

// Text is value i of the sample that Next read, in words: texts as they are, numbers as
// Go writes them, whole ones without a point.
func (a *Array) Text(i int) string {
	b := a.row[i*a.width : (i+1)*a.width]
	switch a.kind {
	case 'S':
		return strings.TrimRight(string(b), "\x00")
	case 'U':
		var t strings.Builder
		for ; len(b) > 0; b = b[4:] {
			c := a.order.Uint32(b)
			if c > utf8.MaxRune {
				c = utf8.RuneError
			}
			t.WriteRune(rune(c))
		}
		return strings.TrimRight(t.String(), "\x00")
	case 'i':
		return strconv.FormatInt(a.signed(b), 10)
	case 'f':
		var v [1]float32
		one := Array{row: b, kind: 'f', width: a.width, order: a.order}
		if a.width == 8 {
			return number(math.Float64frombits(a.order.Uint64(b)), 64)
		}
		one.Floats(v[:])
		return number(float64(v[0]), 32)
	}
	return strconv.FormatUint(a.unsigned(b), 10)
}

func number(v float64, bits int) string { return strconv.FormatFloat(v, 'g', -1, bits) }
