package graph

// Stretch is a run of nodes, from the first up to that before To, with one value alone
// leading in and one out, besides the model's input: a layer of a transformer, a residual
// block. All inside can be made again from the value that leads in.
type Stretch struct{ From, To int }

// Stretches cuts the model at its narrow places, where a single value is handed on. A
// stretch has more than one node side by side, as a shortcut and its branch, and the
// chain of single nodes that follows it. Those before the first one are in none.
func (m *Model) Stretches() []Stretch {
	last := make([]int, len(m.Values)) // node that reads a value last
	for i, n := range m.Nodes {
		for _, v := range n.In {
			last[v] = i
		}
	}
	last[m.Output] = len(m.Nodes)
	var l []Stretch
	alive, begin := map[int]bool{}, 0 // values that are to be read; begin of the run at hand
	for i, n := range m.Nodes {
		if last[n.Out] > i {
			alive[n.Out] = true
		}
		for _, v := range n.In {
			if last[v] <= i {
				delete(alive, v)
			}
		}
		if narrow := len(alive) == 1 && alive[n.Out]; !narrow && i < len(m.Nodes)-1 {
			continue
		}
		switch {
		case i > begin:
			l = append(l, Stretch{begin, i + 1})
		case len(l) > 0:
			l[len(l)-1].To = i + 1
		}
		begin = i + 1
	}
	return l
}

// Again lowers the nodes of a stretch once more, all but the last, whose value is still
// there: their gradients then read what these calls make, and what the first ones made may
// go. What a batch norm learnt of the batch and weights that were made for the run are kept.
func (b *Builder) Again(s Stretch) {
	b.again = true
	for i := s.From; i < s.To-1; i++ {
		n := &b.M.Nodes[i]
		b.At(i)
		b.fwd[n.Out] = -1
		OpOf(n).Lower(b, n)
	}
	b.again = false
}
