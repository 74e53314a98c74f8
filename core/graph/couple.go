package graph

import (
	"fmt"
	"sort"
)

// Slice is one axis of one parameter that belongs to a group: channel j of the
// group is the entries j·Block … j·Block+Block−1 of that axis.
type Slice struct {
	Param, Axis, Block int
}

// Group is a set of channels that can only be cut together: the neurons of a
// linear layer or the filters of a convolution, with everything that reads or
// normalises them, over residual additions too.
type Group struct {
	Name    string // the first layer that produces the channels
	Size    int    // channels
	Slices  []Slice
	Refused string // why it cannot be cut, "" if it can

	depthwise []int // nodes whose window has one group per channel
}

// Coupler works out the groups: ops tell it how their axes hang together.
type Coupler struct {
	M      *Model
	node   int
	parent []int
	groups []Group
	ref    []ref             // per value
	tied   map[[2]int]ref    // of each parameter's axis, the first
	fixed  map[[2]int]string // why an axis keeps its size
}

// ref: feature f of a value belongs to channel f/block of the space.
type ref struct {
	space, block int // space −1: not yet known
}

// Groups returns the groups of m in the order of their first layer.
func (m *Model) Groups() ([]Group, error) {
	c := &Coupler{M: m, ref: make([]ref, len(m.Values)), tied: map[[2]int]ref{}, fixed: map[[2]int]string{}}
	for i := range c.ref {
		c.ref[i] = ref{-1, 1}
	}
	c.ref[0] = ref{c.space("input", m.Values[0].C), 1}
	c.Refuse(0, "it is the model's input")
	for i := range m.Nodes {
		n := &m.Nodes[i]
		op := OpOf(n)
		if op == nil || op.Couple == nil {
			return nil, fmt.Errorf("node %s: op %q has no coupling rule, nothing can be cut", n.Name, n.Op)
		}
		c.node = i
		op.Couple(c, n)
	}
	c.Refuse(m.Output, "it is the model's output")
	merged := map[int]*Group{}
	var order []int
	for i := range c.groups {
		r := c.find(i)
		g := merged[r]
		if g == nil {
			g = &Group{Name: c.groups[i].Name, Size: c.groups[i].Size}
			merged[r] = g
			order = append(order, r)
		}
		g.Slices = append(g.Slices, c.groups[i].Slices...)
		g.depthwise = append(g.depthwise, c.groups[i].depthwise...)
		if g.Refused == "" {
			g.Refused = c.groups[i].Refused
		}
		for _, s := range c.groups[i].Slices {
			if g.Refused == "" {
				g.Refused = c.fixed[[2]int{s.Param, s.Axis}]
			}
		}
	}
	var out []Group
	for _, r := range order {
		g := *merged[r]
		sort.Slice(g.Slices, func(i, j int) bool {
			a, b := g.Slices[i], g.Slices[j]
			return a.Param < b.Param || a.Param == b.Param && a.Axis < b.Axis
		})
		out = append(out, g)
	}
	return out, nil
}

func (c *Coupler) space(name string, size int) int {
	c.groups = append(c.groups, Group{Name: name, Size: size})
	c.parent = append(c.parent, len(c.parent))
	return len(c.parent) - 1
}

func (c *Coupler) find(i int) int {
	for c.parent[i] != i {
		i = c.parent[i]
	}
	return i
}

// union keeps the earlier space as the root, so that names and order are stable.
func (c *Coupler) union(a, b int) {
	a, b = c.find(a), c.find(b)
	if a > b {
		a, b = b, a
	}
	c.parent[b] = a
}

// Produce starts a new set of channels at value v: axis 0 of all params.
func (c *Coupler) Produce(v int, params ...int) {
	p := c.M.Params[params[0]]
	name := p.Name
	if p.Role == Table { // its name is the embedding's
		name = c.M.Nodes[c.node].Name
	}
	if len(name) > 7 && name[len(name)-7:] == ".weight" {
		name = name[:len(name)-7]
	}
	c.ref[v] = ref{c.space(name, p.Shape[0]), 1}
	for _, p := range params {
		c.Tie(v, p, 0)
	}
}

// Consume ties an input axis of a parameter to the channels of v.
func (c *Coupler) Consume(v, param, axis int) { c.Tie(v, param, axis) }

// Tie makes an axis of param part of v's group. An axis that another layer has tied
// to a group before, that of a table in two places, makes one group of both.
func (c *Coupler) Tie(v, param, axis int) {
	r, at := c.ref[v], [2]int{param, axis}
	if before, ok := c.tied[at]; ok {
		if r.block != before.block {
			c.fixed[at] = c.M.Params[param].Name + " joins channels of different layouts"
		}
		c.union(before.space, r.space)
		return
	}
	c.tied[at] = r
	c.groups[r.space].Slices = append(c.groups[r.space].Slices, Slice{param, axis, r.block})
}

// Same says that a and b have the same channels.
func (c *Coupler) Same(a, b int) {
	switch {
	case c.ref[b].space < 0:
		c.ref[b] = c.ref[a]
	case c.ref[a].block != c.ref[b].block:
		c.Refuse(a, fmt.Sprintf("%s joins channels of different layouts", c.M.Nodes[c.node].Name))
		c.Refuse(b, fmt.Sprintf("%s joins channels of different layouts", c.M.Nodes[c.node].Name))
	default:
		c.union(c.ref[a].space, c.ref[b].space)
	}
}

// Flatten says that each channel of a becomes H·W features of b.
func (c *Coupler) Flatten(a, b int) {
	x := c.M.Values[a]
	c.ref[b] = ref{c.ref[a].space, c.ref[a].block * x.H * x.W}
}

// Groups notes a depthwise node whose number of groups is the channel count.
func (c *Coupler) Groups(v int, _ *Node) {
	s := c.ref[v].space
	c.groups[s].depthwise = append(c.groups[s].depthwise, c.node)
}

// Fix says why an axis of param keeps its size, whoever else uses param.
func (c *Coupler) Fix(param, axis int, why string) { c.fixed[[2]int{param, axis}] = why }

// Refuse says why the channels of v cannot be cut.
func (c *Coupler) Refuse(v int, why string) {
	if s := c.ref[v].space; s >= 0 && c.groups[s].Refused == "" {
		c.groups[s].Refused = why
	}
}
