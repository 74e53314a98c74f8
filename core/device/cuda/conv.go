package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var convKernels = map[device.Kernel]build{device.Conv: conv, device.ConvDX: convDX, device.ConvDW: convDW}

// convTile is TILE of kernels/conv.cu.
const convTile = 64

// convGrid has a block for each tile of a result and each unit, see Tile there.
func convGrid(rows, cols, units int) [3]int {
	return [3]int{ceil(rows, convTile) * ceil(cols, convTile) * units, 1, 1}
}

// plain reports whether a convolution is a matrix product as it lies: one pixel to one.
func plain(g *device.Window) bool {
	return g.KH == 1 && g.KW == 1 && g.SH == 1 && g.SW == 1 && g.PT == 0 && g.PL == 0 && g.PB == 0 && g.PR == 0 && g.Groups == 1
}

// conv: y = act(w ⋆ x + b).
func conv(b *builder, c *device.Call) error {
	x, y, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	wp, t := w.operand()
	if plain(c.Win) {
		p := cu.Product{M: x.rows * x.H * x.W, N: y.C, K: x.C, TransB: true, A: x.elem, B: t, D: y.elem}
		var bias cu.Ptr
		if len(c.W) > 1 {
			bias, p.BiasType = b.weight(c.W[1]).operand()
			p.Epilogue = cu.Bias
		}
		if err := b.product(p, x.ptr, wp, y.ptr, bias, 1, 0); err != nil {
			return err
		}
		return b.inPlace(c.Act, y)
	}
	var bias cu.Ptr
	if len(c.W) > 1 {
		bias = b.weight(c.W[1]).v
	}
	if b.tensor(c.Win, x, y, w) {
		act := c.Act
		if act == device.ReLU {
			act = device.NoAct
		}
		if err := b.samples(x, y, 0, func(x, y value, _ float32) error {
			return b.convForward(c.Win, x, y, wp, bias, act != c.Act)
		}); err != nil {
			return err
		}
		return b.inPlace(act, y)
	}
	if err := b.kernel([]string{"conv"}, convGrid(y.rows*y.H*y.W, y.C/c.Win.Groups, c.Win.Groups), [3]int{256, 1, 1}, 0,
		x.ptr, wp, bias, y.ptr, y.rows, y.C, c.Win.Groups, windowOf(c.Win, x, y)); err != nil {
		return err
	}
	return b.inPlace(c.Act, y)
}

// convDX: dx of conv.
func convDX(b *builder, c *device.Call) error {
	dy, dx, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	wp, t := w.operand()
	if plain(c.Win) {
		return b.product(cu.Product{M: dy.rows * dy.H * dy.W, N: dx.C, K: dy.C, A: dy.elem, B: t, D: dx.elem}, dy.ptr, wp, dx.ptr, 0, 1, 0)
	}
	if b.tensor(c.Win, dx, dy, w) {
		return b.samples(dx, dy, 0, func(dx, dy value, _ float32) error { return b.convBack(c.Win, dx, dy, wp) })
	}
	return b.kernel([]string{"conv_dx"}, convGrid(dx.rows*dx.H*dx.W, dx.C/c.Win.Groups, c.Win.Groups), [3]int{256, 1, 1}, 0,
		dy.ptr, wp, dx.ptr, dx.rows, dy.C, c.Win.Groups, windowOf(c.Win, dx, dy))
}

// convDW: dw of conv, over parts of the output's pixels.
func convDW(b *builder, c *device.Call) error {
	x, dy, w := b.val(c.In[0]), b.val(c.In[1]), b.weight(c.W[0])
	pixels := dy.rows * dy.H * dy.W
	if plain(c.Win) {
		p := cu.Product{M: dy.C, N: x.C, K: pixels, TransA: true, A: dy.elem, B: x.elem, D: cu.F32}
		if err := b.product(p, dy.ptr, x.ptr, w.grad, 0, 1, b.beta(c)); err != nil {
			return err
		}
		return b.gradient(c)
	}
	if b.tensor(c.Win, x, dy, w) {
		if err := b.samples(x, dy, b.beta(c), func(x, dy value, beta float32) error {
			return b.convWeight(c.Win, x, dy, w, beta)
		}); err != nil {
			return err
		}
		return b.gradient(c)
	}
	groups := c.Win.Groups
	grid := convGrid(dy.C/groups, w.K(), groups)
	// Parts enough to fill the card, of at least 256 pixels.
	parts := max(min(2*b.x.dev.info.SMs/grid[0], pixels/256), 1)
	part, err := b.scratch(4 * int64(parts) * int64(w.count))
	if err != nil {
		return err
	}
	grid[0] *= parts
	if err := b.kernel([]string{"conv_dw"}, grid, [3]int{256, 1, 1}, 0, x.ptr, dy.ptr, part, dy.rows, dy.C, groups, parts, windowOf(c.Win, x, dy)); err != nil {
		return err
	}
	if err := b.convMerge(w, part, parts, b.beta(c)); err != nil {
		return err
	}
	return b.gradient(c)
}
