package cuda

import "pare/core/device"

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
func (b *builder) update(w *weight) error { panic("to come") }
