package ref

import "pare/core/device"

// load copies one row, [C][H][W], into the tile, [H][W][C].
func load(e *exec, c *device.Call, i int) {
	y := e.val(c.Out[0], i)
	x, row := e.s.X, e.row(i)
	if c.S[0] == 1 {
		x, row = e.s.OutGrad, i // not data: one row for each sample of the batch
	}
	x = x[row*len(y.x):]
	each(y, func(py, px, ch int) {
		y.x[y.at(py, px, ch)] = x[y.logical(py, px, ch)]
	})
}

// store copies a value out as [C][H][W] per sample.
func (e *exec) store(to []float32, v int) {
	for i := range e.s.Count() * e.p.Per(v) {
		x := e.val(v, i)
		each(x, func(py, px, ch int) {
			to[i*len(x.x)+x.logical(py, px, ch)] = x.x[x.at(py, px, ch)]
		})
	}
}

// flatten: [H][W][C] to the logical order C, H, W.
func flatten(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	each(x, func(py, px, ch int) {
		y.x[x.logical(py, px, ch)] = x.x[x.at(py, px, ch)]
	})
}

// flattenDX is flatten backwards.
func flattenDX(e *exec, c *device.Call, i int) {
	dy, dx := e.val(c.In[0], i), e.val(c.Out[0], i)
	each(dx, func(py, px, ch int) {
		dx.x[dx.at(py, px, ch)] = dy.x[dx.logical(py, px, ch)]
	})
}

// add: y = a + b.
func add(e *exec, c *device.Call, i int) {
	a, b, y := e.val(c.In[0], i), e.val(c.In[1], i), e.val(c.Out[0], i)
	for j := range y.x {
		y.x[j] = a.x[j] + b.x[j]
	}
}

// accum: y += x.
func accum(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	for j := range y.x {
		y.x[j] += x.x[j]
	}
}

// copyKernel: y = x. Transpose is a copy as well: with T = P = 1 the layout
// [H·W][⌈C/P⌉][T][P] is [H][W][C].
func copyKernel(e *exec, c *device.Call, i int) {
	copy(e.val(c.Out[0], i).x, e.val(c.In[0], i).x)
}
