package onnx

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Encode writes a ModelProto: fields in the order of their numbers, zero values
// left out, so equal models give equal bytes. Repeated numbers are written as
// onnx.proto says: packed for the values of tensors, one by one elsewhere.
func Encode(m *Model) ([]byte, error) {
	e := &encoder{}
	if m.Graph == nil {
		return nil, fmt.Errorf("onnx: model has no graph")
	}
	e.num(1, m.IRVersion)
	e.text(2, m.ProducerName)
	e.text(3, m.ProducerVersion)
	e.text(4, m.Domain)
	e.num(5, m.ModelVersion)
	e.text(6, m.Doc)
	e.msg(7, func() { e.graph(m.Graph) })
	for _, o := range m.Opsets {
		e.msg(8, func() { e.text(1, o.Domain); e.num(2, o.Version) })
	}
	e.kvs(14, m.Meta)
	if e.err != nil {
		return nil, fmt.Errorf("onnx: %w", e.err)
	}
	if len(e.b) > math.MaxInt32 {
		return nil, fmt.Errorf("onnx: the file would be %d bytes, one protobuf message holds at most 2 GB", len(e.b))
	}
	return e.b, nil
}

type encoder struct {
	b   []byte
	err error // the first one
}

func (e *encoder) tag(num protowire.Number, t protowire.Type) {
	e.b = protowire.AppendTag(e.b, num, t)
}

// num writes a singular number unless it is zero.
func (e *encoder) num(num protowire.Number, v int64) {
	if v != 0 {
		e.varint(num, uint64(v))
	}
}

func (e *encoder) varint(num protowire.Number, v uint64) {
	e.tag(num, protowire.VarintType)
	e.b = protowire.AppendVarint(e.b, v)
}

// text writes a singular string unless it is empty.
func (e *encoder) text(num protowire.Number, s string) {
	if s != "" {
		e.bytes(num, []byte(s))
	}
}

func (e *encoder) bytes(num protowire.Number, v []byte) {
	e.tag(num, protowire.BytesType)
	e.b = protowire.AppendBytes(e.b, v)
}

// msg writes what body appends as a message. The length goes in afterwards: the
// body is moved by the few bytes it takes, instead of being built apart and
// copied once per level.
func (e *encoder) msg(num protowire.Number, body func()) {
	e.tag(num, protowire.BytesType)
	at := len(e.b)
	body()
	n := len(e.b) - at
	var l [10]byte
	head := protowire.AppendVarint(l[:0], uint64(n))
	e.b = append(e.b, head...)
	copy(e.b[at+len(head):], e.b[at:at+n])
	copy(e.b[at:], head)
}

func (e *encoder) kvs(num protowire.Number, kvs []KV) {
	for _, kv := range kvs {
		e.msg(num, func() { e.text(1, kv.Key); e.text(2, kv.Value) })
	}
}

func (e *encoder) graph(g *Graph) {
	if g.Sparse > 0 && e.err == nil {
		e.err = fmt.Errorf("graph %q: sparse initializers were not kept, so it cannot be written", g.Name)
	}
	for i := range g.Nodes {
		e.msg(1, func() { e.node(&g.Nodes[i]) })
	}
	e.text(2, g.Name)
	for i := range g.Initializers {
		e.msg(5, func() { e.tensor(&g.Initializers[i]) })
	}
	e.text(10, g.Doc)
	for i, vs := range [][]ValueInfo{g.Inputs, g.Outputs, g.Values} {
		for _, v := range vs {
			e.msg(11+protowire.Number(i), func() { e.valueInfo(v) })
		}
	}
}

func (e *encoder) node(n *Node) {
	for _, s := range n.Inputs {
		e.bytes(1, []byte(s)) // "" is an absent optional input
	}
	for _, s := range n.Outputs {
		e.bytes(2, []byte(s))
	}
	e.text(3, n.Name)
	e.text(4, n.Op)
	for i := range n.Attrs {
		e.msg(5, func() { e.attribute(&n.Attrs[i]) })
	}
	e.text(6, n.Doc)
	e.text(7, n.Domain)
}

