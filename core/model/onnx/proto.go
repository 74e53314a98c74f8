// Package onnx reads and writes ONNX files and maps them to and from the model
// graph. It owns the protobuf wire form (proto.go, decode.go, encode.go), the
// mapping of operators (import*.go, export.go) and nothing else: it must not
// import plans, training or devices beyond their plain data types.
//
// The types here mirror the messages of onnx/onnx.proto as far as a model needs
// them; field numbers stand beside each field.
package onnx

// Model is ModelProto.
type Model struct {
	IRVersion       int64   // 1
	ProducerName    string  // 2
	ProducerVersion string  // 3
	Domain          string  // 4
	ModelVersion    int64   // 5
	Doc             string  // 6
	Graph           *Graph  // 7
	Opsets          []Opset // 8
	Meta            []KV    // 14
}

// Opset is OperatorSetIdProto: which version of an operator set the nodes mean.
type Opset struct {
	Domain  string // 1, "" is ai.onnx
	Version int64  // 2
}

// KV is StringStringEntryProto.
type KV struct{ Key, Value string } // 1, 2

// Graph is GraphProto. Nodes are in topological order.
type Graph struct {
	Nodes        []Node      // 1
	Name         string      // 2
	Initializers []Tensor    // 5
	Doc          string      // 10
	Inputs       []ValueInfo // 11
	Outputs      []ValueInfo // 12
	Values       []ValueInfo // 13
	Sparse       int         // 15: number of sparse initializers, which are not kept
}

// Node is NodeProto: one operator.
type Node struct {
	Inputs  []string    // 1, "" where an optional input is absent
	Outputs []string    // 2
	Name    string      // 3
	Op      string      // 4
	Attrs   []Attribute // 5
	Doc     string      // 6
	Domain  string      // 7
}

// AttrType says which field of an Attribute holds its value.
type AttrType int32

// Attribute types of onnx.proto. Values of the last four are not kept.
const (
	AttrFloat         AttrType = 1
	AttrInt           AttrType = 2
	AttrString        AttrType = 3
	AttrTensor        AttrType = 4
	AttrGraph         AttrType = 5
	AttrFloats        AttrType = 6
	AttrInts          AttrType = 7
	AttrStrings       AttrType = 8
	AttrTensors       AttrType = 9
	AttrGraphs        AttrType = 10
	AttrSparseTensor  AttrType = 11
	AttrSparseTensors AttrType = 12
	AttrTypeProto     AttrType = 13
	AttrTypeProtos    AttrType = 14
)

// Attribute is AttributeProto. Only the field that Type names is set.
type Attribute struct {
	Name    string    // 1
	F       float32   // 2
	I       int64     // 3
	S       []byte    // 4
	T       *Tensor   // 5
	G       *Graph    // 6
	Floats  []float32 // 7
	Ints    []int64   // 8
	Strings [][]byte  // 9
	Tensors []Tensor  // 10
	Graphs  []*Graph  // 11
	Doc     string    // 13
	Type    AttrType  // 20
}

// DataType is TensorProto.DataType.
type DataType int32

// Data types that can be converted; the others are only named.
const (
	Float    DataType = 1
	Uint8    DataType = 2
	Int8     DataType = 3
	Uint16   DataType = 4
	Int16    DataType = 5
	Int32    DataType = 6
	Int64    DataType = 7
	String   DataType = 8
	Bool     DataType = 9
	Float16  DataType = 10
	Double   DataType = 11
	Uint32   DataType = 12
	Uint64   DataType = 13
	BFloat16 DataType = 16
)

// Tensor is TensorProto. Its values are in Raw (little endian, may alias the
// file) or, typed, in one of the other lists.
type Tensor struct {
	Dims     []int64   // 1
	Type     DataType  // 2
	Floats   []float32 // 4
	Int32s   []int32   // 5: also the bits of 8- and 16-bit types
	Strings  [][]byte  // 6
	Int64s   []int64   // 7
	Name     string    // 8
	Raw      []byte    // 9, nil when absent
	Doubles  []float64 // 10
	Uint64s  []uint64  // 11
	Doc      string    // 12
	External []KV      // 13: location, offset, length of values in another file
	Location int32     // 14: 1 when the values are external
}

// ValueInfo is ValueInfoProto: name and type of an input, output or edge.
type ValueInfo struct {
	Name string      // 1
	Type *TensorType // 2.1; nil when absent or not a tensor
	Doc  string      // 3
}

// TensorType is TypeProto.Tensor.
type TensorType struct {
	Elem     DataType // 1
	HasShape bool     // a shape without axes is a scalar, no shape is unknown
	Shape    []Dim    // 2.1
}

// Dim is one axis: a number, or a name, or (both zero) unknown.
type Dim struct {
	Value int64  // 1
	Param string // 2
}
