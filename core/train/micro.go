package train

import "pare/core/graph"

// Part is the most samples of one run of a step.
func (o Options) Part() int {
	k := max(1, min(o.Micros, o.Batch))
	return (o.Batch + k - 1) / k
}

// micros is the number of runs that a step of n samples is made in, so that none is
// larger than those of training: 0 for one.
func (t *Trainer) micros(n int) int {
	if part := t.o.Part(); t.o.Micros > 1 && n > part {
		return (n + part - 1) / part
	}
	return 0
}

// evalBatch is how many samples are evaluated at a time: no more than what runs in one go
// of a step in parts, so that where that fits so do evaluations.
func (t *Trainer) evalBatch() int { return t.o.evalBatch(t.Model) }

func (o Options) evalBatch(m *graph.Model) int {
	if o.Micros > 1 {
		return min(evalBatch(m), o.Part())
	}
	return evalBatch(m)
}

// NormsVectors reports whether some batch norm sees one value of each channel and
// sample: it then needs two samples at least.
func NormsVectors(m *graph.Model) bool {
	for _, n := range m.Nodes {
		if v := m.Values[n.In[0]]; n.Op == "batchnorm" && v.H*v.W == 1 {
			return true
		}
	}
	return false
}
