package cuda

import "pare/core/device"

// ids sorts the tokens of a batch by their ids, for the gradient of an embedding's
// table: on the processor, which has the ids at hand and sorts them in a fraction of a
// millisecond, so that the card adds the rows of one id in one order and without atomics.
type ids struct {
	slot  []int32 // of each id of the table: 1 + its place among the distinct ones
	count []int32 // of each distinct id
	found []int32 // the distinct ids, in the order of their first tokens
}

// idsOf is what a plan needs; nil: it has no such gradient.
func idsOf(p *device.Plan, ws []device.Weight) *ids {
	most := 0
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.EmbedD {
				most = max(most, ws[c.W[0]].Shape[0])
			}
		}
	}
	if most == 0 {
		return nil
	}
	return &ids{slot: make([]int32, most)}
}

// sort fills order [rows], the rows sorted by x[row·channels], and firsts [distinct + 1],
// where those of each id begin. Rows of one id stay in order.
func (s *ids) sort(x []float32, channels int, order, firsts []int32) (distinct int) {
	s.count, s.found = s.count[:0], s.found[:0]
	for r := range order {
		id := int32(x[r*channels])
		k := s.slot[id]
		if k == 0 {
			s.found, s.count = append(s.found, id), append(s.count, 0)
			k = int32(len(s.found))
			s.slot[id] = k
		}
		s.count[k-1]++
	}
	at := int32(0)
	for k, n := range s.count {
		firsts[k], s.count[k] = at, at
		at += n
	}
	firsts[len(s.found)] = at
	for r := range order {
		k := s.slot[int32(x[r*channels])] - 1
		order[s.count[k]] = int32(r)
		s.count[k]++
	}
	for _, id := range s.found {
		s.slot[id] = 0
	}
	return len(s.found)
}
