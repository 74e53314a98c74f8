package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// dtypes in the order of the reference's enum: rising alignment. The writer
// sorts by it, descending. Bits, because F4 and F6 are smaller than a byte.
var dtypes = []struct {
	name string
	bits int64
}{
	{"BOOL", 8},
	{"F4", 4},
	{"F6_E2M3", 6},
	{"F6_E3M2", 6},
	{"U8", 8},
	{"I8", 8},
	{"F8_E5M2", 8},
	{"F8_E4M3", 8},
	{"F8_E8M0", 8},
	{"F8_E4M3FNUZ", 8},
	{"F8_E5M2FNUZ", 8},
	{"I16", 16},
	{"U16", 16},
	{"F16", 16},
	{"BF16", 16},
	{"I32", 32},
	{"U32", 32},
	{"F32", 32},
	{"C64", 64},
	{"F64", 64},
	{"I64", 64},
	{"U64", 64},
}

// rank is a dtype's position in dtypes, -1 when unknown.
func rank(dtype string) int {
	for i, d := range dtypes {
		if d.name == dtype {
			return i
		}
	}
	return -1
}

// byteSize is prod(shape)·itemsize in bytes.
func byteSize(dtype string, shape []int) (int64, error) {
	r := rank(dtype)
	if r < 0 {
		return 0, fmt.Errorf("unknown dtype %q: convert the tensor to F32 and save again", dtype)
	}
	bits := dtypes[r].bits
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative axis", shape)
		}
		if d > 0 && bits > (1<<63-1)/int64(d) {
			return 0, fmt.Errorf("shape %v overflows 64 bits", shape)
		}
		bits *= int64(d)
	}
	if bits%8 != 0 {
		return 0, fmt.Errorf("shape %v of %s is not a whole number of bytes", shape, dtype)
	}
	return bits / 8, nil
}

// entry is one tensor of the header.
type entry struct {
	name, dtype string
	shape       []int
	begin, end  int64
}

// parseHeader reads the JSON of a file whose data section has size bytes and
// returns its tensors in the order of their bytes. It walks tokens instead of
// unmarshalling into a map, because that would keep the last of two equal keys
// and match field names whatever their case.
func parseHeader(hdr []byte, size int64) ([]entry, map[string]string, error) {
	if len(hdr) == 0 || hdr[0] != '{' {
		return nil, nil, errors.New("the header does not start with {: this is not a safetensors file")
	}
	if !utf8.Valid(hdr) {
		return nil, nil, errors.New("the header is not valid UTF-8: the file is damaged, get it again")
	}
	p := parser{json.NewDecoder(bytes.NewReader(hdr))}
	p.d.UseNumber()
	var (
		entries []entry
		meta    map[string]string
		seen    = map[string]bool{}
	)
	err := p.object(func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q stands twice in the header: rename one and save again", key)
		}
		seen[key] = true
		if key == metaKey {
			var err error
			meta, err = p.meta()
			return err
		}
		e, err := p.entry(key, size)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	rest := hdr[p.d.InputOffset():]
	if len(bytes.TrimRight(rest, " ")) != 0 {
		return nil, nil, errors.New("something other than spaces follows the header's closing }: the file is damaged, get it again")
	}
	return entries, meta, tile(entries, size)
}

// tile sorts entries by their bytes and checks that they cover [0, size) once.
func tile(entries []entry, size int64) error {
	slices.SortStableFunc(entries, func(a, b entry) int {
		if a.begin != b.begin {
			return sign(a.begin - b.begin)
		}
		return sign(a.end - b.end)
	})
	at := int64(0)
	for _, e := range entries {
		if e.begin < at {
			return fmt.Errorf("tensor %q: its bytes %d:%d overlap the tensor before it, which ends at %d: save the file again", e.name, e.begin, e.end, at)
		}
		if e.begin > at {
			return fmt.Errorf("tensor %q: %d bytes before it belong to no tensor: save the file again", e.name, e.begin-at)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("the tensors end at byte %d of %d: save the file again", at, size)
	}
	return nil
}

func sign(d int64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// parser reads the three levels a header has; deeper JSON has no place in it
// and is refused where it starts, so nesting cannot grow.
type parser struct{ d *json.Decoder }

func (p parser) token() (json.Token, error) {
	t, err := p.d.Token()
	if err == io.EOF {
		return nil, errors.New("the header's JSON ends too early: the file is damaged, get it again")
	}
	if err != nil {
		return nil, fmt.Errorf("the header is not JSON (%w): the file is damaged, get it again", err)
	}
	return t, nil
}

func (p parser) delim(want json.Delim) error {
	t, err := p.token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("%v stands in the header where %v belongs", t, want)
	}
	return nil
}

// object calls field for each key; field must consume the value.
func (p parser) object(field func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.d.More() {
		t, err := p.token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v stands in the header where a name belongs", t)
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p parser) text() (string, error) {
	t, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%v stands where a string belongs", t)
	}
	return s, nil
}

// ints reads a list of integers ≥ 0.
func (p parser) ints() ([]int64, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	out := []int64{}
	for p.d.More() {
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		num, ok := t.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v stands where a number belongs", t)
		}
		n, err := strconv.ParseInt(num.String(), 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2^63-1", num)
		}
		out = append(out, n)
	}
	return out, p.delim(']')
}

func (p parser) meta() (map[string]string, error) {
	m := map[string]string{}
	err := p.object(func(key string) error {
		if _, dup := m[key]; dup {
			return fmt.Errorf("%s: %q stands twice", metaKey, key)
		}
		s, err := p.text()
		if err != nil {
			return fmt.Errorf("%s: %q: %w", metaKey, key, err)
		}
		m[key] = s
		return nil
	})
	return m, err
}

func (p parser) entry(name string, size int64) (entry, error) {
	e := entry{name: name}
	var offsets []int64
	var have [3]bool
	mark := func(i int, field string) error {
		if have[i] {
			return fmt.Errorf("%q stands twice", field)
		}
		have[i] = true
		return nil
	}
	err := p.object(func(field string) (err error) {
		switch field {
		case "dtype":
			if err = mark(0, field); err == nil {
				e.dtype, err = p.text()
			}
		case "shape":
			if err = mark(1, field); err == nil {
				e.shape, err = p.shape()
			}
		case "data_offsets":
			if err = mark(2, field); err == nil {
				offsets, err = p.ints()
			}
		default:
			return fmt.Errorf("unknown field %q: the file is of a newer format version", field)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		return nil
	})
	if err != nil {
		return e, err
	}
	if have != [3]bool{true, true, true} {
		return e, errors.New("needs dtype, shape and data_offsets")
	}
	if len(offsets) != 2 {
		return e, fmt.Errorf("data_offsets has %d numbers, needs 2", len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end || e.end > size {
		return e, fmt.Errorf("bytes %d:%d are not inside the %d bytes of data: the file was cut short, get it again", e.begin, e.end, size)
	}
	want, err := byteSize(e.dtype, e.shape)
	if err != nil {
		return e, err
	}
	if want != e.end-e.begin {
		return e, fmt.Errorf("%s of shape %v needs %d bytes but has %d: save the file again", e.dtype, e.shape, want, e.end-e.begin)
	}
	return e, nil
}

func (p parser) shape() ([]int, error) {
	n, err := p.ints()
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(n))
	for i, d := range n {
		if int64(int(d)) != d {
			return nil, fmt.Errorf("axis %d does not fit this machine's integers", d)
		}
		shape[i] = int(d)
	}
	return shape, nil
}
