package cpu

import (
	"unsafe"

	"pare/core/device"
)

// panelBytes is the distance of panels of a transposed gradient, [T][P].
const panelBytes = T * P * 4

// Measured on Zen 4 (32 KiB and 1 MiB of cache a core); see BenchmarkLayer.
const (
	longK   = 1024 // inputs that forward sums in one go
	cutK    = 400  // longer sums are cut into pieces of about this
	dxPass  = 8    // panels that dx sums in one go
	dxRows  = 96   // rows of dx a group of tiles works on side by side
	dwRange = 96   // inputs of a task of dw
	dwTiles = 16   // tiles that dw sums in one go
)

// cuts[n] cuts n rows into runs for the product kernels, as even as can be.
var cuts [P + 1][]int

func cutRows(most int) (c [P + 1][]int) {
	for n := 1; n <= P; n++ {
		runs := (n + most - 1) / most
		for i := range runs {
			c[n] = append(c[n], (n+runs-1-i)/runs)
		}
	}
	return c
}

// run is the number of rows to do next when rest are left: as many as there are
// kernels for, and the last few as even as can be.
func run(rest int) int {
	if rest > P {
		return maxMR
	}
	return cuts[rest][0]
}

// productF calls mulF in pieces of at most maxSteps steps.
func productF(mr int, a *mulArgs) {
	if a.inner*a.outer <= maxSteps {
		mulF(mr, a)
		return
	}
	p := *a
	for o := 0; o < a.outer; o += p.outer {
		p.outer = max(1, min(a.outer-o, maxSteps/a.inner))
		for k := 0; k < a.inner; k += p.inner {
			p.inner = min(maxSteps, a.inner-k)
			p.a, p.b = at(a.a, o*a.aOuter+k*rowBytes), at(a.b, o*a.bOuter+k*rowBytes)
			mulF(mr, &p)
			p.acc = 1
		}
	}
}

// productX calls mulX in pieces of at most maxSteps steps; a.inner is at most
// 16.
func productX(mr int, a *mulArgs) {
	p := *a
	for o := 0; o < a.outer; o += p.outer {
		p.outer = min(a.outer-o, maxSteps/P)
		p.a, p.b = at(a.a, o*a.aOuter), at(a.b, o*a.bOuter)
		mulX(mr, &p)
		p.acc = 1
	}
}

// linear: y = f(w·x + b).
func linear(e *exec, c *call, l *local, t0, t1 int) {
	w := &e.b.ws[c.W[0]]
	if w.lay == blocks {
		blockForward(e, w, c, l, t0, t1)
		for t := t0; t < t1; t++ {
			finish(e, c, e.at(c.Out[0], t), 0, w.n)
		}
		return
	}
	kc := w.k
	if kc > longK {
		pieces := (w.k + cutK - 1) / cutK
		kc = (w.k + pieces - 1) / pieces
	}
	x, y := e.at(c.In[0], t0), e.at(c.Out[0], t0)
	// Of y that is added to z, see fuse: by the product, or beside and then.
	var z, sum unsafe.Pointer
	if len(c.In) > 1 {
		if z = e.at(c.In[1], t0); kc < w.k || len(c.W) > 1 {
			y, sum = e.at(c.Out[1], t0), y
		}
	}
	for k := 0; k < w.k; k += kc {
		a := mulArgs{inner: min(kc, w.k-k), outer: 1, acc: min(k, 1)}
		for n := 0; n < w.n; n += P {
			rows := min(P, w.n-n)
			for t := range t1 - t0 {
				m := n
				yt := at(y, t*e.stride())
				a.b = at(x, t*e.stride()+k*rowBytes)
				for _, mr := range cuts[rows] {
					a.a = at(ptr(w.v), (n*w.k+k*P+m-n)*4)
					a.c = at(yt, m*rowBytes)
					if z != nil && sum == nil {
						a.z, a.acc = at(z, t*e.stride()+m*rowBytes), 1
					}
					mulF(mr, &a)
					m += mr
				}
				if k+kc >= w.k {
					finish(e, c, yt, n, rows)
					if sum != nil {
						off := t*e.stride() + n*rowBytes
						addRows(&rowArgs{dst: at(sum, off), a: at(y, off), b: at(z, off), n: rows})
					}
				}
			}
		}
	}
}

