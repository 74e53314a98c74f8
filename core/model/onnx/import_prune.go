package onnx

import "pare/core/graph"

// prune leaves out of m what its output does not depend on: nodes that were only asked
// for their shape, and the parameters of these.
func prune(m *graph.Model) {
	need := make([]bool, len(m.Values))
	need[0], need[m.Output] = true, true
	kept := make([]bool, len(m.Nodes))
	for i := len(m.Nodes) - 1; i >= 0; i-- {
		n := &m.Nodes[i]
		if kept[i] = need[n.Out]; kept[i] {
			for _, v := range n.In {
				need[v] = true
			}
		}
	}
	params := make([]bool, len(m.Params))
	for i, n := range m.Nodes {
		for _, p := range n.Params {
			params[p] = params[p] || kept[i]
		}
	}
	value, param := renumber(need), renumber(params)
	m.Values, m.Params = keep(m.Values, need), keep(m.Params, params)
	m.Nodes = keep(m.Nodes, kept)
	for i := range m.Nodes {
		n := &m.Nodes[i]
		n.Out = value[n.Out]
		for k, v := range n.In {
			n.In[k] = value[v]
		}
		for k, p := range n.Params {
			n.Params[k] = param[p]
		}
	}
	m.Output = value[m.Output]
}

// renumber gives those that stay their new places.
func renumber(stay []bool) []int {
	at, next := make([]int, len(stay)), 0
	for i, s := range stay {
		if at[i] = next; s {
			next++
		}
	}
	return at
}

func keep[T any](all []T, stay []bool) []T {
	var l []T
	for i, s := range stay {
		if s {
			l = append(l, all[i])
		}
	}
	return l
}
