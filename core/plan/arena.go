package plan

import (
	"slices"
	"sort"

	"pare/core/device"
)

// align is the alignment of a value inside a slab, in floats: one cache line.
const align = 16

// arena gives every value an offset in the tile's slab. Values whose lifetimes
// do not overlap share memory: a tile is worked on by one worker, call by call,
// so the order of the calls is the order of time inside its slab, and regions
// that read across tiles come after a barrier. Values of samples lie in slabs of
// their own.
//
// With again, values are kept for a few calls more than they are read: a device may do the
// work of calls that follow each other at once, and must do so both times that they are made
// or the bits would differ; it cannot where the last of them writes over what the first reads.
func arena(p *device.Plan, again bool) {
	more := 0
	if again {
		more = 2 // between an activation and the product with it a layer may stand
	}
	p.Slab = place(p, false, more)
	if p.Seq > 0 {
		p.Samples = place(p, true, more)
	}
}

// place gives the values of one kind of slab their offsets and returns its size.
func place(p *device.Plan, sample bool, more int) (slab int) {
	first, last := make([]int, len(p.Vals)), make([]int, len(p.Vals))
	for i := range first {
		first[i], last[i] = -1, -1
	}
	touch := func(v, t int) {
		if first[v] < 0 {
			first[v] = t
		}
		last[v] = max(last[v], t)
	}
	t := 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			for _, v := range c.In {
				touch(v, t)
				last[v] = t + more
			}
			for _, v := range c.Out {
				touch(v, t)
			}
			// Calls of a task region run side by side: they end together.
			if r.Scope != device.Task {
				t++
			}
		}
		if r.Scope == device.Task {
			t++
		}
	}
	for _, v := range []int{p.Output, p.InGrad} {
		if v >= 0 {
			touch(v, t) // copied out after the last region
		}
	}
	at := inPlace(p, sample, first, last, more)
	order := make([]int, 0, len(p.Vals))
	for v := range p.Vals {
		if first[v] >= 0 && p.Vals[v].Sample == sample && at[v] == v {
			order = append(order, v)
		}
	}
	// Larger values first: the classic greedy placement by size.
	size := func(v int) int { return (p.Vals[v].Size(p.T, p.P) + align - 1) / align * align }
	sort.SliceStable(order, func(i, j int) bool { return size(order[i]) > size(order[j]) })
	var placed []int
	for _, v := range order {
		var busy [][2]int
		for _, u := range placed {
			if first[u] <= last[v] && first[v] <= last[u] {
				busy = append(busy, [2]int{p.Vals[u].Off, p.Vals[u].Off + size(u)})
			}
		}
		sort.Slice(busy, func(i, j int) bool { return busy[i][0] < busy[j][0] })
		off := 0
		for _, s := range busy {
			if off+size(v) <= s[0] {
				break
			}
			off = max(off, s[1])
		}
		p.Vals[v].Off = off
		slab = max(slab, off+size(v))
		placed = append(placed, v)
	}
	for v, z := range at {
		if z != v {
			p.Vals[v].Off = p.Vals[z].Off
		}
	}
	// A stride of 4·odd cache lines: the slabs of neighbouring tiles, and the
	// rows of one block, then fall into different sets of the caches (measured:
	// dw of dense layers 3–6 % faster, of blocks 20–30 %).
	for slab > 0 && slab/align%8 != 4 {
		slab += align
	}
	return slab
}

// inPlace says at whose place each value lies, mostly its own. On devices with panels a sum
// takes the place of the term that is read for the last time, so that memory that comes from
// afar is touched once. Of two such terms that is the earlier one, as the later one may be
// that of a product which a device makes onto the sum. The lifetimes of the values at one
// place become one. more is what last has been put off by.
func inPlace(p *device.Plan, sample bool, first, last []int, more int) []int {
	at := make([]int, len(p.Vals))
	for v := range at {
		at[v] = v
	}
	if p.P == 1 {
		return at
	}
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel != device.Add || p.Vals[c.Out[0]].Sample != sample {
				continue
			}
			y, terms := c.Out[0], []int{c.In[0], c.In[1]}
			if first[terms[1]] < first[terms[0]] {
				slices.Reverse(terms)
			}
			for _, z := range terms {
				if last[z]-more == first[y] && first[z] < first[y] && z != p.Output && z != p.InGrad {
					at[y] = at[z]
					last[at[z]] = max(last[at[z]], last[y])
					break
				}
			}
		}
	}
	return at
}
