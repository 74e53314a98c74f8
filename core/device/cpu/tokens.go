package cpu

import (
	"math"
	"slices"

	"pare/core/device"
)

// tokenAt is the first token of tile t in its sequence.
func (e *exec) tokenAt(t int) int { return t % e.per * T }

// embed: y = w[id], from panels of 16 ids.
func embed(e *exec, c *call, _ *local, t0, t1 int) {
	w := &e.b.ws[c.W[0]]
	for t := t0; t < t1; t++ {
		ids, y := rowAt(e.at(c.In[0], t), 0), e.floats(c.Out[0], t)
		for lane, id := range ids {
			from := w.v[int(id)/P*w.k*P+int(id)%P:]
			for k := range w.k {
				y[k*T+lane] = from[k*P]
			}
		}
	}
}

// embedD: dw[id] = Σ dy over the tokens in their order, for one range of channels.
func embedD(e *exec, c *call, _ *local, part int) {
	w := &e.b.ws[c.W[0]]
	k0, k1 := part*w.k/c.parts, (part+1)*w.k/c.parts
	panels := (w.n + P - 1) / P
	if !e.adds(c) {
		for p := range panels {
			clear(w.g[(p*w.k+k0)*P : (p*w.k+k1)*P])
		}
	}
	for t := range e.tiles {
		ids, dy := rowAt(e.at(c.In[0], t), 0), e.floats(c.In[1], t)
		for lane, id := range ids[:e.valid(t)] {
			if c.S[0] == 1 && id == c.S[1] {
				continue
			}
			to := w.g[int(id)/P*w.k*P+int(id)%P:]
			for k := k0; k < k1; k++ {
				to[k*P] += dy[k*T+lane]
			}
		}
	}
	for p := range panels {
		e.settle(c, w, (p*w.k+k0)*P, (p*w.k+k1)*P)
	}
}

// positions: y = x + w[t]. A panel of w is laid out like a tile of x.
func positions(e *exec, c *call, _ *local, t0, t1 int) {
	w := &e.b.ws[c.W[0]]
	for t := t0; t < t1; t++ {
		token := e.tokenAt(t)
		addAll(e.floats(c.Out[0], t), e.floats(c.In[0], t), w.v[token*w.k:(token+P)*w.k])
	}
}

// positionsD: dw[t] = Σ dy over the sequences, for one panel of 16 places.
func positionsD(e *exec, c *call, _ *local, part int) {
	w := &e.b.ws[c.W[0]]
	g := w.g[part*P*w.k : (part+1)*P*w.k]
	if !e.adds(c) {
		clearAll(g)
	}
	for t := part; part < e.per && t < e.tiles; t += e.per {
		addAll(g, g, e.floats(c.In[0], t))
	}
	e.settle(c, w, part*P*w.k, (part+1)*P*w.k)
}

// angles are the cosines and sines of rope, [tokens of a sequence / T][Dim/2][T].
type angles struct {
	freq     []float64
	cos, sin []float32
}

// anglesOf works out the angles of a call, or finds those of another one.
func (e *exec) anglesOf(c *device.Call) *angles {
	for _, a := range e.angles {
		if slices.Equal(a.freq, c.Attn.Freq) {
			return a
		}
	}
	half := len(c.Attn.Freq)
	size := (e.p.Seq + T - 1) / T * half * T
	a := &angles{freq: c.Attn.Freq, cos: e.alloc("cosines", size), sin: e.alloc("sines", size)}
	for i := range size {
		token := i/(half*T)*T + i%T
		sin, cos := math.Sincos(float64(token) * a.freq[i/T%half])
		a.cos[i], a.sin[i] = float32(cos), float32(sin)
	}
	e.angles = append(e.angles, a)
	return a
}

// rope turns channels i and i + Dim/2 of each head; the other way for the gradient,
// which is the same with both halves swapped.
func rope(e *exec, c *call, _ *local, t0, t1 int) {
	half := c.Attn.Dim / 2
	for t := t0; t < t1; t++ {
		token := e.tokenAt(t)
		x, y := e.at(c.In[0], t), e.at(c.Out[0], t)
		for h := range c.Attn.Heads {
			one, two := h*c.Attn.Dim*rowBytes, (h*c.Attn.Dim+half)*rowBytes
			if c.S[0] < 0 {
				one, two = two, one
			}
			turnRows(&turnArgs{
				dst: at(y, one), dst2: at(y, two), a: at(x, one), b: at(x, two), n: half,
				cos: ptr(c.angles.cos[token*half:]), sin: ptr(c.angles.sin[token*half:]),
			})
		}
	}
}

// mul: y = a·b.
func mul(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		a, b, y := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		for i := 0; i < len(y); i += maxRows * T {
			mulRows(&rowArgs{dst: ptr(y[i:]), a: ptr(a[i:]), b: ptr(b[i:]), n: min((len(y)-i)/T, maxRows)})
		}
	}
}
