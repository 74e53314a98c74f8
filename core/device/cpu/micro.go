package cpu

// adds reports whether a call adds to the gradient that the bank holds: of another layer,
// or of the part of the step before.
func (e *exec) adds(c *call) bool { return c.Accum || e.s.Micro.Onto }

// acc is what kernels call it: 1 to add, and always after the first of several sums.
func (e *exec) acc(c *call, done int) int {
	if e.adds(c) {
		return 1
	}
	return min(done, 1)
}

// put stores a gradient that was summed elsewhere, or adds it.
func (e *exec) put(c *call, g, sums []float32) {
	if !e.adds(c) {
		copy(g, sums)
		return
	}
	for i, s := range sums {
		g[i] += s
	}
}
