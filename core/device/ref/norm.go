package ref

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
	pixels        int       // H·W of the normalised value
}

func (s *stat) xhat(x float32, c int) float64 {
	return (float64(x) - float64(s.mean[c])) * float64(s.rstd[c])
}

// normStats: mean and centred sum of squares of each channel of one sample.
func normStats(e *exec, c *device.Call, i int) {
	x, part := e.val(c.In[0], i), e.val(c.Out[0], i)
	for ch := range x.C {
		mean, m2 := 0.0, 0.0
		for j := ch; j < len(x.x); j += x.C {
			mean += float64(x.x[j])
		}
		mean /= float64(x.H * x.W)
		for j := ch; j < len(x.x); j += x.C {
			d := float64(x.x[j]) - mean
			m2 += d * d
		}
		part.x[ch], part.x[x.C+ch] = float32(mean), float32(m2)
	}
}

// normMerge merges the samples' parts in batch order (Chan, Golub, LeVeque:
// Updating Formulae and a Pairwise Algorithm for Computing Sample Variances,
// 1979) and moves the running statistics. Normalisation divides by n (biased),
// the running variance by n − 1.
func normMerge(e *exec, c *device.Call) {
	st, rm, rv := &e.stats[c.Stat], e.weight(c.W[0]), e.weight(c.W[1])
	eps, mom := float64(c.S[0]), float64(c.S[1])
	for ch := range st.mean {
		n, mean, m2 := 0.0, 0.0, 0.0
		for i := range e.n {
			part := e.val(c.In[0], i)
			nb, d := float64(st.pixels), float64(part.x[ch])-mean
			mean += d * nb / (n + nb)
			m2 += float64(part.x[len(st.mean)+ch]) + d*d*n*nb/(n+nb)
			n += nb
		}
		st.mean[ch], st.rstd[ch] = float32(mean), float32(1/math.Sqrt(m2/n+eps))
		rm.v[ch] = float32((1-mom)*float64(rm.v[ch]) + mom*mean)
		rv.v[ch] = float32((1-mom)*float64(rv.v[ch]) + mom*m2/(n-1))
	}
	rm.Mask.Apply(rm.v)
	rv.Mask.Apply(rv.v)
}

// normApply: y = x̂·gamma + beta.
func normApply(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	st, gamma, beta := &e.stats[c.Stat], e.weight(c.W[0]), e.weight(c.W[1])
	for j, v := range x.x {
		ch := j % x.C
		y.x[j] = float32(st.xhat(v, ch)*float64(gamma.v[ch]) + float64(beta.v[ch]))
	}
}

// normInfer: y = (x − running mean)/√(running variance + eps)·gamma + beta.
func normInfer(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	gamma, beta, mean, variance := e.weight(c.W[0]), e.weight(c.W[1]), e.weight(c.W[2]), e.weight(c.W[3])
	for j, v := range x.x {
		ch := j % x.C
		xhat := (float64(v) - float64(mean.v[ch])) / math.Sqrt(float64(variance.v[ch])+float64(c.S[0]))
		y.x[j] = float32(xhat*float64(gamma.v[ch]) + float64(beta.v[ch]))
	}
}

// normDStats: Σ dy and Σ dy·x̂ of each channel of one sample.
func normDStats(e *exec, c *device.Call, i int) {
	x, dy, part := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	st := &e.stats[c.Stat]
	for ch := range x.C {
		d, dx := 0.0, 0.0
		for j := ch; j < len(x.x); j += x.C {
			d += float64(dy.x[j])
			dx += float64(dy.x[j]) * st.xhat(x.x[j], ch)
		}
		part.x[ch], part.x[x.C+ch] = float32(d), float32(dx)
	}
}

// normDMerge sums the samples' parts: dbeta and dgamma, for dx and as the
// gradients of the weights that train.
func normDMerge(e *exec, c *device.Call) {
	st := &e.stats[c.Stat]
	gamma, beta := e.weight(c.W[0]), e.weight(c.W[1])
	db, dg := make([]float64, len(st.mean)), make([]float64, len(st.mean))
	for i := range e.n {
		part := e.val(c.In[0], i)
		for ch := range db {
			db[ch] += float64(part.x[ch])
			dg[ch] += float64(part.x[len(db)+ch])
		}
	}
	round(st.dbeta, db)
	round(st.dgamma, dg)
	if beta.Train {
		e.grad(c, beta, db)
	}
	if gamma.Train {
		e.grad(c, gamma, dg)
	}
}

// normDX: dx = gamma·rstd·(dy − dbeta/m − x̂·dgamma/m), m = samples·pixels.
func normDX(e *exec, c *device.Call, i int) {
	x, dy, dx := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	st, gamma := &e.stats[c.Stat], e.weight(c.W[0])
	m := float64(e.n * st.pixels)
	for j, v := range x.x {
		ch := j % x.C
		d := float64(dy.x[j]) - float64(st.dbeta[ch])/m - st.xhat(v, ch)*float64(st.dgamma[ch])/m
		dx.x[j] = float32(float64(gamma.v[ch]) * float64(st.rstd[ch]) * d)
	}
}
