package cuda

import "pare/core/device"

var poolKernels = map[device.Kernel]build{
	device.MaxPool: pool("maxpool"), device.AvgPool: pool("avgpool"), device.MaxPoolDX: poolDX("maxpool_dx"), device.AvgPoolDX: poolDX("avgpool_dx"),
	device.Flatten: flatten, device.FlattenDX: flatten,
}

// window is struct Window of kernels/window.cuh: x of H×W pixels, y of OH×OW.
type window struct{ C, H, W, OH, OW, KH, KW, SH, SW, PT, PL, countPad int32 }

func windowOf(g *device.Window, x, y value) window {
	return window{
		int32(x.C), int32(x.H), int32(x.W), int32(y.H), int32(y.W), int32(g.KH), int32(g.KW), int32(g.SH), int32(g.SW), int32(g.PT), int32(g.PL),
		int32(is(g.CountPad)),
	}
}

// pool builds a pool: y from x.
func pool(name string) build {
	return func(b *builder, c *device.Call) error {
		x, y := b.val(c.In[0]), b.val(c.Out[0])
		return b.each(name, y.count(), x.ptr, y.ptr, windowOf(c.Win, x, y))
	}
}

// poolDX builds its gradient: dx from dy, of a maximum from x as well.
func poolDX(name string) build {
	return func(b *builder, c *device.Call) error {
		dx, dy := b.val(c.Out[0]), b.val(c.In[len(c.In)-1])
		g := windowOf(c.Win, dx, dy)
		if len(c.In) == 2 {
			return b.each(name, dx.count(), b.val(c.In[0]).ptr, dy.ptr, dx.ptr, g)
		}
		return b.each(name, dx.count(), dy.ptr, dx.ptr, g)
	}
}

// flatten brings [H][W][C] to the logical order [C][H][W]; its gradient goes the way back.
func flatten(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	channels, pixels := x.C, x.H*x.W
	if c.Kernel == device.FlattenDX {
		channels, pixels = y.H*y.W, y.C
	}
	return b.each("flatten", y.count(), x.ptr, y.ptr, channels, pixels)
}
