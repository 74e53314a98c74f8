package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var batchNormKernels = map[device.Kernel]build{
	device.NormStats: normStats, device.NormMerge: normMerge, device.NormApply: normApply, device.NormInfer: normInfer,
	device.NormDStats: normDStats, device.NormDMerge: normDMerge, device.NormDX: normDX,
}

// split is where a kernel with a block for each 32 channels of each split of each part
// leaves its sums: splits enough to fill the card, of at least 64 pixels. Of one split a
// part they are the parts.
func (b *builder) split(x, part value) (to cu.Ptr, grid [3]int, splits int, err error) {
	tiles := ceil(part.C/2, 32)
	splits = max(min(8*b.x.dev.info.SMs/(tiles*part.rows), T*x.H*x.W/64, 65535/part.rows), 1)
	grid = [3]int{tiles, part.rows * splits, 1}
	if splits == 1 {
		return part.ptr, grid, 1, nil
	}
	// A smaller batch has fewer parts, and more splits of each: as many as the card takes.
	to, err = b.scratch(4 * int64(max(8*b.x.dev.info.SMs/tiles, part.rows)) * int64(part.C))
	return to, grid, splits, err
}

// normStats: mean and centred sum of squares of each channel, by parts.
func normStats(b *builder, c *device.Call) error {
	x, part := b.val(c.In[0]), b.val(c.Out[0])
	b.pixels[c.Stat] = x.H * x.W
	to, grid, splits, err := b.split(x, part)
	if err != nil {
		return err
	}
	err = b.kernel([]string{"norm_stats"}, grid, [3]int{256, 1, 1}, 0, x.ptr, to, x.rows, x.C, x.H*x.W, splits)
	if err != nil || splits == 1 {
		return err
	}
	return b.kernel([]string{"norm_fold"}, [3]int{ceil(x.C, 8), part.rows, 1}, [3]int{256, 1, 1}, 0, to, part.ptr, x.rows, x.C, x.H*x.W, splits)
}

// normMerge: the batch's statistics, and the running ones moved.
func normMerge(b *builder, c *device.Call) error {
	part, s, rm, rv := b.val(c.In[0]), b.x.stats[c.Stat], b.weight(c.W[0]), b.weight(c.W[1])
	channels, rows := part.C/2, b.n*b.x.p.Per(c.In[0])
	return b.kernel([]string{"norm_merge"}, [3]int{(channels + 127) / 128, 1, 1}, [3]int{128, 1, 1}, 0,
		part.ptr, s.mean, s.rstd, rm.v, rm.half, rm.mask, rv.v, rv.half, rv.mask, rows, part.rows, channels, b.pixels[c.Stat], c.S[0], c.S[1])
}

// normApply: y = x̂·gamma + beta.
func normApply(b *builder, c *device.Call) error {
	x, y, s := b.val(c.In[0]), b.val(c.Out[0]), b.x.stats[c.Stat]
	return b.each("norm_apply", y.count(), x.ptr, y.ptr, s.mean, s.rstd, b.weight(c.W[0]).v, b.weight(c.W[1]).v, x.C)
}

// normInfer is normApply with the running statistics.
func normInfer(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	w := func(i int) cu.Ptr { return b.weight(c.W[i]).v }
	return b.each("norm_infer", y.count(), x.ptr, y.ptr, w(0), w(1), w(2), w(3), x.C, c.S[0])
}

// normDStats: Σ dy and Σ dy·x̂, by parts.
func normDStats(b *builder, c *device.Call) error {
	x, dy, part, s := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0]), b.x.stats[c.Stat]
	to, grid, splits, err := b.split(x, part)
	if err != nil {
		return err
	}
	err = b.kernel([]string{"norm_dstats"}, grid, [3]int{256, 1, 1}, 0, x.ptr, dy.ptr, to, s.mean, s.rstd, x.rows, x.C, x.H*x.W, splits)
	if err != nil || splits == 1 {
		return err
	}
	return b.kernel([]string{"norm_dfold"}, [3]int{ceil(part.C, 8), part.rows, 1}, [3]int{256, 1, 1}, 0, to, part.ptr, part.C, splits)
}

// normDMerge sums the parts, for dx and as gradients.
func normDMerge(b *builder, c *device.Call) error {
	part, s, gamma, beta := b.val(c.In[0]), b.x.stats[c.Stat], b.weight(c.W[0]), b.weight(c.W[1])
	grad := func(w *weight) cu.Ptr {
		if w.Train {
			return w.grad
		}
		return 0
	}
	mask := func(w *weight) cu.Ptr {
		if w.Open {
			return 0
		}
		return w.mask
	}
	channels := part.C / 2
	return b.kernel([]string{"norm_dmerge"}, [3]int{(channels + 127) / 128, 1, 1}, [3]int{128, 1, 1}, 0,
		part.ptr, s.dbeta, s.dgamma, grad(beta), mask(beta), grad(gamma), mask(gamma), part.rows, channels, is(b.adds(c)))
}

// normDX: dx from the merged sums.
func normDX(b *builder, c *device.Call) error {
	x, dy, dx, s := b.val(c.In[0]), b.val(c.In[1]), b.val(c.Out[0]), b.x.stats[c.Stat]
	return b.each("norm_dx", dx.count(), x.ptr, dy.ptr, dx.ptr, s.mean, s.rstd, s.dbeta, s.dgamma, b.weight(c.W[0]).v, x.C, float32(x.rows*x.H*x.W))
}
