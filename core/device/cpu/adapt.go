package cpu

import (
	"fmt"

	"pare/core/device"
)

// scaleKernel: y = s·x.
func scaleKernel(e *exec, c *call, _ *local, t0, t1 int) {
	var by row
	for i := range by {
		by[i] = c.S[0]
	}
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := 0; i < len(y); i += maxRows * T {
			scaleRows(&rowArgs{dst: ptr(y[i:]), a: ptr(x[i:]), b: ptr(by[:]), n: min((len(y)-i)/T, maxRows)})
		}
	}
}

// The products of an adapter with an adapted weight: a [R, K] and b [N, R] lie in
// panels, w and its gradient in panels or in blocks. Of panels they are those of
// linear layers, see linear.go, with outputs in place of samples; blocks are few.

// adapterTask is the number of inputs that a task of adaptA works on.
const adapterTask = 128

// prepareAdapter says how many tasks there are and makes their room.
func (e *exec) prepareAdapter(c *call) {
	c.parts = 1
	w := &e.b.ws[c.W[1]]
	if c.Kernel == device.Adapt {
		w = &e.b.ws[c.W[0]]
	}
	switch {
	case w.lay == blocks:
	case c.Kernel == device.AdaptA:
		c.parts = (w.k + adapterTask - 1) / adapterTask
	default:
		c.parts = (w.n + P - 1) / P
	}
}

// at is the value of output n and input k of a weight in panels.
func (w *weight) at(n, k int) float32 { return w.v[(n/P*w.k+k)*P+n%P] }

// adapt: w = w₀ + s·M⊙(b·a), one panel of outputs or all blocks.
func adapt(e *exec, c *call, _ *local, part int) {
	w, a, b := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank := b.k
	if w.lay == blocks {
		w.blk.each(w.n, func(out, in, stored int) {
			sum := float32(0)
			for r := range rank {
				sum += b.at(out, r) * a.at(r, in)
			}
			w.v[stored] = w.base[stored] + c.S[0]*sum
		})
		if w.keep != nil {
			maskRows(w.v, w.keep, 0)
		}
		w.mirrorFrom(0, len(w.v))
		return
	}
	from := part * w.k * P
	v := w.v[from : from+w.k*P]
	whole := rank / P
	p := mulArgs{inner: P, outer: whole, aOuter: w.k * rowBytes, bOuter: P * rowBytes}
	last := mulArgs{inner: rank % P, outer: 1, acc: min(whole, 1)}
	for k := 0; k < w.k; {
		mr := run(w.k - k)
		if whole > 0 {
			p.a, p.b, p.c = at(ptr(a.v), k*rowBytes), at(ptr(b.v), part*rank*rowBytes), at(ptr(v), k*rowBytes)
			productX(mr, &p)
		}
		if last.inner > 0 {
			last.a, last.b, last.c = at(ptr(a.v), (whole*w.k+k)*rowBytes), at(ptr(b.v), (part*rank+whole*P)*rowBytes), at(ptr(v), k*rowBytes)
			mulX(mr, &last)
		}
		k += mr
	}
	scaleFloats(v, c.S[0])
	addAll(v, v, w.base[from:from+w.k*P])
	if w.keep != nil {
		maskRows(v, w.keep, from)
	}
}

// adaptB: db = s·dw·aᵀ, one panel of outputs or all blocks.
func adaptB(e *exec, c *call, _ *local, part int) {
	b, w, a := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank := b.k
	if w.lay == blocks {
		clear(b.g)
		w.blk.each(w.n, func(out, in, stored int) {
			g := c.S[0] * w.g[stored]
			for r := range rank {
				b.g[(out/P*rank+r)*P+out%P] += g * a.at(r, in)
			}
		})
		e.settle(c, b, 0, len(b.g))
		return
	}
	for r := 0; r < rank; r += P {
		m := r
		for _, mr := range cuts[min(P, rank-r)] {
			p := mulArgs{inner: w.k, outer: 1}
			p.a, p.b, p.c = at(ptr(a.v), (r*w.k+m-r)*4), at(ptr(w.g), part*w.k*rowBytes), at(ptr(b.g), (part*rank+m)*rowBytes)
			productF(mr, &p)
			m += mr
		}
	}
	from, to := part*rank*P, (part+1)*rank*P
	scaleFloats(b.g[from:to], c.S[0])
	e.settle(c, b, from, to)
}

// adaptA: da = s·bᵀ·dw, one range of inputs or all blocks.
func adaptA(e *exec, c *call, l *local, part int) {
	a, w, b := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank := b.k
	if w.lay == blocks {
		clear(a.g)
		w.blk.each(w.n, func(out, in, stored int) {
			g := c.S[0] * w.g[stored]
			for r := range rank {
				a.g[(r/P*w.k+in)*P+r%P] += g * b.at(out, r)
			}
		})
		e.settle(c, a, 0, len(a.g))
		return
	}
	k0, k1 := part*adapterTask, min((part+1)*adapterTask, w.k)
	all := (w.n + P - 1) / P
	across, pad := l.buf[:all*P*P], l.buf[all*P*P:(all+1)*P*P]
	for r := 0; r < rank; r += P {
		rows := min(P, rank-r)
		for p := range all { // b with its ranks side by side, zeros behind the last
			from := b.v[(p*rank+r)*P : (p*rank+r+rows)*P]
			if rows < P {
				clear(pad[copy(pad, from):])
				from = pad
			}
			transposeAll(ptr(across[p*P*P:]), ptr(from), 1)
		}
		for k := k0; k < k1; {
			mr := run(k1 - k)
			p := mulArgs{inner: P, outer: all, aOuter: w.k * rowBytes, bOuter: P * rowBytes}
			p.a, p.b, p.c = at(ptr(w.g), k*rowBytes), ptr(across), at(ptr(a.g), (r/P*w.k+k)*rowBytes)
			productX(mr, &p)
			k += mr
		}
		from, to := (r/P*w.k+k0)*P, (r/P*w.k+k1)*P
		scaleFloats(a.g[from:to], c.S[0])
		e.settle(c, a, from, to)
	}
}

// scaleFloats multiplies x, whole rows, by s.
func scaleFloats(x []float32, s float32) {
	var by row
	for i := range by {
		by[i] = s
	}
	scaleAll(x, &by)
}

// verifyAdapter tests that a [R, K] and b [N, R] in panels adapt w [N, K].
func verifyAdapter(bk *bank, c *device.Call) error {
	i := map[device.Kernel][3]int{device.Adapt: {0, 1, 2}, device.AdaptA: {1, 0, 2}, device.AdaptB: {1, 2, 0}}[c.Kernel]
	w, a, b := &bk.ws[c.W[i[0]]], &bk.ws[c.W[i[1]]], &bk.ws[c.W[i[2]]]
	switch {
	case !w.Adapted || w.Conv || w.lay == rowMajor:
		return fmt.Errorf("weight %s is not adapted", w.Name)
	case a.lay != panels || b.lay != panels || a.Conv || b.Conv:
		return fmt.Errorf("the adapter of weight %s is not a pair of dense matrices", w.Name)
	case a.k != w.k || b.n != w.n || a.n != b.k:
		return fmt.Errorf("adapter of %v and %v for weight %s of %v", a.Shape, b.Shape, w.Name, w.Shape)
	}
	return nil
}
