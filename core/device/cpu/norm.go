package cpu

import "math"

// stat holds what the samples of a batch share in one batch norm.
//
//	x̂ = (x − mean)·rstd    dgamma = Σ dy·x̂    dbeta = Σ dy
type stat struct {
	mean, rstd    []float32 // [C]
	dbeta, dgamma []float32 // [C]
	sum           []float64 // [2C] of NormDMerge
	pixels        int       // H·W of the normalised value
}

func newStat(c int) stat {
	x := make([]float32, 4*c)
	return stat{mean: x[:c], rstd: x[c : 2*c], dbeta: x[2*c : 3*c], dgamma: x[3*c:], sum: make([]float64, 2*c)}
}

func (s *stat) each(f func([]float32)) {
	f(s.mean)
	f(s.rstd)
	f(s.dbeta)
	f(s.dgamma)
}

// normBuf is a worker's scratch for values of c channels: a row for each
// channel, and two numbers for each.
func (l *local) normBuf(c int) (rows, scale, shift []float32) {
	return l.buf[:c*T], l.buf[c*T : c*T+c], l.buf[c*T+c : c*T+2*c]
}

// affine: dst[i] = x[i]·scale[i] + shift[i] for all channels of a pixel.
func affine(dst, x, scale, shift []float32) {
	for i := 0; i < len(scale); i += maxRows {
		affineRows(&affineArgs{dst: ptr(dst[i*T:]), a: ptr(x[i*T:]), scale: ptr(scale[i:]), shift: ptr(shift[i:]), n: min(len(scale)-i, maxRows)})
	}
}

// only clears the lanes of dst[rows][T] past the end of the batch when tile t is
// the last one and partly filled.
func (e *exec) only(t int, dst []float32) {
	if e.valid(t) == T {
		return
	}
	for len(dst) > 0 {
		m := min(len(dst), len(e.lanes))
		andRows(&rowArgs{dst: ptr(dst), a: ptr(dst), b: ptr(e.lanes), n: m / T})
		dst = dst[m:]
	}
}

// addSums adds Σ_lanes a·b (b nil: Σ_lanes a) of each row to sum, through out.
func addSums(sum []float64, out, a, b []float32) {
	for i := 0; i < len(sum); i += maxRows {
		s := sumArgs{dst: ptr(out[i:]), a: ptr(a[i*T:]), n: min(len(sum)-i, maxRows), tiles: 1}
		if b == nil {
			rowSums(&s)
		} else {
			s.b = ptr(b[i*T:])
			rowDots(&s)
		}
	}
	for i, v := range out[:len(sum)] {
		sum[i] += float64(v)
	}
}

// normStats: mean and centred sum of squares of each channel, over the tile's
// valid samples and all pixels.
func normStats(e *exec, c *call, l *local, t0, t1 int) {
	v := e.p.Vals[c.In[0]]
	rows, scale, shift := l.normBuf(v.C)
	sum := l.sums[:v.C]
	for t := t0; t < t1; t++ {
		x, part := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		count := float64(e.valid(t) * v.H * v.W)
		pixel := v.C * T
		clear(sum)
		for i := 0; i < len(x); i += pixel {
			a := x[i : i+pixel]
			if e.valid(t) < T {
				a = rows
				copyAll(a, x[i:])
				e.only(t, a)
			}
			addSums(sum, scale, a, nil)
		}
		for ch, s := range sum {
			part[ch] = float32(s / count)
			shift[ch] = -part[ch]
		}
		clear(sum)
		for i := 0; i < len(x); i += pixel {
			for ch := range scale {
				scale[ch] = 1
			}
			affine(rows, x[i:i+pixel], scale, shift)
			e.only(t, rows)
			addSums(sum, scale, rows, rows)
		}
		for ch, s := range sum {
			part[v.C+ch] = float32(s)
		}
	}
}

// normMerge merges the tiles' parts in batch order (Chan, Golub, LeVeque:
// Updating Formulae and a Pairwise Algorithm for Computing Sample Variances,
// 1979) and moves the running statistics. Normalisation divides by n (biased),
// the running variance by n − 1.
func normMerge(e *exec, c *call) {
	st, rm, rv := &e.stats[c.Stat], &e.b.ws[c.W[0]], &e.b.ws[c.W[1]]
	eps, mom := float64(c.S[0]), float64(c.S[1])
	for ch := range st.mean {
		n, mean, m2 := 0.0, 0.0, 0.0
		for t := range e.tiles {
			part := e.floats(c.In[0], t)
			nb, d := float64(e.valid(t)*st.pixels), float64(part[ch])-mean
			mean += d * nb / (n + nb)
			m2 += float64(part[len(st.mean)+ch]) + d*d*n*nb/(n+nb)
			n += nb
		}
		st.mean[ch], st.rstd[ch] = float32(mean), float32(1/math.Sqrt(m2/n+eps))
		rm.v[ch] = float32((1-mom)*float64(rm.v[ch]) + mom*mean)
		rv.v[ch] = float32((1-mom)*float64(rv.v[ch]) + mom*m2/(n-1))
	}
	rm.Mask.Apply(rm.v)
	rv.Mask.Apply(rv.v)
}

