package onnx

import (
	"errors"
	"fmt"
)

// One function per message of onnx.proto, in its order.

func (d *decoder) opset(b []byte) (Opset, error) {
	var o Opset
	err := d.fields(b, "opset_import", func(f field) (err error) {
		switch f.num {
		case 1:
			o.Domain, err = f.text()
		case 2:
			o.Version, err = f.int64()
		}
		return err
	})
	return o, err
}

func (d *decoder) kv(b []byte) (KV, error) {
	var kv KV
	err := d.fields(b, "entry", func(f field) (err error) {
		switch f.num {
		case 1:
			kv.Key, err = f.text()
		case 2:
			kv.Value, err = f.text()
		}
		return err
	})
	return kv, err
}

func (d *decoder) graph(b []byte) (Graph, error) {
	var g Graph
	if d.depth++; d.depth > maxDepth {
		return g, fmt.Errorf("graphs are nested more than %d deep", maxDepth)
	}
	defer func() { d.depth-- }()
	err := d.fields(b, "graph", func(f field) (err error) {
		switch f.num {
		case 1:
			g.Nodes, err = repeat(d, f, g.Nodes, (*decoder).node)
		case 2:
			g.Name, err = f.text()
		case 5:
			g.Initializers, err = repeat(d, f, g.Initializers, (*decoder).tensor)
		case 10:
			g.Doc, err = f.text()
		case 11:
			g.Inputs, err = repeat(d, f, g.Inputs, (*decoder).valueInfo)
		case 12:
			g.Outputs, err = repeat(d, f, g.Outputs, (*decoder).valueInfo)
		case 13:
			g.Values, err = repeat(d, f, g.Values, (*decoder).valueInfo)
		case 15:
			g.Sparse++
		}
		return err
	})
	return g, err
}

func (d *decoder) node(b []byte) (Node, error) {
	var n Node
	err := d.fields(b, "node", func(f field) (err error) {
		var s string
		switch f.num {
		case 1:
			s, err = f.text()
			n.Inputs = append(n.Inputs, s)
		case 2:
			s, err = f.text()
			n.Outputs = append(n.Outputs, s)
		case 3:
			n.Name, err = f.text()
		case 4:
			n.Op, err = f.text()
		case 5:
			n.Attrs, err = repeat(d, f, n.Attrs, (*decoder).attribute)
		case 6:
			n.Doc, err = f.text()
		case 7:
			n.Domain, err = f.text()
		}
		return err
	})
	if err == nil && n.Op == "" {
		err = fmt.Errorf("node %q has no op_type", n.Name)
	}
	return n, err
}

func (d *decoder) attribute(b []byte) (Attribute, error) {
	var a Attribute
	var seen AttrType // of the last value field
	err := d.fields(b, "attribute", func(f field) (err error) {
		switch f.num {
		case 1:
			a.Name, err = f.text()
			return err
		case 2:
			a.F, err = f.float()
			seen = AttrFloat
		case 3:
			a.I, err = f.int64()
			seen = AttrInt
		case 4:
			a.S, err = f.bytes()
			seen = AttrString
		case 5:
			if a.T != nil {
				return errors.New("holds two tensors")
			}
			a.T, err = sub(d, f, (*decoder).tensor)
			seen = AttrTensor
		case 6:
			if a.G != nil {
				return errors.New("holds two graphs")
			}
			a.G, err = sub(d, f, (*decoder).graph)
			seen = AttrGraph
		case 7:
			a.Floats, err = f.floats(a.Floats)
			seen = AttrFloats
		case 8:
			a.Ints, err = f.int64s(a.Ints)
			seen = AttrInts
		case 9:
			var s []byte
			s, err = f.bytes()
			a.Strings = append(a.Strings, s)
			seen = AttrStrings
		case 10:
			a.Tensors, err = repeat(d, f, a.Tensors, (*decoder).tensor)
			seen = AttrTensors
		case 11:
			var g *Graph
			g, err = sub(d, f, (*decoder).graph)
			a.Graphs = append(a.Graphs, g)
			seen = AttrGraphs
		case 13:
			a.Doc, err = f.text()
		case 20:
			var t int32
			t, err = f.int32()
			a.Type = AttrType(t)
		}
		return err
	})
	if err != nil {
		return a, err
	}
	if a.Type == 0 { // files before IR 2 do not say
		a.Type = seen
	}
	return a.only(), nil
}

