package onnx

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Limits on what a file may hold, so that a small file cannot ask for much
// memory or stack.
const (
	maxDepth    = 8       // graphs inside attributes of nodes of graphs …
	maxMessages = 1 << 20 // nodes, attributes, tensors, value infos, axes
)

// Decode reads a ModelProto. Byte fields of the result alias b. Fields this
// package does not know are skipped; a malformed one is an error that names
// where it stands.
func Decode(b []byte) (*Model, error) {
	m, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

func decode(b []byte) (*Model, error) {
	if what := otherKind(b); what != "" {
		return nil, errors.New(what)
	}
	d := &decoder{}
	m := &Model{}
	err := d.fields(b, "model", func(f field) (err error) {
		switch f.num {
		case 1:
			m.IRVersion, err = f.int64()
		case 2:
			m.ProducerName, err = f.text()
		case 3:
			m.ProducerVersion, err = f.text()
		case 4:
			m.Domain, err = f.text()
		case 5:
			m.ModelVersion, err = f.int64()
		case 6:
			m.Doc, err = f.text()
		case 7:
			if m.Graph != nil {
				return errors.New("holds two graphs")
			}
			m.Graph, err = sub(d, f, (*decoder).graph)
		case 8:
			m.Opsets, err = repeat(d, f, m.Opsets, (*decoder).opset)
		case 14:
			m.Meta, err = repeat(d, f, m.Meta, (*decoder).kv)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: the file is damaged or not ONNX, export it again", err)
	}
	if m.Graph == nil {
		return nil, errors.New("holds no graph: this is not an ONNX model")
	}
	return m, nil
}

// DecodeTensor reads a TensorProto: the .pb files of the operator suite.
func DecodeTensor(b []byte) (*Tensor, error) {
	t, err := (&decoder{}).tensor(b)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return &t, nil
}

// otherKind names the files people most often pass by mistake.
func otherKind(b []byte) string {
	has := func(p string) bool { return len(b) >= len(p) && string(b[:len(p)]) == p }
	switch {
	case len(b) == 0:
		return "is empty: export the model again"
	case has("version https://git-lfs"):
		return "is a Git LFS pointer, not the model: run 'git lfs pull' in its repository"
	case has("PK\x03\x04"), has("\x80\x02"), has("\x80\x04"):
		return "is a PyTorch pickle or zip: write it with torch.onnx.export (pickles can run code, so they are never read)"
	case has("\x89HDF"):
		return "is an HDF5 file: convert it with tf2onnx"
	case has("ORTM"), len(b) > 8 && string(b[4:8]) == "ORTM":
		return "is in ONNX Runtime's own format: give the .onnx it was made from"
	}
	return ""
}

type decoder struct {
	depth    int
	messages int
}

// field is one field of a message as it stands on the wire.
type field struct {
	num  protowire.Number
	typ  protowire.Type
	val  uint64 // varint and fixed
	data []byte // length-delimited
}

// fields calls each for every field of message b.
func (d *decoder) fields(b []byte, what string, each func(field) error) error {
	if d.messages++; d.messages > maxMessages {
		return fmt.Errorf("more than %d nodes, attributes and tensors", maxMessages)
	}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%s: %w", what, protowire.ParseError(n))
		}
		f := field{num: num, typ: typ}
		v := b[n:]
		switch typ {
		case protowire.VarintType:
			f.val, n = protowire.ConsumeVarint(v)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(v)
			f.val = uint64(x)
		case protowire.Fixed64Type:
			f.val, n = protowire.ConsumeFixed64(v)
		case protowire.BytesType:
			f.data, n = protowire.ConsumeBytes(v)
		default: // groups: in no version of onnx.proto
			return fmt.Errorf("%s: field %d has wire type %d", what, num, typ)
		}
		if n < 0 {
			return fmt.Errorf("%s: field %d: %w", what, num, protowire.ParseError(n))
		}
		if err := each(f); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		b = v[n:]
	}
	return nil
}

func (f field) want(t protowire.Type) error {
	if f.typ != t {
		return fmt.Errorf("field %d has wire type %d, needs %d", f.num, f.typ, t)
	}
	return nil
}

func (f field) int64() (int64, error) { return int64(f.val), f.want(protowire.VarintType) }

// int32 reads an enum or int32.
func (f field) int32() (int32, error) {
	if x := int64(f.val); f.typ == protowire.VarintType && x != int64(int32(x)) {
		return 0, fmt.Errorf("field %d: %d does not fit 32 bits", f.num, x)
	}
	return int32(f.val), f.want(protowire.VarintType)
}

func (f field) float() (float32, error) {
	return math.Float32frombits(uint32(f.val)), f.want(protowire.Fixed32Type)
}

// bytes is never nil, so that a present empty field differs from an absent one.
func (f field) bytes() ([]byte, error) {
	if f.data == nil {
		return []byte{}, f.want(protowire.BytesType)
	}
	return f.data[:len(f.data):len(f.data)], f.want(protowire.BytesType)
}

func (f field) text() (string, error) {
	if !utf8.Valid(f.data) {
		return "", fmt.Errorf("field %d is not valid UTF-8", f.num)
	}
	return string(f.data), f.want(protowire.BytesType)
}

// Repeated numbers come one to a field (proto2's default, what most exporters
// write) or packed (proto3's); a reader must take both.

func (f field) varints(to []uint64) ([]uint64, error) {
	if f.typ == protowire.VarintType {
		return append(to, f.val), nil
	}
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, fmt.Errorf("field %d: %w", f.num, protowire.ParseError(n))
		}
		to, b = append(to, v), b[n:]
	}
	return to, f.want(protowire.BytesType)
}

