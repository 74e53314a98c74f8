// Package npy reads NumPy's .npy files (format versions 1 to 3, C order,
// little-endian numbers). It imports nothing of ours.
package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var field = regexp.MustCompile(`'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([^)]*\))`)

// Parse returns the shape and the values as float32.
func Parse(b []byte) ([]int, []float32, error) {
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		return nil, nil, fmt.Errorf("not a .npy file")
	}
	n, start := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] >= 2 {
		if len(b) < 12 {
			return nil, nil, fmt.Errorf("truncated .npy header")
		}
		n, start = int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	if b[6] < 1 || b[6] > 3 || n < 0 || n > len(b)-start {
		return nil, nil, fmt.Errorf("damaged .npy header")
	}
	var descr, order, shape string
	for _, m := range field.FindAllStringSubmatch(string(b[start:start+n]), -1) {
		switch m[1] {
		case "descr":
			descr = strings.Trim(m[2], "'")
		case "fortran_order":
			order = m[2]
		case "shape":
			shape = strings.Trim(m[2], "()")
		}
	}
	if order != "False" {
		return nil, nil, fmt.Errorf(".npy file is not in C order: save it with np.ascontiguousarray")
	}
	dims := []int{}
	data := b[start+n:]
	count := 1
	for _, s := range strings.Split(shape, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		d, err := strconv.Atoi(s)
		if err != nil || d < 1 || count > len(data)/max(d, 1) {
			return nil, nil, fmt.Errorf(".npy shape (%s) does not fit %d bytes of data", shape, len(data))
		}
		count *= d
		dims = append(dims, d)
	}
	read, size := reader(descr)
	if read == nil {
		return nil, nil, fmt.Errorf(".npy values of type %q: save them as float32", descr)
	}
	if len(data) != count*size {
		return nil, nil, fmt.Errorf(".npy shape (%s) of %s needs %d bytes, the file has %d", shape, descr, count*size, len(data))
	}
	x := make([]float32, count)
	for i := range x {
		x[i] = read(data[i*size:])
	}
	return dims, x, nil
}

func reader(descr string) (func([]byte) float32, int) {
	le := binary.LittleEndian
	switch descr {
	case "<f4":
		return func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }, 4
	case "<f8":
		return func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) }, 8
	case "|u1":
		return func(b []byte) float32 { return float32(b[0]) }, 1
	case "<i4":
		return func(b []byte) float32 { return float32(int32(le.Uint32(b))) }, 4
	case "<i8":
		return func(b []byte) float32 { return float32(int64(le.Uint64(b))) }, 8
	}
	return nil, 0
}
