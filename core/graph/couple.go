package graph

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// Slice is one axis of one parameter that belongs to a group: channel j of the
// group is the entries Offset + j·Block … Offset + j·Block+Block−1 of that axis. An
// axis that holds queries, keys and values side by side has a slice for each.
type Slice struct {
	Param, Axis, Block, Offset int
}

// Group is a set of channels that can only be cut together: the neurons of a
// linear layer, the filters of a convolution, or the heads of attention (groups of
// them that share keys and values), with everything that reads or normalises them,
// over residual additions too.
type Group struct {
	Name    string // the first layer that produces the channels
	Size    int    // channels, or heads
	Heads   bool   // attention: a channel is one key and value head with its queries
	Slices  []Slice
	Refused string // why it cannot be cut, "" if it can

	depthwise []int // nodes whose window has one group per channel
	heads     []int // nodes whose heads the channels are
}

// Coupler works out the groups: ops tell it how their axes hang together.
type Coupler struct {
	M      *Model
	node   int
	parent []link
	groups []Group
	ref    []ref             // per value
	tied   map[[2]int]ref    // of each parameter's axis, the first
	fixed  map[[2]int]string // why an axis keeps its size
}

// ref: feature f of a value belongs to channel f/block of the space.
type ref struct {
	space, block int // space −1: not yet known
}

// link is the space that a space is part of, and where its channels are there:
// channel j of the other is the channels off + j·block … off + j·block+block−1 of
// each part of this one.
type link struct {
	space int
	parts []part
}

type part struct{ off, block int }

// whole are the parts of a space that is another one, channel by channel.
var whole = []part{{0, 1}}

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
		at := c.find(i)
		r := at.space
		g := merged[r]
		if g == nil {
			g = &Group{Name: c.groups[i].Name, Size: c.groups[r].Size}
			merged[r] = g
			order = append(order, r)
		}
		for _, s := range c.groups[i].Slices {
			for _, p := range at.parts {
				g.Slices = append(g.Slices, Slice{s.Param, s.Axis, s.Block * p.block, s.Block * p.off})
			}
		}
		g.depthwise = append(g.depthwise, c.groups[i].depthwise...)
		g.heads = append(g.heads, c.groups[i].heads...)
		g.Heads = len(g.heads) > 0
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
			return cmp.Or(a.Param-b.Param, a.Axis-b.Axis, a.Offset-b.Offset) < 0
		})
		out = append(out, g)
	}
	return out, nil
}

func (c *Coupler) space(name string, size int) int {
	c.groups = append(c.groups, Group{Name: name, Size: size})
	c.parent = append(c.parent, link{len(c.parent), whole})
	return len(c.parent) - 1
}

// find is the space that space i ends up in.
func (c *Coupler) find(i int) link {
	at := link{i, whole}
	for up := c.parent[i]; up.space != at.space; up = c.parent[at.space] {
		parts, _ := compose(at.parts, up.parts) // coarsen has seen that they can be
		at = link{up.space, parts}
	}
	return at
}

// compose says where channels of the outer space are in the inner one. Only one of
// the two may have several parts.
func compose(inner, outer []part) ([]part, bool) {
	if len(inner) > 1 && (len(outer) > 1 || outer[0].off != 0) {
		return inner, false
	}
	var l []part
	for _, a := range inner {
		for _, b := range outer {
			l = append(l, part{a.off + a.block*b.off, a.block * b.block})
		}
	}
	return l, true
}

// union keeps the earlier space as the root, so that names and order are stable. A
// space of single channels joins one of heads; heads of different sizes do not join.
func (c *Coupler) union(a, b int) bool {
	x, y := c.find(a), c.find(b)
	if x.space == y.space {
		return slices.Equal(x.parts, y.parts)
	}
	switch {
	case slices.Equal(x.parts, y.parts):
		if x.space > y.space {
			x, y = y, x
		}
		c.parent[y.space] = link{x.space, whole}
	case slices.Equal(x.parts, whole):
		c.parent[x.space] = y
	case slices.Equal(y.parts, whole):
		c.parent[y.space] = x
	default:
		return false
	}
	return true
}

// Coarsen makes the channels of v go in the groups of space t, whose channel j is the
// features off + j·block … of each part of v. It refuses where v's channels go in
// other groups already.
func (c *Coupler) coarsen(v, t int, parts []part) {
	r := c.ref[v]
	at := c.find(r.space)
	refuse := func() {
		why := fmt.Sprintf("%s takes its channels in other groups than they are made in", c.M.Nodes[c.node].Name)
		c.Refuse(v, why)
		c.groups[t].Refused = cmp.Or(c.groups[t].Refused, why)
	}
	if r.block != 1 {
		refuse()
		return
	}
	if len(at.parts) == 1 && at.parts[0].off == 0 { // groups of groups
		m, l := at.parts[0].block, make([]part, len(parts))
		for i, p := range parts {
			if p.off%m != 0 || p.block%m != 0 {
				refuse()
				return
			}
			l[i] = part{p.off / m, p.block / m}
		}
		c.parent[at.space] = link{t, l}
		return
	}
	if at.space != c.find(t).space || !slices.Equal(at.parts, parts) {
		refuse()
	}
}

// heads starts a space of n heads of the node at hand.
func (c *Coupler) heads(n int) int {
	t := c.space(c.M.Nodes[c.node].Name, n)
	c.groups[t].heads = []int{c.node}
	return t
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
		if r.block != before.block || !c.union(before.space, r.space) {
			c.fixed[at] = c.M.Params[param].Name + " joins channels of different layouts"
		}
		return
	}
	c.tied[at] = r
	c.groups[r.space].Slices = append(c.groups[r.space].Slices, Slice{Param: param, Axis: axis, Block: r.block})
}

// Same says that a and b have the same channels.
func (c *Coupler) Same(a, b int) {
	switch {
	case c.ref[b].space < 0:
		c.ref[b] = c.ref[a]
	case c.ref[a].block != c.ref[b].block || !c.union(c.ref[a].space, c.ref[b].space):
		c.Refuse(a, fmt.Sprintf("%s joins channels of different layouts", c.M.Nodes[c.node].Name))
		c.Refuse(b, fmt.Sprintf("%s joins channels of different layouts", c.M.Nodes[c.node].Name))
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
