package cpu

import "pare/core/device"

// settle ends the gradient of elements from to to−1 of w, as they lie in
// memory: the mask, and the optimiser's step while the part is in the cache.
func (e *exec) settle(c *call, w *weight, from, to int) {
	if c.later {
		return
	}
	if w.keep != nil && !w.Open {
		maskRows(w.g[from:to], w.keep, from)
	}
	if c.Update && !e.s.Micro.Hold {
		e.step(w, from, to)
	}
}

// step runs the optimiser on elements from to to−1 of w.
func (e *exec) step(w *weight, from, to int) {
	o := &e.opt[0]
	if w.Decay {
		o = &e.opt[1]
	}
	var s [2][]float32
	for i := range e.p.Optim.Slots() {
		s[i] = w.s[i][from:to]
	}
	o.update(w.v[from:to], w.g[from:to], s[0], s[1])
	if w.Open && w.keep != nil { // the gradient is of masked places too, the step is not
		maskRows(w.v[from:to], w.keep, from)
		for i := range e.p.Optim.Slots() {
			maskRows(s[i], w.keep, from)
		}
	}
	w.mirrorFrom(from, to)
}

// settleRange is the number of elements of a task of settleAll.
const settleRange = 1 << 14

// settleLater makes the call that settles the gradient of blocks in a region of its own.
// A row of blocks has a few dozen elements in a range of inputs: settled one by one
// they would take as long as a sixth of their gradient.
func (c *call) settleLater(e *exec) (call, bool) {
	switch c.Kernel {
	case device.LinearDW, device.ConvDW:
		w := &e.b.ws[c.W[0]]
		if c.later = w.lay == blocks && w.blk.r > 1 && (c.Update || w.keep != nil) || c.half != nil; c.later {
			return call{Call: c.Call, on: c.on, number: c.number, half: c.half, part: settleAll, parts: (len(w.v) + settleRange - 1) / settleRange}, len(w.v) > 0
		}
	}
	return call{}, false
}

// settleAll settles one part of a weight.
func settleAll(e *exec, c *call, _ *local, part int) {
	w := &e.b.ws[c.W[0]]
	n := len(w.v)
	from, to := part*n/c.parts, (part+1)*n/c.parts
	if c.half != nil {
		g := w.g[from:to]
		for i, half := range c.half[from:to] {
			g[i] += half
		}
	}
	e.settle(c, w, from, to)
}

// update is the optimiser's step for a weight whose gradient is ready.
func update(e *exec, c *call, _ *local, part int) {
	if e.s.Micro.Hold {
		return
	}
	w := &e.b.ws[c.W[0]]
	n := len(w.v)
	e.step(w, part*n/c.parts, (part+1)*n/c.parts)
}
