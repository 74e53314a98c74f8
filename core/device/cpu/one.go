package cpu

import (
	"unsafe"

	"pare/core/device"
)

// Linear layers for plans of one sample: x and y are vectors, and the 16 outputs of a
// panel (or those of a block) take the place of the lanes. Where the plan's other calls
// know no flat values (flat.go), x and y are copied.

// oneRoom is the room a plan of one sample needs for the vectors of its largest
// linear layer, in floats.
func (w *weight) oneRoom() int {
	r := P
	if w.blk != nil {
		r = w.blk.r
	}
	return (w.k+P-1)/P*P + (w.n+r-1)/r*r + P
}

// linearOne: y = f(w·x + b), sample by sample.
func linearOne(e *exec, c *call, l *local, t0, t1 int) {
	w := e.b.ws[c.W[0]].flatWeight()
	if !e.flat {
		x, y := l.one[:rounded(w.k)], l.one[rounded(w.k):]
		in, out := e.at(c.In[0], 0), e.at(c.Out[0], 0)
		for k := range w.k {
			x[k] = rowAt(in, k)[0]
		}
		w.one(x, y, &l.piece)
		e.finishOne(c, y, 0, w.n)
		for n, v := range y[:w.n] {
			*rowAt(out, n) = row{v}
		}
		return
	}
	for t := t0; t < t1; t++ {
		y := e.floats(c.Out[0], t)
		w.one(e.floats(c.In[0], t), y, &l.piece)
		e.finishOne(c, y, 0, w.n)
	}
}

// linearFew: y = f(w·x + b) for some panels and all samples, which are the rows of a
// product: each weight is read once. Which rows a product has depends on their number alone,
// so that the threads change no bit. A run of one sample takes linearOne, by 5 to 10 % faster.
func linearFew(e *exec, c *call, _ *local, part int) {
	w := e.b.ws[c.W[0]].flatWeight()
	panels := over(w.n, P)
	from, to := part*panels/c.parts*P, min((part+1)*panels/c.parts*P, w.n)
	for n := from; n < to; n += P {
		for t := 0; t < e.n; {
			rows := run(e.n - t)
			a := pixelArgs{a: e.at(c.In[0], t), b: ptr(w.v[n*w.k:]), c: at(e.at(c.Out[0], t), 4*n), inner: w.k, outer: 1, aStride: e.stride(), cStride: e.stride()}
			a.run(rows)
			t += rows
		}
	}
	for t := range e.n {
		e.finishOne(c, e.floats(c.Out[0], t), from, to)
	}
}

// blocksFew is linearFew for blocks of four outputs and more: samples are what pixels are to a
// convolution. Two samples take linearOne as well, but through blocks of 16.
func blocksFew(e *exec, c *call, l *local, part int) {
	w := e.b.ws[c.W[0]].flatWeight()
	r, panels := w.blk.r, over(w.n, P)
	from, to := part*panels/c.parts*P/r, min((part+1)*panels/c.parts*P/r, w.blk.rows())
	scale, shift := e.affineOf(c, l, w.n)
	a := blockPixelArgs{xStride: e.stride(), yStride: e.stride(), relu: reluOf(c)}
	pieces := over(e.n, mostPixels(r))
	for t, i := 0, 0; t < e.n; i++ {
		pixels := (e.n + i) / pieces // as even as can be
		a.x = e.at(c.In[0], t)
		a.run(w, c.off, e.at(c.Out[0], t), from, to, pixels, scale, shift)
		t += pixels
	}
	if c.Act != device.ReLU && c.Act != device.NoAct {
		for t := range e.n {
			y := e.floats(c.Out[0], t)[from*r : rounded(to*r)]
			actRows(c.Act, y, y)
		}
	}
}

// one: y = w·x for one sample.
func (w *weight) one(x, y []float32, piece *[2]int32) {
	switch {
	case w.lay == blocks:
		for i, run := range w.blk.runs {
			w.oneRun(run, x, y, min(i, 1), piece)
		}
	case w.pair != nil:
		w.pair.mul(w, x, y)
	default:
		for n := 0; n < w.n; n += P {
			w.panelOne(n, x, y)
		}
	}
}

// panelOne is one for the panel of outputs from n on.
func (w *weight) panelOne(n int, x, y []float32) {
	a := mulArgs{a: ptr(x), b: ptr(w.v[n*w.k:]), c: ptr(y[n:]), inner: w.k, outer: 1}
	for k := 0; k < w.k; k += maxSteps {
		a.inner = min(maxSteps, w.k-k)
		a.a, a.b = ptr(x[k:]), ptr(w.v[n*w.k+k*P:])
		mulX(1, &a)
		a.acc = 1
	}
}

// finishOne adds the bias to outputs from to to−1 of y, which has whole rows, and applies
// the activation. from is a multiple of 16.
func (e *exec) finishOne(c *call, y []float32, from, to int) {
	if y = y[from:rounded(to)]; len(c.W) > 1 {
		b := e.b.ws[c.W[1]].v[from:to]
		whole := len(b) / T * T
		addAll(y[:whole], y, b)
		for i := whole; i < len(b); i++ {
			y[i] += b[i]
		}
	}
	actRows(c.Act, y, y)
}

// oneRun multiplies with the blocks of a run, a bounded number at a time. piece is
// scratch: one of its own would be on the heap.
func (w *weight) oneRun(run []int32, x, y []float32, acc int, piece *[2]int32) {
	r := w.blk.r
	for row := 0; row < len(run)-1; {
		end := row + 1
		for end < len(run)-1 && run[end+1]-run[row] <= maxSteps {
			end++
		}
		first, n := int(run[row]), int(run[end]-run[row])
		a := blockArgs{ptr: ptr(run[row:]), off: ptr(w.blk.off[first:]), val: ptr(w.v[first*r:]), x: ptr(x), y: ptr(y[row*r:]), rows: end - row, acc: acc}
		for j := 0; j == 0 || j < n; j += maxSteps {
			if n > maxSteps { // one very long row
				*piece = [2]int32{0, int32(min(maxSteps, n-j))}
				a.ptr, a.off, a.val = unsafe.Pointer(piece), ptr(w.blk.off[first+j:]), ptr(w.v[(first+j)*r:])
			}
			switch r {
			case 1:
				blockOne1(&a)
			case 4:
				blockOne4(&a)
			case 8:
				blockOne8(&a)
			default:
				blockOne16(&a)
			}
			a.acc = 1
		}
		row = end
	}
}
