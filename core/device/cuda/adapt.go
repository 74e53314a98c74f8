package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var adaptKernels = map[device.Kernel]build{
	device.Adapt: adapt, device.AdaptA: adaptA, device.AdaptB: adaptB,
}

// adapt: w = w₀ + s·M⊙(b·a), a [R][K], b [N][R], M the mask of w. The product is made
// in w itself; w₀ is added where the mask is.
func adapt(b *builder, c *device.Call) error {
	w, a, bb := b.weight(c.W[0]), b.weight(c.W[1]), b.weight(c.W[2])
	p := cu.Product{M: w.N(), N: w.K(), K: a.N()}
	if err := b.product(p, bb.v, a.v, w.v, 0, c.S[0], 0); err != nil {
		return err
	}
	return b.each("adapt", w.count, w.v, w.half, w.base, w.mask)
}

// adaptA: da = s·bᵀ·dw.
func adaptA(b *builder, c *device.Call) error {
	if b.hold { // made from the gradient of all parts
		return nil
	}
	a, w, bb := b.weight(c.W[0]), b.weight(c.W[1]), b.weight(c.W[2])
	p := cu.Product{M: a.N(), N: a.K(), K: w.N(), TransA: true}
	if err := b.product(p, bb.v, w.grad, a.grad, 0, c.S[0], 0); err != nil {
		return err
	}
	return b.gradient(c)
}

// adaptB: db = s·dw·aᵀ.
func adaptB(b *builder, c *device.Call) error {
	if b.hold { // made from the gradient of all parts
		return nil
	}
	bb, w, a := b.weight(c.W[0]), b.weight(c.W[1]), b.weight(c.W[2])
	p := cu.Product{M: bb.N(), N: bb.K(), K: w.K(), TransB: true}
	if err := b.product(p, w.grad, a.v, bb.grad, 0, c.S[0], 0); err != nil {
		return err
	}
	return b.gradient(c)
}
