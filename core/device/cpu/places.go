package cpu

// Segments, and what leads from the tiles of tokens to those of samples and back. The
// kernels between both kinds are handed the exec of tokens.

// segment: y = x + w[s], from a panel of 16 segments.
func segment(e *exec, c *call, _ *local, t0, t1 int) {
	w := &e.b.ws[c.W[0]]
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		from := [T][]float32{}
		for lane := range from {
			from[lane] = w.v[e.segmentAt(c.In[1:], t, lane)/P*w.k*P:]
		}
		if len(c.In) < 2 {
			for k := range w.k {
				a, b, v := (*row)(x[k*T:]), (*row)(y[k*T:]), w.v[k*P]
				for lane := range b {
					b[lane] = a[lane] + v
				}
			}
			continue
		}
		var at [T]int
		for lane := range at {
			at[lane] = e.segmentAt(c.In[1:], t, lane) % P
		}
		for k := range w.k {
			for lane := range at {
				y[k*T+lane] = x[k*T+lane] + from[lane][k*P+at[lane]]
			}
		}
	}
}

// segmentAt is the segment of a lane of tile t: the second channel of ids, 0 without.
func (e *exec) segmentAt(ids []int, t, lane int) int {
	if len(ids) == 0 {
		return 0
	}
	return int(rowAt(e.at(ids[0], t), 1)[lane])
}

// segmentD: dw[s] = Σ dy over the tokens in their order, for one range of channels.
func segmentD(e *exec, c *call, _ *local, part int) {
	w := &e.b.ws[c.W[0]]
	k0, k1 := part*w.k/c.parts, (part+1)*w.k/c.parts
	panels := (w.n + P - 1) / P
	if !e.adds(c) {
		for p := range panels {
			clear(w.g[(p*w.k+k0)*P : (p*w.k+k1)*P])
		}
	}
	for k := k0; k < k1; k++ {
		if len(c.In) < 2 { // one long sum
			sum := 0.0
			for t := range e.tiles {
				for _, d := range e.floats(c.In[0], t)[k*T:][:e.valid(t)] {
					sum += float64(d)
				}
			}
			w.g[k*P] += float32(sum)
			continue
		}
		for t := range e.tiles {
			for lane, d := range e.floats(c.In[0], t)[k*T:][:e.valid(t)] {
				s := e.segmentAt(c.In[1:], t, lane)
				w.g[(s/P*w.k+k)*P+s%P] += d
			}
		}
	}
	for p := range panels {
		e.settle(c, w, (p*w.k+k0)*P, (p*w.k+k1)*P)
	}
}

// token: y of a sample is x of its token S[0], for one tile of samples.
func token(e *exec, c *call, _ *local, part int) {
	if part >= e.samples.tiles {
		return
	}
	y, at := e.samples.floats(c.Out[0], part), int(c.S[0])
	for lane := range T {
		if lane >= e.samples.valid(part) {
			for i := lane; i < len(y); i += T {
				y[i] = 0
			}
			continue
		}
		x := e.floats(c.In[0], (part*T+lane)*e.per+at/T)
		for i := 0; i < len(y); i += T {
			y[i+lane] = x[i+at%T]
		}
	}
}

// tokenDX: dx of a sample's tokens is zero but at S[0].
func tokenDX(e *exec, c *call, _ *local, part int) {
	if part >= e.n {
		return
	}
	at := int(c.S[0])
	for t := part * e.per; t < (part+1)*e.per; t++ {
		clearAll(e.floats(c.Out[0], t))
	}
	dy, dx := e.samples.floats(c.In[0], part/T), e.floats(c.Out[0], part*e.per+at/T)
	for i := 0; i < len(dx); i += T {
		dx[i+at%T] = dy[i+part%T]
	}
}

// tokens: the pixels of one sample, [H·W][C], as tokens behind w.
func tokens(e *exec, c *call, _ *local, part int) {
	if part >= e.n {
		return
	}
	x, front := e.samples.floats(c.In[0], part/T), len(c.W)
	for t := range e.per {
		y := e.floats(c.Out[0], part*e.per+t)
		for lane := range T {
			var from []float32
			step := T
			switch token := t*T + lane - front; {
			case token < 0:
				from, step = e.b.ws[c.W[0]].v, 1
			case lane < e.valid(t):
				from = x[token*len(y)+part%T:]
			default:
				for i := lane; i < len(y); i += T {
					y[i] = 0
				}
				continue
			}
			for k := range len(y) / T {
				y[k*T+lane] = from[k*step]
			}
		}
	}
}

// tokensDX: the pixels of dx are tokens of dy from S[0] on, for one tile of samples.
func tokensDX(e *exec, c *call, _ *local, part int) {
	if part >= e.samples.tiles {
		return
	}
	dx, front := e.samples.floats(c.Out[0], part), int(c.S[0])
	for lane := range T {
		if lane >= e.samples.valid(part) {
			for i := lane; i < len(dx); i += T {
				dx[i] = 0
			}
			continue
		}
		for token := front; token < e.p.Seq; token++ {
			dy := e.floats(c.In[0], (part*T+lane)*e.per+token/T)
			to := dx[(token-front)*len(dy)+lane:]
			for i := 0; i < len(dy); i += T {
				to[i] = dy[i+token%T]
			}
		}
	}
}

// firstD: dw = Σ dy over the first tokens of all sequences.
func firstD(e *exec, c *call, _ *local, _ int) {
	w := &e.b.ws[c.W[0]]
	for k := range w.v {
		sum := 0.0
		for t := 0; t < e.tiles; t += e.per {
			sum += float64(e.floats(c.In[0], t)[k*T])
		}
		if e.adds(c) {
			sum += float64(w.g[k])
		}
		w.g[k] = float32(sum)
	}
	e.settle(c, w, 0, len(w.v))
}
