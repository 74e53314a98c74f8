package cpu

// meanTokens: y of a sample is the mean of x over its tokens, in their order, for one
// tile of samples.
func meanTokens(e *exec, c *call, _ *local, part int) {
	if part >= e.samples.tiles {
		return
	}
	y := e.samples.floats(c.Out[0], part)
	clearAll(y)
	share := 1 / float64(e.p.Seq)
	for lane := range e.samples.valid(part) {
		first := (part*T + lane) * e.per
		for i := 0; i < len(y); i += T {
			sum := 0.0
			for t := first; t < first+e.per; t++ {
				for _, v := range e.floats(c.In[0], t)[i:][:e.valid(t)] {
					sum += float64(v)
				}
			}
			y[i+lane] = float32(sum * share)
		}
	}
}

// meanTokensDX: dx = dy/Seq at every token of one sample, zero behind the last.
func meanTokensDX(e *exec, c *call, _ *local, part int) {
	if part >= e.n {
		return
	}
	dy, share := e.samples.floats(c.In[0], part/T), 1/float64(e.p.Seq)
	for t := part * e.per; t < (part+1)*e.per; t++ {
		dx, n := e.floats(c.Out[0], t), e.valid(t)
		clearAll(dx)
		for i := 0; i < len(dx); i += T {
			d := float32(float64(dy[i+part%T]) * share)
			for lane := range n {
				dx[i+lane] = d
			}
		}
	}
}