// finish adds the bias to outputs n to n+rows−1 of y, if there is one, and
// applies the activation.
func finish(e *exec, c *call, y unsafe.Pointer, n, rows int) {
	for i := n; i < n+rows; i += maxRows {
		dst := at(y, i*rowBytes)
		r := rowArgs{dst: dst, a: dst, n: min(n+rows-i, maxRows)}
		switch {
		case len(c.W) > 1:
			r.b = at(ptr(e.b.ws[c.W[1]].v), i*4)
			if c.Act == device.ReLU {
				biasReLU(&r)
			} else {
				biasAdd(&r)
			}
		case c.Act == device.ReLU:
			reluRows(&r)
		}
		if c.by != nil {
			scaleRows(&rowArgs{dst: dst, a: dst, b: unsafe.Pointer(c.by), n: r.n})
		}
		if c.Act != device.ReLU && c.Act != device.NoAct {
			x := unsafe.Slice((*float32)(dst), r.n*T)
			actRows(c.Act, x, x)
		}
	}
}

// linearDX: dx = wᵀ·dy.
func linearDX(e *exec, c *call, l *local, t0, t1 int) {
	w := &e.b.ws[c.W[0]]
	if w.lay == blocks {
		blockLinearDX(e, w, c, l, t0, t1)
		return
	}
	whole := w.n / P
	dy, dx := e.at(c.In[0], t0), e.at(c.Out[0], t0)
	// Of dx that is added to another one, see fuse: in its one pass, or beside and then.
	onto, sum := len(c.In) > 1, dx
	if onto && (whole > dxPass || whole > 0 && w.n%P > 0) {
		dx, onto = e.at(c.Out[1], t0), false
	}
	for p := 0; p < whole || p == 0; p += dxPass {
		for k0 := 0; k0 < w.k; k0 += dxRows {
			k1 := min(k0+dxRows, w.k)
			for t := range t1 - t0 {
				a := mulArgs{inner: P, outer: min(dxPass, whole-p), aOuter: w.k * rowBytes, bOuter: P * rowBytes, acc: min(p, 1)}
				a.b = at(dy, t*e.stride()+p*P*rowBytes)
				// The last panel, partly filled, follows on the last pass.
				last := a
				last.inner, last.outer, last.acc = w.n%P, 1, min(whole, 1)
				last.b = at(dy, t*e.stride()+whole*P*rowBytes)
				for k := k0; k < k1; {
					mr := run(k1 - k)
					a.c = at(dx, t*e.stride()+k*rowBytes)
					if onto {
						a.z, a.acc, last.z, last.acc = a.c, 1, a.c, 1
					}
					if a.outer > 0 {
						a.a = at(ptr(w.v), (p*w.k+k)*rowBytes)
						mulX(mr, &a)
					}
					if last.inner > 0 && p+dxPass >= whole {
						last.a, last.c = at(ptr(w.v), (whole*w.k+k)*rowBytes), a.c
						mulX(mr, &last)
					}
					k += mr
				}
				if p+dxPass < whole {
					continue
				}
				dst := at(dx, t*e.stride()+k0*rowBytes)
				if c.by != nil {
					scaleRows(&rowArgs{dst: dst, a: dst, b: unsafe.Pointer(c.by), n: k1 - k0})
				}
				if dx != sum {
					to := at(sum, t*e.stride()+k0*rowBytes)
					addRows(&rowArgs{dst: to, a: to, b: dst, n: k1 - k0})
				}
			}
		}
	}
}

// cutting is how a gradient is cut into tasks.
type cutting struct {
	ks, ns int // ranges of inputs, ranges of panels or block rows
}

// taskMACs is the work aimed at in a task: some 50 µs.
const taskMACs = 2 << 20

// cutDW cuts the gradient of a matrix for a batch of samples rows, for each of so many parts
// of the batch.
func cutDW(w *weight, batch, halves int) cutting {
	c := cutting{ks: (w.k + dwRange - 1) / dwRange, ns: 1}
	units, macs := (w.n+P-1)/P, w.n*w.k*batch
	if w.lay == blocks {
		c.ks, units, macs = len(w.blk.cuts), w.blk.rows(), len(w.v)*batch
		// Of fewer tiles more inputs fit the cache. Two threads need two tasks.
		if tiles := max(batch/T/halves, dwTiles/2); w.blk.r > 1 && tiles < dwTiles {
			c.ks = max(min(c.ks, 3-halves), (c.ks*tiles+dwTiles/2-1)/dwTiles)
		}
	}
	c.ns = max(1, min(units, macs/taskMACs/c.ks/halves))
	return c
}

