package event

import "slices"

// Metrics are metrics that followed each other in one stage, as a reader's index keeps
// them: the curves' columns and the last one whole. They are no line of a log; the fold
// is that of the metrics one by one.
type Metrics struct {
	Step        []int64
	Loss, Zeros []float64
	Last        Metric
}

// Kind is of no event that is written.
func (*Metrics) Kind() string { return "metrics" }

func (s *State) metrics(b *Metrics) {
	s.Metric = b.Last
	c := &s.Curves[clip(b.Last.Stage)]
	c.Loss, c.Zeros = addAll(c.Loss, b.Step, b.Loss), addAll(c.Zeros, b.Step, b.Zeros)
}

func addAll(c []Point, step []int64, y []float64) []Point {
	if len(c)+len(step) > cap(c) { // a long past is coming: append would copy it many times
		c = slices.Grow(c, max(len(step), 3*len(c)))
	}
	for i, s := range step {
		c = add(c, Point{s, y[i], y[i], y[i]})
	}
	return c
}
