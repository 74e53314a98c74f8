// Package numpy reads arrays of NumPy's .npy format, versions 1 to 3
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), sample
// by sample: along their first axis. It owns that format and imports core/tensor alone.
//
// Numbers are bool, int8 … int64, uint8 … uint64, float16, float32 and float64, in
// either byte order, texts those of kind S (bytes) and U (characters). Arrays in C order
// are read as they come; one in Fortran order is held in memory. Files of Python
// objects are refused: to read them is to run what stands in them.
//
// What a header promises is checked against what its file can hold before anybody
// allocates.
package numpy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"
)

const (
	maxHeader = 1 << 20
	maxRank   = 32
	// maxItem bounds one sample, in bytes.
	maxItem = 1 << 26
)

// Array reads one array.
type Array struct {
	Name  string // for messages
	Shape []int  // Shape[0] is the number of samples
	Type  string // as NumPy calls it, such as float32

	r     io.Reader
	kind  byte // b i u f S U
	width int  // bytes of an element
	order binary.ByteOrder
	whole []byte // of an array in Fortran order
	at    int    // samples read
	row   []byte
}

// New reads the header of an array that takes size bytes with it. limit is how many
// an array in Fortran order may take.
func New(r io.Reader, size, limit int64, name string) (*Array, error) {
	a := &Array{Name: name, r: r}
	h, used, err := a.header()
	if err != nil {
		return nil, err
	}
	if err := a.element(h.descr); err != nil {
		return nil, err
	}
	if len(h.shape) == 0 {
		return nil, fmt.Errorf("%s: is a single value, not an array with a first axis of samples", name)
	}
	need, item := uint64(a.width), uint64(a.width)
	for i, n := range h.shape {
		hi, lo := bits.Mul64(need, uint64(n))
		if hi != 0 || lo > 1<<62 {
			return nil, fmt.Errorf("%s: its header (%s) promises more bytes than can exist: the file is damaged", name, Sizes(h.shape))
		}
		need = lo
		if i > 0 {
			if item *= uint64(n); n == 0 || item > maxItem { // n ≤ 2^31, item ≤ 2^26 before
				return nil, fmt.Errorf("%s: samples of shape %s: one has from 1 to %d bytes", name, Sizes(h.shape), maxItem)
			}
		}
	}
	if h.shape[0] == 0 {
		return nil, fmt.Errorf("%s: holds no samples", name)
	}
	if left := size - used; uint64(left) != need {
		return nil, fmt.Errorf("%s: its header (%s of %s) promises %d bytes, %d follow: save or fetch it again", name, a.Type, Sizes(h.shape), need, left)
	}
	a.Shape, a.row = h.shape, make([]byte, item)
	if h.fortran && len(h.shape) > 1 {
		if int64(need) > limit {
			return nil, fmt.Errorf("%s: is in Fortran order and takes more than the %d MiB that may be held in memory: save it with np.ascontiguousarray", name, limit>>20)
		}
		if a.whole, err = io.ReadAll(io.LimitReader(r, int64(need))); err != nil {
			return nil, a.broken(err)
		}
		if uint64(len(a.whole)) != need {
			return nil, a.broken(io.ErrUnexpectedEOF)
		}
	}
	return a, nil
}

// N is the number of samples, Item the values of one.
func (a *Array) N() int    { return a.Shape[0] }
func (a *Array) Item() int { return len(a.row) / a.width }

// IsText says whether elements are texts.
func (a *Array) IsText() bool { return a.kind == 'S' || a.kind == 'U' }

// IsBytes says whether elements are unsigned bytes.
func (a *Array) IsBytes() bool { return a.kind == 'u' && a.width == 1 }

// Next reads the next sample, in C order; io.EOF after the last.
func (a *Array) Next() error {
	switch {
	case a.at == a.N():
		var b [1]byte
		if _, err := a.r.Read(b[:]); err != nil && !errors.Is(err, io.EOF) {
			return a.broken(err) // such as a checksum that is wrong
		}
		return io.EOF
	case a.whole != nil:
		a.gather()
	default:
		if _, err := io.ReadFull(a.r, a.row); err != nil {
			return a.broken(err)
		}
	}
	a.at++
	return nil
}

