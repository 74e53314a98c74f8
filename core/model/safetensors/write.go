package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// FromFloat32 makes an F32 tensor; x is copied. A length that does not follow
// from the shape is reported by Write.
func FromFloat32(name string, shape []int, x []float32) Tensor {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return Tensor{Name: name, DType: "F32", Shape: slices.Clone(shape), Data: b}
}

// FromUint8 makes a U8 tensor; x is copied.
func FromUint8(name string, shape []int, x []uint8) Tensor {
	return Tensor{Name: name, DType: "U8", Shape: slices.Clone(shape), Data: append([]byte{}, x...)}
}

// FromInt32 makes an I32 tensor; x is copied.
func FromInt32(name string, shape []int, x []int32) Tensor {
	b := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return Tensor{Name: name, DType: "I32", Shape: slices.Clone(shape), Data: b}
}

// FromInt64 makes an I64 tensor; x is copied.
func FromInt64(name string, shape []int, x []int64) Tensor {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return Tensor{Name: name, DType: "I64", Shape: slices.Clone(shape), Data: b}
}

// FromUint64 makes a U64 tensor; x is copied.
func FromUint64(name string, shape []int, x []uint64) Tensor {
	b := make([]byte, 0, 8*len(x))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return Tensor{Name: name, DType: "U64", Shape: slices.Clone(shape), Data: b}
}

// Marshal is Write into memory.
func Marshal(tensors []Tensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	if err := Write(&b, tensors, meta); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Write writes one file. Tensors are ordered by dtype (largest alignment
// first), then by name, and the header is padded with spaces so that the data
// starts at a multiple of 8: equal tensors give equal bytes, whatever their
// order in the argument, and the same bytes as the reference writer. The
// argument is not changed.
func Write(w io.Writer, tensors []Tensor, meta map[string]string) error {
	if err := write(w, tensors, meta); err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

func write(w io.Writer, tensors []Tensor, meta map[string]string) error {
	ts := slices.Clone(tensors)
	for i := range ts {
		if _, err := ts[i].size(); err != nil {
			return err
		}
		if ts[i].Name == metaKey || !utf8.ValidString(ts[i].Name) {
			return fmt.Errorf("tensor %q: this name cannot be written, rename it", ts[i].Name)
		}
	}
	slices.SortFunc(ts, func(a, b Tensor) int {
		if d := rank(b.DType) - rank(a.DType); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	hdr, err := header(ts, meta)
	if err != nil {
		return err
	}
	if _, err := w.Write(hdr); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	for _, t := range ts {
		b, err := t.bytes()
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("writing tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// header encodes the length and the JSON of tensors already in file order.
func header(ts []Tensor, meta map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(meta) > 0 {
		keys := make([]string, 0, len(meta))
		for k, v := range meta {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("metadata %q: is not valid UTF-8", k)
			}
			keys = append(keys, k)
		}
		slices.Sort(keys)
		quote(&b, metaKey)
		b.WriteString(":{")
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			quote(&b, k)
			b.WriteByte(':')
			quote(&b, meta[k])
		}
		b.WriteByte('}')
	}
	at := int64(0)
	seen := make(map[string]bool, len(ts))
	for i, t := range ts {
		if seen[t.Name] {
			return nil, fmt.Errorf("tensor %q: is given twice, rename one", t.Name)
		}
		seen[t.Name] = true
		if i > 0 || len(meta) > 0 {
			b.WriteByte(',')
		}
		quote(&b, t.Name)
		fmt.Fprintf(&b, `:{"dtype":"%s","shape":[`, t.DType)
		for j, d := range t.Shape {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprint(&b, d)
		}
		n, err := t.size()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `],"data_offsets":[%d,%d]}`, at, at+n)
		at += n
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	n := b.Len() - 8
	if n > maxHeader {
		return nil, fmt.Errorf("the header would be %d bytes, the format allows %d: split the tensors over several files", n, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(n))
	return b.Bytes(), nil
}

// quote appends s as a JSON string without the escapes that only HTML needs.
func quote(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)         // a string into memory cannot fail
	b.Truncate(b.Len() - 1) // Encode ends its line
}
