package cpu

import "pare/core/device"

// add: y = f(a + b), f being ReLU if the call was fused with one.
func add(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		if c.Act == device.ReLU {
			y, a, b := e.floats(c.Out[0], t), e.floats(c.In[0], t), e.floats(c.In[1], t)
			for i := 0; i < len(y); i += maxRows * T {
				addReLU(&rowArgs{dst: ptr(y[i:]), a: ptr(a[i:]), b: ptr(b[i:]), n: min(len(y)-i, maxRows*T) / T})
			}
			continue
		}
		addAll(e.floats(c.Out[0], t), e.floats(c.In[0], t), e.floats(c.In[1], t))
	}
}

// accum: y += x.
func accum(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		y := e.floats(c.Out[0], t)
		addAll(y, y, e.floats(c.In[0], t))
	}
}

// addAll: y = a + b; y may be one of them.
func addAll(y, a, b []float32) {
	for len(y) > 0 {
		n := min(len(y)/T, maxRows)
		addRows(&rowArgs{dst: ptr(y), a: ptr(a), b: ptr(b), n: n})
		y, a, b = y[n*T:], a[n*T:], b[n*T:]
	}
}

// copyKernel: y = x.
func copyKernel(e *exec, c *call, _ *local, t0, t1 int) {
	for t := t0; t < t1; t++ {
		copyAll(e.floats(c.Out[0], t), e.floats(c.In[0], t))
	}
}

// flatten: [H][W][C] to the logical order C, H, W.
func flatten(e *exec, c *call, _ *local, t0, t1 int) {
	v := e.p.Vals[c.In[0]]
	for t := t0; t < t1; t++ {
		reorder(e.floats(c.Out[0], t), e.floats(c.In[0], t), v.C, v.H*v.W)
	}
}

// flattenDX is flatten backwards.
func flattenDX(e *exec, c *call, _ *local, t0, t1 int) {
	v := e.p.Vals[c.Out[0]]
	for t := t0; t < t1; t++ {
		reorder(e.floats(c.Out[0], t), e.floats(c.In[0], t), v.H*v.W, v.C)
	}
}

// reorder transposes x[m][n] to y[n][m], elements being rows of a tile.
func reorder(y, x []float32, n, m int) {
	if n == 1 || m == 1 {
		copyAll(y, x)
		return
	}
	for i := range m {
		for j := range n {
			*(*row)(y[(j*m+i)*T:]) = *(*row)(x[(i*n+j)*T:])
		}
	}
}

// dropout: y = x·keep/(1−p). DropoutDX is the same with dy for x: the mask is
// drawn again.
func dropout(e *exec, c *call, _ *local, t0, t1 int) {
	stream := device.DropoutStream(e.p.Seed, c.Key, e.s.Index)
	limit, scale := device.DropoutLimit(c.S[0]), float32(1/(1-float64(c.S[0])))
	first := e.s.Micro.First
	if e.per > 0 {
		first *= e.p.Seq
	}
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := 0; i < len(x); i += T {
			a, b := (*row)(x[i:]), (*row)(y[i:])
			for lane := range a {
				b[lane] = 0
				if device.DropoutAt(stream, first+e.place(t, lane), i/T) >= limit {
					b[lane] = a[lane] * scale
				}
			}
		}
	}
}
