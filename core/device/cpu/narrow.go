package cpu

// Gradients of matrices of few outputs or few inputs, among them those of an adapter, are
// summed lane by lane by the kernels for blocks: from dy as it lies, without a transposed
// copy, and without the padding that a panel of few outputs is made of for the most part.
// device.Weight.Narrow says which matrices these are. The few rows of a tile are the rows of
// a block, and each row of the other side is an input of it, so that the longer side, which
// comes from main memory, is read once.

// sideBySide is where rows lie that stand behind each other, in bytes.
var sideBySide = func() (off [dwRange]uint32) {
	for i := range off {
		off[i] = uint32(i * rowBytes)
	}
	return off
}()

// readsDYT reports whether dw of w works from the transposed gradient.
func (w *weight) readsDYT() bool { return w.lay == panels && !w.Narrow() }

// sides are the rows of the long side, and those of the few on the other; tall if the long
// side are the outputs.
func (w *weight) sides() (long, few int, tall bool) {
	if w.n <= narrow {
		return w.k, w.n, false
	}
	return w.n, w.k, true
}

// narrowLinearDW is linearDW of a narrow matrix, for one range of the longer side: whole
// panels where these are the outputs. Like the last row of blocks it may look at rows behind
// the few.
func narrowLinearDW(e *exec, c *call, w *weight, l *local, part int) {
	long, few, tall := w.sides()
	from, to := part*dwRange, min((part+1)*dwRange, long)
	r := 4
	for r < few {
		r *= 2
	}
	x, dy := c.In[0], c.In[1]
	if tall {
		x, dy = dy, x
	}
	sums := l.buf[:(to-from)*r] // [to−from][r]
	for t := 0; t < e.tiles; t += dwTiles {
		dwKernel(r, &blockDWArgs{
			off: ptr(sideBySide[:]), dw: ptr(sums), n: to - from, acc: min(t, 1),
			x: at(e.at(x, t), from*rowBytes), dy: e.at(dy, t),
			tiles: min(dwTiles, e.tiles-t), tiles2: 1, xStride: e.stride(), dyStride: e.stride(),
		})
	}
	if !tall {
		for k := from; k < to; k++ {
			e.put(c, w.g[k*P:], sums[(k-from)*r:][:few])
		}
		e.settle(c, w, from*P, to*P)
		return
	}
	for n := from; n < to; n++ {
		for k := range few {
			e.put(c, w.g[(n/P*few+k)*P+n%P:], sums[(n-from)*r+k:][:1])
		}
	}
	e.settle(c, w, from*few, over(to, P)*P*few)
}