// gather picks a sample out of an array in Fortran order: the first axis is the
// fastest there, the last the slowest.
func (a *Array) gather() {
	w := a.width
	index := make([]int, len(a.Shape)) // of axes 1 …
	for k := 0; k < len(a.row); k += w {
		from, stride := a.at, a.Shape[0]
		for i := 1; i < len(a.Shape); i++ {
			from += index[i] * stride
			stride *= a.Shape[i]
		}
		copy(a.row[k:k+w], a.whole[from*w:])
		for i := len(a.Shape) - 1; i > 0; i-- {
			if index[i]++; index[i] < a.Shape[i] {
				break
			}
			index[i] = 0
		}
	}
}

func (a *Array) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if len(a.Shape) < 2 {
			return fmt.Errorf("%s: is cut short: it ends in value %d: fetch it again", a.Name, a.at+1)
		}
		return fmt.Errorf("%s: is cut short: it ends in sample %d of %s: fetch it again", a.Name, a.at+1, Sizes(a.Shape))
	}
	return fmt.Errorf("%s: cannot be read: %w", a.Name, err)
}

// header is what stands in front of the values.
type header struct {
	descr   string
	fortran bool
	shape   []int
}

// header reads magic, version and the dictionary; used are the bytes of all that.
func (a *Array) header() (h header, used int64, err error) {
	var b [12]byte
	if _, err := io.ReadFull(a.r, b[:10]); err != nil || string(b[:6]) != "\x93NUMPY" {
		return h, 0, fmt.Errorf("%s: is not a .npy file: it does not start as one", a.Name)
	}
	n, used := int(binary.LittleEndian.Uint16(b[8:])), int64(10)
	switch b[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(a.r, b[10:]); err != nil {
			return h, 0, a.broken(err)
		}
		n, used = int(binary.LittleEndian.Uint32(b[8:])), 12
	default:
		return h, 0, fmt.Errorf("%s: is of version %d of the .npy format: 1 to 3 are read", a.Name, b[6])
	}
	if n > maxHeader {
		return h, 0, fmt.Errorf("%s: has a header of %d bytes: the file is damaged", a.Name, n)
	}
	text, err := io.ReadAll(io.LimitReader(a.r, int64(n)))
	if err == nil && len(text) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return h, 0, a.broken(err)
	}
	if h, err = parse(string(text)); err != nil {
		return h, 0, fmt.Errorf("%s: has a damaged header: %w", a.Name, err)
	}
	return h, used + int64(n), nil
}

// element understands NumPy's name of a type.
func (a *Array) element(descr string) error {
	a.order = binary.LittleEndian
	d := descr
	if d != "" && strings.IndexByte("<>|=", d[0]) >= 0 {
		if d[0] == '>' {
			a.order = binary.BigEndian
		}
		d = d[1:]
	}
	if d == "" {
		return fmt.Errorf("%s: has a damaged header: no type", a.Name)
	}
	n, err := strconv.Atoi(d[1:])
	a.kind = d[0]
	switch ok := err == nil && n > 0; {
	case a.kind == 'O':
		return fmt.Errorf("%s: holds Python objects: save it as an array of numbers, e.g. x.astype(\"float32\")", a.Name)
	case ok && a.kind == 'b' && n == 1:
		a.width, a.Type = 1, "bool"
	case ok && a.kind == 'f' && (n == 2 || n == 4 || n == 8):
		a.width, a.Type = n, "float"+strconv.Itoa(8*n)
	case ok && (a.kind == 'i' || a.kind == 'u') && (n == 1 || n == 2 || n == 4 || n == 8):
		a.width, a.Type = n, "int"+strconv.Itoa(8*n)
		if a.kind == 'u' {
			a.Type = "u" + a.Type
		}
	case ok && a.kind == 'S' && n <= 1<<16:
		a.width, a.Type = n, "text"
	case ok && a.kind == 'U' && n <= 1<<16:
		a.width, a.Type = 4*n, "text"
	default:
		return fmt.Errorf("%s: has values of type %q: save it as float32, an integer type or text", a.Name, descr)
	}
	return nil
}

// Sizes writes a shape as people do: 60000×28×28.
func Sizes(dims []int) string {
	p := make([]string, len(dims))
	for i, n := range dims {
		p[i] = strconv.Itoa(n)
	}
	return strings.Join(p, "×")
}
