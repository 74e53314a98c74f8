package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var updateKernels = map[device.Kernel]build{device.Update: func(b *builder, c *device.Call) error { return b.update(b.weight(c.W[0])) }}

// gradient follows the kernel that leaves a weight's gradient: zeros at masked places,
// and the optimiser's step where the call asks for it.
func (b *builder) gradient(c *device.Call) error {
	switch w := b.weight(c.W[0]); {
	case c.Update:
		return b.update(w)
	case w.mask != 0 && !w.Open:
		return b.each("mask_gradient", w.count, w.grad, w.mask)
	}
	return nil
}

// update appends the optimiser's step for w.
func (b *builder) update(w *weight) error {
	o := b.x.p.Optim
	wd, open := float32(0), 0
	if w.Decay {
		wd = o.WeightDecay
	}
	if w.Open {
		open = 1
	}
	args := []any{w.v, w.half, w.grad, w.mask, open, b.step(), wd}
	if o.Kind == device.SGD {
		m, nesterov := cu.Ptr(0), 0
		if o.Momentum != 0 {
			m = w.state[0]
		}
		if o.Nesterov {
			nesterov = 1
		}
		return b.each("sgd", w.count, append(args, m, o.Momentum, nesterov)...)
	}
	apart := 0
	if o.Kind == device.AdamW {
		apart = 1
	}
	rest := func(beta float32) float32 { return float32(1 - float64(beta)) }
	return b.each("adam", w.count, append(args, w.state[0], w.state[1], o.Beta1, rest(o.Beta1), o.Beta2, rest(o.Beta2), o.Eps, apart)...)
}