// normAll computes y = x·scale + shift at all pixels of a tile.
func normAll(y, x, scale, shift []float32) {
	pixel := len(scale) * T
	for i := 0; i < len(x); i += pixel {
		affine(y[i:i+pixel], x[i:i+pixel], scale, shift)
	}
}

// normApply: y = x̂·gamma + beta.
func normApply(e *exec, c *call, l *local, t0, t1 int) {
	_, scale, shift := l.normBuf(e.p.Vals[c.In[0]].C)
	st, gamma, beta := &e.stats[c.Stat], e.b.ws[c.W[0]].v, e.b.ws[c.W[1]].v
	for ch := range scale {
		s := float64(st.rstd[ch]) * float64(gamma[ch])
		scale[ch], shift[ch] = float32(s), float32(float64(beta[ch])-float64(st.mean[ch])*s)
	}
	for t := t0; t < t1; t++ {
		normAll(e.floats(c.Out[0], t), e.floats(c.In[0], t), scale, shift)
	}
}

// normInfer: y = (x − running mean)/√(running variance + eps)·gamma + beta.
func normInfer(e *exec, c *call, l *local, t0, t1 int) {
	_, scale, shift := l.normBuf(e.p.Vals[c.In[0]].C)
	gamma, beta, mean, variance := e.b.ws[c.W[0]].v, e.b.ws[c.W[1]].v, e.b.ws[c.W[2]].v, e.b.ws[c.W[3]].v
	for ch := range scale {
		s := float64(gamma[ch]) / math.Sqrt(float64(variance[ch])+float64(c.S[0]))
		scale[ch], shift[ch] = float32(s), float32(float64(beta[ch])-float64(mean[ch])*s)
	}
	for t := t0; t < t1; t++ {
		normAll(e.floats(c.Out[0], t), e.floats(c.In[0], t), scale, shift)
	}
}

// normDStats: Σ dy and Σ dy·x̂ of each channel over a tile. Past the end of the
// batch dy is zero.
func normDStats(e *exec, c *call, l *local, t0, t1 int) {
	v, st := e.p.Vals[c.In[0]], &e.stats[c.Stat]
	rows, shift, out := l.normBuf(v.C)
	for ch := range shift {
		shift[ch] = float32(-float64(st.mean[ch]) * float64(st.rstd[ch]))
	}
	db, dg := l.sums[:v.C], l.sums[v.C:2*v.C]
	pixel := v.C * T
	for t := t0; t < t1; t++ {
		x, dy, part := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		clear(db)
		clear(dg)
		for i := 0; i < len(x); i += pixel {
			affine(rows, x[i:i+pixel], st.rstd, shift)
			addSums(db, out, dy[i:i+pixel], nil)
			addSums(dg, out, dy[i:i+pixel], rows)
		}
		for ch := range db {
			part[ch], part[v.C+ch] = float32(db[ch]), float32(dg[ch])
		}
	}
}

// normDMerge sums the tiles' parts: dbeta and dgamma, for dx and as the
// gradients of the weights that train.
func normDMerge(e *exec, c *call) {
	st := &e.stats[c.Stat]
	clear(st.sum)
	for t := range e.tiles {
		for i, v := range e.floats(c.In[0], t) {
			st.sum[i] += float64(v)
		}
	}
	for ch := range st.dbeta {
		st.dbeta[ch], st.dgamma[ch] = float32(st.sum[ch]), float32(st.sum[len(st.dbeta)+ch])
	}
	for i, d := range [][]float32{st.dgamma, st.dbeta} {
		if w := &e.b.ws[c.W[i]]; w.Train {
			copy(w.g, d)
			w.Mask.Apply(w.g)
		}
	}
}

// normDX: dx = gamma·rstd·(dy − dbeta/m − x̂·dgamma/m), m = samples·pixels.
func normDX(e *exec, c *call, l *local, t0, t1 int) {
	v, st, gamma := e.p.Vals[c.In[0]], &e.stats[c.Stat], e.b.ws[c.W[0]].v
	rows, scale, shift := l.normBuf(v.C)
	k, zero := l.buf[len(l.buf)-2*v.C:len(l.buf)-v.C], l.buf[len(l.buf)-v.C:]
	m := float64(e.n * st.pixels)
	for ch := range scale {
		// dx = k·dy + (scale·x + shift)
		s := float64(gamma[ch]) * float64(st.rstd[ch])
		b := -s * float64(st.rstd[ch]) * float64(st.dgamma[ch]) / m
		k[ch], zero[ch] = float32(s), 0
		scale[ch], shift[ch] = float32(b), float32(-s*float64(st.dbeta[ch])/m-b*float64(st.mean[ch]))
	}
	pixel := v.C * T
	for t := t0; t < t1; t++ {
		x, dy, dx := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		for i := 0; i < len(x); i += pixel {
			affine(rows, x[i:i+pixel], scale, shift)
			affine(dx[i:i+pixel], dy[i:i+pixel], k, zero)
			addAll(dx[i:i+pixel], dx[i:i+pixel], rows)
		}
		e.only(t, dx)
	}
}