func (e *encoder) attribute(a *Attribute) {
	e.text(1, a.Name)
	switch a.Type {
	case AttrFloat:
		e.tag(2, protowire.Fixed32Type)
		e.b = protowire.AppendFixed32(e.b, math.Float32bits(a.F))
	case AttrInt:
		e.varint(3, uint64(a.I))
	case AttrString:
		if a.S != nil {
			e.bytes(4, a.S)
		}
	case AttrTensor:
		if a.T != nil {
			e.msg(5, func() { e.tensor(a.T) })
		}
	case AttrGraph:
		if a.G != nil {
			e.msg(6, func() { e.graph(a.G) })
		}
	case AttrFloats:
		for _, x := range a.Floats {
			e.tag(7, protowire.Fixed32Type)
			e.b = protowire.AppendFixed32(e.b, math.Float32bits(x))
		}
	case AttrInts:
		for _, x := range a.Ints {
			e.varint(8, uint64(x))
		}
	case AttrStrings:
		for _, s := range a.Strings {
			e.bytes(9, s)
		}
	case AttrTensors:
		for i := range a.Tensors {
			e.msg(10, func() { e.tensor(&a.Tensors[i]) })
		}
	case AttrGraphs:
		for _, g := range a.Graphs {
			e.msg(11, func() { e.graph(g) })
		}
	case 0: // an attribute without any value
	default:
		if e.err == nil {
			e.err = fmt.Errorf("attribute %q: a value of type %d was not kept, so it cannot be written", a.Name, a.Type)
		}
	}
	e.text(13, a.Doc)
	e.num(20, int64(a.Type))
}

func (e *encoder) tensor(t *Tensor) {
	for _, d := range t.Dims {
		e.varint(1, uint64(d))
	}
	e.num(2, int64(t.Type))
	if len(t.Floats) > 0 {
		e.msg(4, func() {
			for _, x := range t.Floats {
				e.b = protowire.AppendFixed32(e.b, math.Float32bits(x))
			}
		})
	}
	if len(t.Int32s) > 0 {
		e.msg(5, func() {
			for _, x := range t.Int32s {
				e.b = protowire.AppendVarint(e.b, uint64(int64(x)))
			}
		})
	}
	for _, s := range t.Strings {
		e.bytes(6, s)
	}
	if len(t.Int64s) > 0 {
		e.msg(7, func() {
			for _, x := range t.Int64s {
				e.b = protowire.AppendVarint(e.b, uint64(x))
			}
		})
	}
	e.text(8, t.Name)
	if t.Raw != nil {
		e.bytes(9, t.Raw)
	}
	if len(t.Doubles) > 0 {
		e.msg(10, func() {
			for _, x := range t.Doubles {
				e.b = protowire.AppendFixed64(e.b, math.Float64bits(x))
			}
		})
	}
	if len(t.Uint64s) > 0 {
		e.msg(11, func() {
			for _, x := range t.Uint64s {
				e.b = protowire.AppendVarint(e.b, x)
			}
		})
	}
	e.text(12, t.Doc)
	e.kvs(13, t.External)
	e.num(14, int64(t.Location))
}

func (e *encoder) valueInfo(v ValueInfo) {
	e.text(1, v.Name)
	if t := v.Type; t != nil {
		e.msg(2, func() {
			e.msg(1, func() {
				e.num(1, int64(t.Elem))
				if !t.HasShape {
					return
				}
				e.msg(2, func() {
					for _, d := range t.Shape {
						e.msg(1, func() {
							if d.Param != "" {
								e.text(2, d.Param)
							} else {
								e.num(1, d.Value)
							}
						})
					}
				})
			})
		})
	}
	e.text(3, v.Doc)
}