func (f field) int64s(to []int64) ([]int64, error) {
	if f.typ == protowire.VarintType { // the common case, without a detour
		return append(to, int64(f.val)), nil
	}
	v, err := f.varints(nil)
	for _, x := range v {
		to = append(to, int64(x))
	}
	return to, err
}

func (f field) int32s(to []int32) ([]int32, error) {
	v, err := f.varints(nil)
	for _, x := range v {
		if int64(x) != int64(int32(x)) {
			return nil, fmt.Errorf("field %d: %d does not fit 32 bits", f.num, int64(x))
		}
		to = append(to, int32(x))
	}
	return to, err
}

func (f field) floats(to []float32) ([]float32, error) {
	if f.typ == protowire.Fixed32Type {
		return append(to, math.Float32frombits(uint32(f.val))), nil
	}
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeFixed32(b)
		if n < 0 {
			return nil, fmt.Errorf("field %d: %w", f.num, protowire.ParseError(n))
		}
		to, b = append(to, math.Float32frombits(v)), b[n:]
	}
	return to, f.want(protowire.BytesType)
}

func (f field) doubles(to []float64) ([]float64, error) {
	if f.typ == protowire.Fixed64Type {
		return append(to, math.Float64frombits(f.val)), nil
	}
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeFixed64(b)
		if n < 0 {
			return nil, fmt.Errorf("field %d: %w", f.num, protowire.ParseError(n))
		}
		to, b = append(to, math.Float64frombits(v)), b[n:]
	}
	return to, f.want(protowire.BytesType)
}

// sub decodes a singular message.
func sub[T any](d *decoder, f field, read func(*decoder, []byte) (T, error)) (*T, error) {
	if err := f.want(protowire.BytesType); err != nil {
		return nil, err
	}
	x, err := read(d, f.data)
	if err != nil {
		return nil, err
	}
	return &x, nil
}

// repeat decodes one element of a repeated message and appends it.
func repeat[T any](d *decoder, f field, to []T, read func(*decoder, []byte) (T, error)) ([]T, error) {
	x, err := sub(d, f, read)
	if err != nil {
		return nil, err
	}
	return append(to, *x), nil
}
