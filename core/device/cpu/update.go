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

// settleRange is the number of elements of a task of settleAll, and settleLeast how many are
// worth two tasks.
const (
	settleRange = 1 << 14
	settleLeast = 1 << 11
)

// settleLater makes the call that settles a gradient in a region of its own: that of blocks,
// of which a row has a few dozen elements in a range of inputs (settled one by one
// they would take as long as a sixth of their gradient), and one of two halves.
func (c *call) settleLater(e *exec) (call, bool) {
	switch c.Kernel {
	case device.LinearDW, device.ConvDW, device.BiasD:
		w := &e.b.ws[c.W[0]]
		if c.later = w.lay == blocks && w.blk.r > 1 && (c.Update || w.keep != nil) || c.half != nil; c.later {
			parts := 1
			if n := len(w.v); n > settleLeast { // an even number: of two threads each has always the same half of the weights
				parts = 2 * ((n + 2*settleRange - 1) / (2 * settleRange))
			}
			return call{Call: c.Call, on: c.on, number: c.number, half: c.half, part: settleAll, parts: parts}, len(w.v) > 0
		}
	}
	return call{}, false
}

// settleAll settles one part of a weight.
func settleAll(e *exec, c *call, _ *local, part int) {
	w := &e.b.ws[c.W[0]]
	n := len(w.v)
	from, to := part*n/c.parts, (part+1)*n/c.parts
	if e.threads > 1 { // all threads have read w, and another one writes its half of the sum next
		if c.Update {
			fetchToWrite(w.v[from:to])
		}
		if c.half != nil {
			fetchToWrite(c.half[from:to])
		}
	}
	e.addHalf(c, w.g, from, to)
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
