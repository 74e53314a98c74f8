package cuda

import "pare/core/device"

var channelKernels = map[device.Kernel]build{
	device.Gate: gate, device.GateD: gateD, device.Concat: concat, device.Slice: slice, device.SliceDX: sliceDX,
}

// gate: y = x·s, s [rows][C].
func gate(b *builder, c *device.Call) error {
	x, s, y := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
	return b.each("gate", y.count(), x.ptr, s.ptr, y.ptr, y.C, y.H*y.W)
}

// gateD: ds = Σ dy·x over the pixels.
func gateD(b *builder, c *device.Call) error {
	dy, x, ds := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
	return b.each("gate_d", ds.count(), dy.ptr, x.ptr, ds.ptr, ds.C, x.H*x.W)
}

// concat puts the channels of its inputs side by side.
func concat(b *builder, c *device.Call) error {
	y, from := b.val(c.Out[0]), 0
	for _, v := range c.In {
		x := b.val(v)
		if err := b.each("put", x.count(), x.ptr, y.ptr, x.C, y.C, from); err != nil {
			return err
		}
		from += x.C
	}
	return nil
}

// slice: y is the channels of x from S[0] on.
func slice(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("slice", y.count(), x.ptr, y.ptr, x.C, y.C, int(c.S[0]))
}

// sliceDX: dy at these channels, zero elsewhere.
func sliceDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("slice_dx", dx.count(), dy.ptr, dx.ptr, dy.C, dx.C, int(c.S[0]))
}
