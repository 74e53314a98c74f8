package tokenizer

import (
	"container/heap"
)

// mergeLong merges a long word with a queue of the pairs that can be merged and
// a linked list of its tokens: n log n where mergeShort is n².
func (m *bpe) mergeLong(list []token) int {
	links := make([]link, len(list))
	q := make(queue, 0, len(list))
	candidate := func(i int32) (queued, bool) {
		k := links[i].next
		if k < 0 {
			return queued{}, false
		}
		g, ok := m.merges[pair(list[i].id, list[k].id)]
		return queued{g.rank, i, g.id}, ok
	}
	for i := range links {
		links[i] = link{int32(i - 1), int32(i + 1)}
	}
	links[len(links)-1].next = -1
	for i := range links {
		if c, ok := candidate(int32(i)); ok {
			q = append(q, c)
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		top := q[0]
		// What was queued before a neighbour was merged away is out of date.
		now, ok := queued{}, false
		if links[top.at].next != gone {
			now, ok = candidate(top.at)
		}
		if !ok || now != top {
			q.drop()
			continue
		}
		i, k := top.at, links[top.at].next
		list[i] = token{top.id, list[i].from, list[k].to}
		after := links[k].next
		links[k].next = gone
		links[i].next = after
		if after >= 0 {
			links[after].prev = i
		}
		if c, ok := candidate(i); ok {
			q[0] = c
			heap.Fix(&q, 0)
		} else {
			q.drop()
		}
		if p := links[i].prev; p >= 0 {
			if c, ok := candidate(p); ok {
				heap.Push(&q, c)
			}
		}
	}
	n := 0
	for i := int32(0); i >= 0; i = links[i].next {
		list[n] = list[i]
		n++
	}
	return n
}

// link is where the neighbours of a token are: -1 at the ends.
type link struct{ prev, next int32 }

const gone = -2 // next of a token that was merged into the one before it

// queued is a pair that can be merged: its rank, where it starts, what it becomes.
type queued struct{ rank, at, id int32 }

// queue is a heap of pairs, the lowest rank and then the leftmost on top.
type queue []queued

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q queue) Less(i, k int) bool {
	return q[i].rank < q[k].rank || q[i].rank == q[k].rank && q[i].at < q[k].at
}
func (q *queue) Push(x any) { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any   { x := (*q)[len(*q)-1]; *q = (*q)[:len(*q)-1]; return x }

// drop takes the top off.
func (q *queue) drop() {
	n := len(*q) - 1
	(*q)[0] = (*q)[n]
	*q = (*q)[:n]
	if n > 0 {
		heap.Fix(q, 0)
	}
}
