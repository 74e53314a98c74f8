package cpu

import (
	"math"

	"pare/core/device"
)

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

// allLanes has all bits of all lanes set.
var allLanes = func() (r row) {
	for i := range r {
		r[i] = math.Float32frombits(^uint32(0))
	}
	return r
}()

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

// blocks calls f for blocks of channels and pixels of at most rows rows: where
// the block starts in a tile, its channels and their number, and its pixels.
func (v normValue) blocks(rows int, f func(from, ch, n, pixels int)) {
	most := max(1, rows/v.c)
	for pixel := 0; pixel < v.pixels; pixel += most {
		for ch := 0; ch < v.c; ch += maxRows {
			f((pixel*v.c+ch)*T, ch, min(v.c-ch, maxRows), min(v.pixels-pixel, most))
		}
	}
}

// normValue is the shape of a normalised value.
type normValue struct{ c, pixels int }

func (e *exec) normValue(v int) normValue {
	x := e.p.Vals[v]
	return normValue{x.C, x.H * x.W}
}

// stride is the distance of pixels in bytes.
func (v normValue) stride() int { return v.c * rowBytes }

const (
	statRows   = 256 // that normStats goes through twice: they stay in the first level of cache
	gradPixels = 32  // whose sums normDStats takes in float32
)

// normStats: mean and centred sum of squares of each channel, over the tile's
// valid samples and all pixels. A block of pixels has its own mean, so the squares
// are small whatever the values are; blocks are merged as in normMerge.
func normStats(e *exec, c *call, l *local, t0, t1 int) {
	v := e.normValue(c.In[0])
	shift, sum, square := l.buf[:v.c], l.buf[v.c:2*v.c], l.buf[2*v.c:3*v.c]
	mean, m2 := l.sums[:v.c], l.sums[v.c:2*v.c]
	for t := t0; t < t1; t++ {
		x, part := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		lanes := ptr(allLanes[:])
		if e.valid(t) < T {
			lanes = ptr(e.lanes)
		}
		clear(mean)
		clear(m2)
		v.blocks(statRows, func(from, ch, n, pixels int) {
			count, before := float64(e.valid(t)*pixels), float64(e.valid(t)*(from/(v.c*T)))
			moments(&momentArgs{
				a: ptr(x[from:]), lanes: lanes, mean: ptr(shift), sum: ptr(sum), square: ptr(square),
				n: n, pixels: pixels, stride: v.stride(), scale: float32(1 / count),
			})
			share := count / (before + count)
			for i := range n {
				d := float64(sum[i]) / count
				m := &mean[ch+i]
				far := float64(shift[i]) + d - *m
				*m += far * share
				m2[ch+i] += float64(square[i]) - d*float64(sum[i]) + far*far*before*share
			}
		})
		for ch, m := range mean {
			part[ch], part[v.c+ch] = float32(m), float32(m2[ch])
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

// normAll computes y = f(x·scale + shift) at all pixels of a tile.
func (v normValue) normAll(act device.Act, y, x, scale, shift []float32) {
	v.blocks(maxRows, func(from, ch, n, pixels int) {
		a := channelArgs{dst: ptr(y[from:]), a: ptr(x[from:]), scale: ptr(scale[ch:]), shift: ptr(shift[ch:]), n: n, pixels: pixels, stride: v.stride()}
		if act == device.ReLU {
			affineReLU(&a)
		} else {
			affineAll(&a)
		}
	})
}

// normApply: y = f(x̂·gamma + beta).
func normApply(e *exec, c *call, l *local, t0, t1 int) {
	v := e.normValue(c.In[0])
	_, scale, shift := l.normBuf(v.c)
	st, gamma, beta := &e.stats[c.Stat], e.b.ws[c.W[0]].v, e.b.ws[c.W[1]].v
	for ch := range scale {
		s := float64(st.rstd[ch]) * float64(gamma[ch])
		scale[ch], shift[ch] = float32(s), float32(float64(beta[ch])-float64(st.mean[ch])*s)
	}
	for t := t0; t < t1; t++ {
		v.normAll(c.Act, e.floats(c.Out[0], t), e.floats(c.In[0], t), scale, shift)
	}
}

// normInfer: y = f((x − running mean)/√(running variance + eps)·gamma + beta).
func normInfer(e *exec, c *call, l *local, t0, t1 int) {
	v := e.normValue(c.In[0])
	_, scale, shift := l.normBuf(v.c)
	gamma, beta, mean, variance := e.b.ws[c.W[0]].v, e.b.ws[c.W[1]].v, e.b.ws[c.W[2]].v, e.b.ws[c.W[3]].v
	for ch := range scale {
		s := float64(gamma[ch]) / math.Sqrt(float64(variance[ch])+float64(c.S[0]))
		scale[ch], shift[ch] = float32(s), float32(float64(beta[ch])-float64(mean[ch])*s)
	}
	for t := t0; t < t1; t++ {
		v.normAll(c.Act, e.floats(c.Out[0], t), e.floats(c.In[0], t), scale, shift)
	}
}

// normDStats: Σ dy and Σ dy·x̂ of each channel over a tile. Past the end of the
// batch dy is zero. Of a call that was fused with the gradient of a ReLU, see
// fuse, In[2] and In[3] are the ReLU's y and dz, and dy is still to be made.
func normDStats(e *exec, c *call, l *local, t0, t1 int) {
	v, st := e.normValue(c.In[0]), &e.stats[c.Stat]
	db, dg := l.sums[:v.c], l.sums[v.c:2*v.c]
	for t := t0; t < t1; t++ {
		x, dy, part := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		var y, dz []float32
		if c.Act == device.ReLU {
			y, dz = e.floats(c.In[2], t), e.floats(c.In[3], t)
		}
		clear(l.sums[:2*v.c])
		v.blocks(maxRows/2, func(from, ch, n, pixels int) {
			sum, dot := l.buf[:n*T], l.buf[n*T:2*n*T]
			for p := 0; p < pixels; p += gradPixels {
				o := from + p*v.c*T
				clear(l.buf[:2*n*T])
				a := gradArgs{
					x: ptr(x[o:]), dy: ptr(dy[o:]), mean: ptr(st.mean[ch:]), sum: ptr(sum), dot: ptr(dot),
					n: n, pixels: min(gradPixels, pixels-p), stride: v.stride(),
				}
				if c.Act == device.ReLU {
					a.y, a.dz = ptr(y[o:]), ptr(dz[o:])
					gradSumsReLU(&a)
				} else {
					gradSums(&a)
				}
				addSums(db[ch:ch+n], sum)
				addSums(dg[ch:ch+n], dot)
			}
		})
		for ch := range db {
			part[ch], part[v.c+ch] = float32(db[ch]), float32(dg[ch]*float64(st.rstd[ch]))
		}
	}
}

// addSums adds the sum of each row to sum; the rows are overwritten.
func addSums(sum []float64, rows []float32) {
	rowSums(&sumArgs{dst: ptr(rows), a: ptr(rows), n: len(sum), tiles: 1})
	for i := range sum {
		sum[i] += float64(rows[i])
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
			e.put(c, w.g, d)
			w.Mask.Apply(w.g)
		}
	}
}

// normDX: dx = gamma·rstd·(dy − dbeta/m − x̂·dgamma/m), m = samples·pixels.
func normDX(e *exec, c *call, l *local, t0, t1 int) {
	v, st, gamma := e.normValue(c.In[0]), &e.stats[c.Stat], e.b.ws[c.W[0]].v
	k, scale, shift := l.buf[:v.c], l.buf[v.c:2*v.c], l.buf[2*v.c:3*v.c]
	m := float64(e.n * st.pixels)
	for ch := range scale {
		// dx = k·dy + (scale·x + shift)
		s := float64(gamma[ch]) * float64(st.rstd[ch])
		b := -s * float64(st.rstd[ch]) * float64(st.dgamma[ch]) / m
		k[ch], scale[ch], shift[ch] = float32(s), float32(b), float32(-s*float64(st.dbeta[ch])/m-b*float64(st.mean[ch]))
	}
	for t := t0; t < t1; t++ {
		x, dy, dx := e.floats(c.In[0], t), e.floats(c.In[1], t), e.floats(c.Out[0], t)
		v.blocks(maxRows, func(from, ch, n, pixels int) {
			affineTwo(&channelArgs{
				dst: ptr(dx[from:]), a: ptr(x[from:]), b: ptr(dy[from:]),
				scale: ptr(scale[ch:]), factor: ptr(k[ch:]), shift: ptr(shift[ch:]), n: n, pixels: pixels, stride: v.stride(),
			})
		})
		e.only(t, dx)
	}
}
