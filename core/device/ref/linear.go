package ref

import "pare/core/device"

// linear: y[n] = f(Σ_k w[n][k]·x[k] + b[n]).
func linear(e *exec, c *device.Call, i int) {
	x, y, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0])
	sum, nn, kk := e.bias(c, y), w.N(), w.K()
	for n := range nn {
		s, row := sum[n], w.v[n*kk:(n+1)*kk]
		for k, v := range x.x[:kk] {
			if w.stored(n*kk + k) {
				s += float64(row[k]) * float64(v)
			}
		}
		sum[n] = s
	}
	for n, s := range sum {
		y.x[n] = float32(actFn(c.Act, c.S, s))
	}
}

// linearDX: dx[k] = Σ_n w[n][k]·dy[n].
func linearDX(e *exec, c *device.Call, i int) {
	dy, dx, w := e.val(c.In[0], i), e.val(c.Out[0], i), e.weight(c.W[0])
	nn, kk := w.N(), w.K()
	sum := make([]float64, kk)
	for n := range nn {
		d := float64(dy.x[n])
		for k, v := range w.v[n*kk : (n+1)*kk] {
			if w.stored(n*kk + k) {
				sum[k] += float64(v) * d
			}
		}
	}
	round(dx.x, sum)
}

// linearDW: dw[n][k] = Σ_samples dy[n]·x[k].
func linearDW(e *exec, c *device.Call) {
	w := e.weight(c.W[0])
	sum, nn, kk := make([]float64, len(w.v)), w.N(), w.K()
	for i := range e.n {
		x, dy := e.val(c.In[0], i), e.val(c.In[1], i)
		for n := range nn {
			d, row := float64(dy.x[n]), sum[n*kk:(n+1)*kk]
			for k, v := range x.x[:kk] {
				row[k] += d * float64(v)
			}
		}
	}
	e.grad(c, w, sum)
}

// biasD: db[n] = Σ dy[n] over samples and pixels.
func biasD(e *exec, c *device.Call) {
	b := e.weight(c.W[0])
	sum := make([]float64, len(b.v))
	for i := range e.n {
		dy := e.val(c.In[0], i)
		for j, d := range dy.x {
			sum[j%dy.C] += float64(d)
		}
	}
	e.grad(c, b, sum)
}

// bias starts the sums of a product: b at each pixel of y, or zeros.
func (e *exec) bias(c *device.Call, y act) []float64 {
	sum := make([]float64, len(y.x))
	if len(c.W) > 1 {
		b := e.weight(c.W[1])
		for j := range sum {
			sum[j] = float64(b.v[j%y.C])
		}
	}
	return sum
}

// grad stores the gradient of w and takes the optimiser's step if asked to.
func (e *exec) grad(c *device.Call, w *weight, sum []float64) {
	if c.Accum || e.s.Micro.Onto && !c.Kernel.FromGradient() {
		for j, g := range w.g {
			sum[j] += float64(g)
		}
	}
	w.setGrad(sum)
	if c.Update && !e.s.Micro.Hold {
		e.step(w)
	}
}

// round stores sums as float32.
func round(x []float32, sum []float64) {
	for j, s := range sum {
		x[j] = float32(s)
	}
}