// only keeps the value field that the type names, as every reader would.
func (a Attribute) only() Attribute {
	o := Attribute{Name: a.Name, Doc: a.Doc, Type: a.Type}
	switch a.Type {
	case AttrFloat:
		o.F = a.F
	case AttrInt:
		o.I = a.I
	case AttrString:
		o.S = a.S
	case AttrTensor:
		o.T = a.T
	case AttrGraph:
		o.G = a.G
	case AttrFloats:
		o.Floats = a.Floats
	case AttrInts:
		o.Ints = a.Ints
	case AttrStrings:
		o.Strings = a.Strings
	case AttrTensors:
		o.Tensors = a.Tensors
	case AttrGraphs:
		o.Graphs = a.Graphs
	}
	return o
}

func (d *decoder) tensor(b []byte) (Tensor, error) {
	var t Tensor
	err := d.fields(b, "tensor", func(f field) (err error) {
		switch f.num {
		case 1:
			t.Dims, err = f.int64s(t.Dims)
		case 2:
			var x int32
			x, err = f.int32()
			t.Type = DataType(x)
		case 4:
			t.Floats, err = f.floats(t.Floats)
		case 5:
			t.Int32s, err = f.int32s(t.Int32s)
		case 6:
			var s []byte
			s, err = f.bytes()
			t.Strings = append(t.Strings, s)
		case 7:
			t.Int64s, err = f.int64s(t.Int64s)
		case 8:
			t.Name, err = f.text()
		case 9:
			t.Raw, err = f.bytes()
		case 10:
			t.Doubles, err = f.doubles(t.Doubles)
		case 11:
			t.Uint64s, err = f.varints(t.Uint64s)
		case 12:
			t.Doc, err = f.text()
		case 13:
			t.External, err = repeat(d, f, t.External, (*decoder).kv)
		case 14:
			t.Location, err = f.int32()
		}
		return err
	})
	return t, err
}

func (d *decoder) valueInfo(b []byte) (ValueInfo, error) {
	var v ValueInfo
	err := d.fields(b, "value_info", func(f field) (err error) {
		switch f.num {
		case 1:
			v.Name, err = f.text()
		case 2:
			v.Type, err = d.typeProto(f)
		case 3:
			v.Doc, err = f.text()
		}
		return err
	})
	return v, err
}

// typeProto keeps tensor types; sequences, maps and the like become nil.
func (d *decoder) typeProto(f field) (*TensorType, error) {
	t, err := sub(d, f, func(d *decoder, b []byte) (t *TensorType, _ error) {
		return t, d.fields(b, "type", func(f field) (err error) {
			if f.num == 1 {
				t, err = sub(d, f, (*decoder).tensorType)
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return *t, nil
}

func (d *decoder) tensorType(b []byte) (TensorType, error) {
	var t TensorType
	err := d.fields(b, "tensor_type", func(f field) (err error) {
		switch f.num {
		case 1:
			var x int32
			x, err = f.int32()
			t.Elem = DataType(x)
		case 2:
			t.HasShape = true
			var shape *[]Dim
			shape, err = sub(d, f, (*decoder).shape)
			if err == nil {
				t.Shape = *shape
			}
		}
		return err
	})
	return t, err
}

func (d *decoder) shape(b []byte) ([]Dim, error) {
	var s []Dim
	err := d.fields(b, "shape", func(f field) (err error) {
		if f.num == 1 {
			s, err = repeat(d, f, s, (*decoder).dim)
		}
		return err
	})
	return s, err
}

func (d *decoder) dim(b []byte) (Dim, error) {
	var x Dim
	err := d.fields(b, "dim", func(f field) (err error) {
		switch f.num { // a oneof: the last one stands
		case 1:
			x = Dim{}
			x.Value, err = f.int64()
		case 2:
			x = Dim{}
			x.Param, err = f.text()
		}
		return err
	})
	return x, err
}
