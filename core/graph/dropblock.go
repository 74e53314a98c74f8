package graph

import (
	"fmt"
	"slices"
)

// ResidualBlock is the branch f of an addition x + f(x): it can be dropped whole, which
// leaves x.
type ResidualBlock struct {
	Name   string // of the addition
	Params []int  // of the branch alone
	Nodes  []int  // of the branch
	add, x int    // node, value
}

// ResidualBlocks lists the branches that can be dropped: those beside a plain shortcut
// whose nodes nothing else reads, with at least one parameter. One whose shortcut is a
// layer itself, as where the shape changes, is none. A block inside another is left out.
func (m *Model) ResidualBlocks() []ResidualBlock {
	maker := make([]int, len(m.Values))
	for i := range maker {
		maker[i] = -1
	}
	readers := make([][]int, len(m.Values))
	for i, n := range m.Nodes {
		maker[n.Out] = i
		for _, v := range n.In {
			readers[v] = append(readers[v], i)
		}
	}
	var l []ResidualBlock
	taken := map[int]bool{}
	for i := len(m.Nodes) - 1; i >= 0; i-- {
		n := &m.Nodes[i]
		if n.Op != "add" || len(n.In) != 2 || n.In[0] == n.In[1] || taken[i] {
			continue
		}
		for side := range 2 {
			b := ResidualBlock{Name: n.Name, add: i, x: n.In[side]}
			if m.branch(&b, n.In[1-side], maker, readers) {
				l = append(l, b)
				for _, k := range b.Nodes {
					taken[k] = true
				}
				break
			}
		}
	}
	slices.Reverse(l)
	return l
}

// branch collects the nodes between b.x and the value f, and tells whether they can go.
func (m *Model) branch(b *ResidualBlock, f int, maker []int, readers [][]int) bool {
	from := map[int]bool{b.x: true} // values that are made from x
	var between []int
	for i := maker[b.x] + 1; i < b.add; i++ {
		if slices.ContainsFunc(m.Nodes[i].In, func(v int) bool { return from[v] }) {
			from[m.Nodes[i].Out] = true
			between = append(between, i)
		}
	}
	if !from[f] || f == b.x {
		return false
	}
	needed := map[int]bool{f: true} // of these, what f is made from
	for k := len(between) - 1; k >= 0; k-- {
		n := &m.Nodes[between[k]]
		if !needed[n.Out] {
			continue
		}
		b.Nodes = append(b.Nodes, between[k])
		for _, v := range n.In {
			switch {
			case v == b.x || v == 0:
			case from[v]:
				needed[v] = true
			default: // something else flows in, and would be made for nothing
				return false
			}
		}
	}
	slices.Sort(b.Nodes)
	inside := func(i int) bool { return i == b.add || slices.Contains(b.Nodes, i) }
	own := map[int]bool{}
	for _, i := range b.Nodes {
		n := &m.Nodes[i]
		if n.Out == m.Output {
			return false
		}
		for _, r := range readers[n.Out] {
			if !inside(r) {
				return false
			}
		}
		for _, p := range n.Params {
			own[p] = true
		}
	}
	for i, n := range m.Nodes {
		for _, p := range n.Params {
			if !slices.Contains(b.Nodes, i) {
				delete(own, p)
			}
		}
	}
	for p := range m.Params {
		if own[p] {
			b.Params = append(b.Params, p)
		}
	}
	return len(b.Params) > 0
}

// DropBlock drops a residual block: x + f(x) becomes x.
type DropBlock struct {
	Block string `json:"block"` // name of the addition
}

// Text implements Rewrite.
func (d DropBlock) Text() string { return "drop the block that " + d.Block + " adds" }

// Apply implements Rewrite.
func (d DropBlock) Apply(m *Model) (Remap, error) {
	blocks := m.ResidualBlocks()
	i := slices.IndexFunc(blocks, func(b ResidualBlock) bool { return b.Name == d.Block })
	if i < 0 {
		return nil, fmt.Errorf("drop %s: it adds no block that could be dropped", d.Block)
	}
	b := blocks[i]
	old := m.Shallow()
	sum := m.Nodes[b.add].Out
	for k := range m.Nodes {
		n := &m.Nodes[k]
		for j, v := range n.In {
			if v == sum {
				n.In[j] = b.x
			}
		}
	}
	if m.Output == sum {
		m.Output = b.x
	}
	m.dropNodes(append(slices.Clone(b.Nodes), b.add))
	m.dropParams(b.Params...)
	m.compact()
	if err := m.Verify(); err != nil {
		*m = *old
		return nil, fmt.Errorf("drop %s: %w", d.Block, err)
	}
	return nil, nil
}
