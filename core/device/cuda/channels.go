package cuda

import (
	"pare/core/device"
)

var channelKernels = map[device.Kernel]build{
	device.Gate: gate, device.GateD: gateD, device.Concat: concat, device.Slice: slice, device.SliceDX: sliceDX,
}

// gate: y[rows][HW][C] = x·s, s [rows][C].
func gate(b *builder, c *device.Call) error {
	x, s, y := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
	return b.each("gate", y.count(), x.ptr, s.ptr, y.ptr, x.C, x.H*x.W)
}

// gateD: ds[rows][C] = Σ dy·x over the pixels.
func gateD(b *builder, c *device.Call) error {
	dy, x, ds := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0])
	return b.sumsOf("gate_d", x.rows, x.C, dy.ptr, x.ptr, ds.ptr, x.H*x.W, x.C)
}

// concat puts channels side by side: a launch for each input.
func concat(b *builder, c *device.Call) error {
	y, from := b.val(c.Out[0]), 0
	for _, v := range c.In {
		x := b.val(v)
		if err := b.each("move_channels", x.count(), x.ptr, y.ptr, x.C, x.C, 0, y.C, from); err != nil {
			return err
		}
		from += x.C
	}
	return nil
}

// slice: y is the channels of x from S[0] on.
func slice(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("move_channels", y.count(), x.ptr, y.ptr, y.C, x.C, int(c.S[0]), y.C, 0)
}

// sliceDX: dy at the channels from S[0] on, zero elsewhere.
func sliceDX(b *builder, c *device.Call) error {
	dy, dx := b.val(c.In[0]), b.val(c.Out[0])
	return b.each("slice_dx", dx.count(), dy.ptr, dx.ptr, dy.C, dx.C, int(c.S[0]))
}