// linearDW: dw = dy·xᵀ, one range of inputs for one range of outputs, over the batch or half of it.
func linearDW(e *exec, c *call, l *local, part int) {
	w := &e.b.ws[c.W[0]]
	if w.lay == panels && w.Narrow() {
		narrowLinearDW(e, c, w, l, part)
		return
	}
	if w.lay == blocks {
		blockDW(e, c, w, part)
		return
	}
	s := e.shareOf(c, part)
	ki, ni := s.part%c.cut.ks, s.part/c.cut.ks
	k0, k1 := ki*w.k/c.cut.ks, (ki+1)*w.k/c.cut.ks
	all := (w.n + P - 1) / P
	x, dyT := e.at(c.In[0], 0), e.at(c.In[2], 0)
	for p := ni * all / c.cut.ns; p < (ni+1)*all/c.cut.ns; p++ {
		for i := 0; i < s.tiles; i += dwTiles {
			t, stride := s.first+i*s.step, s.step*e.stride()
			a := mulArgs{inner: T, outer: min(dwTiles, s.tiles-i), aOuter: stride, bOuter: stride, acc: e.accOf(c, s, i)}
			a.b = at(dyT, t*e.stride()+p*panelBytes)
			for k := k0; k < k1; {
				mr := run(k1 - k)
				a.a, a.c = at(x, t*e.stride()+k*rowBytes), at(ptr(s.sums), (p*w.k+k)*rowBytes)
				mulX(mr, &a)
				k += mr
			}
		}
		e.settle(c, w, (p*w.k+k0)*P, (p*w.k+k1)*P)
	}
}

// sumPixels is the number of pixels that biasD sums in one go: partial sums keep
// the error small.
const sumPixels = 128

// biasD: db = Σ dy over samples and pixels, for one range of channels, over the batch or half of it.
func biasD(e *exec, c *call, _ *local, part int) {
	w, v := &e.b.ws[c.W[0]], e.p.Vals[c.In[0]]
	s := e.shareOf(c, part)
	n0, n1 := s.part*v.C/c.cut.ns, (s.part+1)*v.C/c.cut.ns
	pixels := v.H * v.W
	for n := n0; n < n1; n += maxRows {
		rows := min(n1-n, maxRows)
		for i := range s.tiles {
			a := sumArgs{dst: at(ptr(s.sums), n*4), n: rows, aStride: v.C * rowBytes}
			for p := 0; p < pixels; p += a.tiles {
				a.a = at(e.at(c.In[0], s.first+i*s.step), (p*v.C+n)*rowBytes)
				a.tiles = min(pixels-p, max(1, min(sumPixels, maxRows/rows)))
				a.acc = e.accOf(c, s, i+p)
				rowSums(&a)
			}
		}
	}
	e.settle(c, w, n0, n1)
}

// transpose writes dy as [pixel][panel][T][P], zeros behind the last channel.
func transpose(e *exec, c *call, l *local, t0, t1 int) {
	v := e.p.Vals[c.In[0]]
	whole, rest := v.C/P, v.C%P
	for t := t0; t < t1; t++ {
		dy, dyT := e.at(c.In[0], t), e.at(c.Out[0], t)
		if rest == 0 {
			transposeAll(dyT, dy, v.H*v.W*whole)
			continue
		}
		pad := l.buf[:P*T]
		clear(pad)
		for i := range v.H * v.W {
			from, to := at(dy, i*v.C*rowBytes), at(dyT, i*(whole+1)*panelBytes)
			transposeAll(to, from, whole)
			copy(pad, unsafe.Slice((*float32)(at(from, whole*panelBytes)), rest*T))
			transposeAll(at(to, whole*panelBytes), ptr(pad), 1)
		}
	}
}

func transposeAll(dst, a unsafe.Pointer, n int) {
	for i := 0; i < n; i += maxRows / T {
		transposeBlocks(&rowArgs{dst: at(dst, i*panelBytes), a: at(a, i*panelBytes), n: min(n-i, maxRows/T)})
	}
}
