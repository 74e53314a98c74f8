package onnx

// Folded is what an import works out of a file's constants.
type Folded struct {
	Type   DataType
	Shape  []int64
	Values []float64
}

// Fold works out the nodes of a file whose inputs are known, as an import does. A node
// that it leaves to others, or refuses, is not in the result.
func Fold(b []byte) (map[string]Folded, error) {
	im, err := newImporter(b, "", ImportOptions{})
	if err != nil {
		return nil, err
	}
	out := map[string]Folded{}
	for i := range im.g.Nodes {
		n := &im.g.Nodes[i]
		if done, err := im.fold(n); err != nil || !done {
			continue
		}
		a := im.consts[n.Outputs[0]]
		v, err := im.numbers(a)
		if err != nil {
			return nil, err
		}
		out[n.Outputs[0]] = Folded{a.typ, a.dims, v}
	}
	return out, nil
}

// Folds are the operators that are folded.
func Folds() (l []string) {
	for op := range folders {
		l = append(l, op)
	}
	return l
}
