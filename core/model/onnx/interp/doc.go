// Package interp runs ONNX graphs as they are: every tensor in its own type and
// shape, node by node, in plain Go. It is for what the engine's graph cannot hold:
// the importer folds constants with it, pare predict falls back to it, and the
// operator suite (pare bench onnx) tests it. There are no gradients here.
//
// An operator is a row of the table ops; families of them are a file each. The list
// of operators is in OPERATORS.md, made by go generate. Floating point is computed in
// float32 (float64 where the tensor is), half precisions are widened and rounded
// after each operator.
//
// Inside the package errors are panics of type failure, which Run and Compile turn
// into errors that name the node: operators read as their formulas. Memory is
// bounded: tensors of one run may hold no more than Limit elements together.
//
// interp imports core/model/onnx (the file's types) and, for products, the
// processor's GEMM. It must not import plans, training or graphs.
package interp
