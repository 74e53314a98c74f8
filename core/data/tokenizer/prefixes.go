package tokenizer

import (
	"cmp"
	"slices"
	"sort"
)

// prefixes finds which of a set of strings a text starts with. It is the sorted
// list of them: each further byte narrows a range of it.
type prefixes struct {
	list  []entry
	start [257]int32 // of the strings that begin with a byte
}

type entry struct {
	s  string
	id int32
}

// newPrefixes sorts list; of equal strings the last given counts. Empty strings
// are left out.
func newPrefixes(list []entry) *prefixes {
	slices.SortStableFunc(list, func(a, b entry) int { return cmp.Compare(a.s, b.s) })
	kept := list[:0]
	for i, e := range list {
		if e.s == "" || i+1 < len(list) && list[i+1].s == e.s {
			continue
		}
		kept = append(kept, e)
	}
	p := &prefixes{list: kept}
	i := 0
	for b := range 257 {
		for i < len(kept) && int(kept[i].s[0]) < b {
			i++
		}
		p.start[b] = int32(i)
	}
	return p
}

// each calls f with every string of the set that s starts with, shorter ones first.
func (p *prefixes) each(s string, f func(e *entry)) {
	if s == "" {
		return
	}
	lo, hi := int(p.start[s[0]]), int(p.start[int(s[0])+1])
	for n := 1; lo < hi; n++ {
		// All of list[lo:hi] start with s[:n]; one of exactly that length comes first.
		if len(p.list[lo].s) == n {
			f(&p.list[lo])
			lo++
		}
		if n == len(s) || lo == hi {
			return
		}
		c := s[n]
		if p.list[lo].s[n] < c {
			lo += sort.Search(hi-lo, func(i int) bool { return p.list[lo+i].s[n] >= c })
		}
		if lo < hi && p.list[hi-1].s[n] > c {
			hi = lo + sort.Search(hi-lo, func(i int) bool { return p.list[lo+i].s[n] > c })
		}
	}
}

// longest is the longest string of the set that s starts with, nil if there is none.
func (p *prefixes) longest(s string) *entry {
	var last *entry
	p.each(s, func(e *entry) { last = e })
	return last
}
