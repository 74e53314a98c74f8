package cpu

import (
	"fmt"
	"slices"
	"sort"
	"unsafe"

	"pare/core/device"
)

// scaleKernel: y = s·x.
func scaleKernel(e *exec, c *call, _ *local, t0, t1 int) {
	by := fill(c.S[0])
	for t := t0; t < t1; t++ {
		x, y := e.floats(c.In[0], t), e.floats(c.Out[0], t)
		for i := 0; i < len(y); i += maxRows * T {
			scaleRows(&rowArgs{dst: ptr(y[i:]), a: ptr(x[i:]), b: unsafe.Pointer(by), n: min((len(y)-i)/T, maxRows)})
		}
	}
}

// The products of an adapter with an adapted weight: a [R, K] and b [N, R] lie in
// panels. So does w, or a panel of it is gathered from blocks: the products are then
// those of linear layers, see linear.go, with outputs in place of samples. They are
// dense: few ranks make them short beside the products with samples.

// kept is where the kept values of a weight in blocks lie, panel by panel and in the
// order of their places there.
type kept [][]keptValue

type keptValue struct {
	place  int32 // in the panel, [K][P]
	stored int32
}

// keptOf lists the kept values of w.
func keptOf(w *weight) kept {
	l := make(kept, (w.n+P-1)/P)
	w.blk.each(w.n, func(out, in, stored int) {
		if w.Mask.Kept(out*w.k + in) {
			l[out/P] = append(l[out/P], keptValue{int32(in*P + out%P), int32(stored)})
		}
	})
	for _, p := range l {
		slices.SortFunc(p, func(a, b keptValue) int { return int(a.place - b.place) })
	}
	return l
}

// gather fills the rows of inputs k0 to k1 of panel p, [k1−k0][P], zero where
// nothing is kept.
func (l kept) gather(to, x []float32, p, k0, k1 int) {
	clear(to)
	i := sort.Search(len(l[p]), func(i int) bool { return int(l[p][i].place) >= k0*P })
	for _, v := range l[p][i:] {
		if int(v.place) >= k1*P {
			break
		}
		to[int(v.place)-k0*P] = x[v.stored]
	}
}

// adapterTask is the number of inputs that a task of adaptA works on.
const adapterTask = 128

// prepareAdapter says how many tasks there are and how much room one needs.
func (e *exec) prepareAdapter(c *call) {
	w := &e.b.ws[c.W[1]]
	if c.Kernel == device.Adapt {
		w = &e.b.ws[c.W[0]]
	}
	panels := (w.n + P - 1) / P
	if c.Kernel == device.AdaptA {
		c.parts = (w.k + adapterTask - 1) / adapterTask
		e.adapt = max(e.adapt, ((panels+1)*P+adapterTask)*P)
		return
	}
	c.parts, e.adapt = panels, max(e.adapt, w.k*P)
}

// adapt: w = w₀ + s·M⊙(b·a), one panel of outputs.
func adapt(e *exec, c *call, l *local, part int) {
	w, a, b := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank, from := b.k, part*w.k*P
	v := l.adapt[:w.k*P]
	if w.lay == panels {
		v = w.v[from : from+w.k*P]
	}
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
	if w.lay == blocks {
		for _, x := range w.kept[part] {
			y := w.base[x.stored] + c.S[0]*v[x.place]
			if w.v[x.stored] = y; w.blk.back != nil {
				w.blk.back.w.v[w.blk.back.pos[x.stored]] = y
			}
		}
		return
	}
	scaleFloats(v, c.S[0])
	addAll(v, v, w.base[from:from+w.k*P])
	if w.keep != nil {
		maskRows(v, w.keep, from)
	}
}

// adaptB: db = s·dw·aᵀ, one panel of outputs.
func adaptB(e *exec, c *call, l *local, part int) {
	if e.s.Micro.Hold {
		return
	}
	b, w, a := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank, g := b.k, l.adapt[:w.k*P]
	if w.lay == panels {
		g = w.g[part*w.k*P : (part+1)*w.k*P]
	} else {
		w.kept.gather(g, w.g, part, 0, w.k)
	}
	for r := 0; r < rank; r += P {
		m := r
		for _, mr := range cuts[min(P, rank-r)] {
			p := mulArgs{inner: w.k, outer: 1}
			p.a, p.b, p.c = at(ptr(a.v), (r*w.k+m-r)*4), ptr(g), at(ptr(b.g), (part*rank+m)*rowBytes)
			productF(mr, &p)
			m += mr
		}
	}
	from, to := part*rank*P, (part+1)*rank*P
	scaleFloats(b.g[from:to], c.S[0])
	e.settle(c, b, from, to)
}

// adaptA: da = s·bᵀ·dw, one range of inputs.
func adaptA(e *exec, c *call, l *local, part int) {
	if e.s.Micro.Hold {
		return
	}
	a, w, b := &e.b.ws[c.W[0]], &e.b.ws[c.W[1]], &e.b.ws[c.W[2]]
	rank := b.k
	k0, k1 := part*adapterTask, min((part+1)*adapterTask, w.k)
	all := (w.n + P - 1) / P
	across, pad := l.adapt[:all*P*P], l.adapt[all*P*P:(all+1)*P*P]
	gathered := l.adapt[(all+1)*P*P:][:(k1-k0)*P]
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
		dst := func(k int) []float32 { return a.g[(r/P*w.k+k)*P:] }
		if w.lay == panels {
			for k := k0; k < k1; {
				mr := run(k1 - k)
				p := mulArgs{inner: P, outer: all, aOuter: w.k * rowBytes, bOuter: P * rowBytes}
				p.a, p.b, p.c = at(ptr(w.g), k*rowBytes), ptr(across), ptr(dst(k))
				productX(mr, &p)
				k += mr
			}
		} else {
			for p := range all {
				w.kept.gather(gathered, w.g, p, k0, k1)
				for k := k0; k < k1; {
					mr := run(k1 - k)
					mulX(mr, &mulArgs{inner: P, outer: 1, acc: min(p, 1), a: ptr(gathered[(k-k0)*P:]), b: ptr(across[p*P*P:]), c: ptr(dst(k))})
					k += mr
				}
			}
		}
		from, to := (r/P*w.k+k0)*P, (r/P*w.k+k1)*P
		scaleFloats(a.g[from:to], c.S[0])
		e.settle(c, a, from, to)
	}
}

// scaleFloats multiplies x, whole rows, by s.
func scaleFloats(x []float32, s float32) {
	scaleAll(x, fill(s))
}

// fill is a row of that value.
func fill(s float32) *row {
	var r row
	for i := range r {
		r[i] = s
	}
	return &r
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
