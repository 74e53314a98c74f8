package graph

// MACs is the number of multiply-adds of a node for one sample, forward and dense:
// of its weights, and of attention's two products.
func (m *Model) MACs(node int) int64 {
	n := &m.Nodes[node]
	out := m.Values[n.Out]
	rows := int64(out.H) * int64(out.W) * int64(max(out.Seq, 1))
	switch n.Op {
	case "linear", "conv2d":
		return rows * int64(m.Params[n.Params[0]].Shape.Len())
	case "attention":
		keys := rows
		if n.Attrs.Causal {
			keys = (rows + 1) / 2 // of query t: t+1 keys
		}
		return 2 * rows * keys * int64(out.C)
	}
	return 0
}
