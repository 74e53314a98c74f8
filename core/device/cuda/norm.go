package cuda

import (
	"fmt"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var normKernels = map[device.Kernel]build{
	device.LayerNorm: layerNorm, device.RMSNorm: layerNorm, device.LayerNormDX: layerNormDX, device.RMSNormDX: layerNormDX, device.PartD: partD,
}

// layerNorm: y = (x − μ)·r·gamma + beta, [rows][C]; μ is 0 for RMSNorm.
func layerNorm(b *builder, c *device.Call) error {
	x, y := b.val(c.In[0]), b.val(c.Out[0])
	var stat, beta cu.Ptr
	if len(c.Out) > 1 {
		stat = b.val(c.Out[1]).ptr
	}
	if len(c.W) > 1 {
		beta = b.weight(c.W[1]).v
	}
	// As many packs of 16 bytes as a lane holds, so that no more registers are taken.
	held := min(max(up(x.C*x.elem.Bytes(), 16*32), 1), 8)
	return b.kernel([]string{"layernorm", fmt.Sprint("HELD=", held)}, [3]int{(x.rows + 7) / 8, 1, 1}, [3]int{256, 1, 1}, 0,
		x.ptr, y.ptr, stat, b.weight(c.W[0]).v, beta, x.rows, x.C, c.S[0], is(c.Kernel == device.RMSNorm))
}

// normShared is how much shared memory the column sums of layerNormDX may take, so that
// two blocks share a multiprocessor.
const normShared = 100 << 10

// layerNormDX: dx, and the parts of dgamma and dbeta.
func layerNormDX(b *builder, c *device.Call) error {
	x, stat, dy := b.val(c.In[0]), b.val(c.In[1]), b.val(c.In[2])
	dx, part := b.val(c.Out[0]), b.val(c.Out[1])
	warps := min(max(normShared/(4*part.C), 1), 8)
	to, add := dx.ptr, 0
	if n := b.accumBehind(c, c.Out[0]); n != nil {
		to, add, b.done[n] = b.val(n.Out[0]).ptr, 1, true
	}
	name, threads, shared := []string{"layernorm_dx"}, 32*warps, 4*warps*part.C
	if wide := 16 / x.elem.Bytes(); x.C%wide == 0 && x.C >= 16*wide && x.C <= 1024*wide {
		threads, shared = up(x.C/wide, 32)*32, 0
		rows := 4
		if threads > 256 { // registers
			rows = 2
		}
		name = []string{"layernorm_dx_columns", fmt.Sprint("THREADS=", threads), fmt.Sprint("ROWS=", rows)}
	}
	return b.kernel(name, [3]int{part.rows, 1, 1}, [3]int{threads, 1, 1}, shared,
		x.ptr, stat.ptr, dy.ptr, to, add, part.ptr, b.weight(c.W[0]).v, x.rows, x.C, is(c.Kernel == device.RMSNormDX))
}

// partD: the gradient of a vector is the sum of its parts.
func partD(b *builder, c *device.Call) error {
	part, w := b.val(c.In[0]), b.weight(c.W[0])
	if err := b.sumParts(part.ptr+4*cu.Ptr(c.S[0]), w.grad, part.rows, w.count, part.C, b.adds(c)); err != nil {
		return err
	}
	return b.gradient(c)
}

// is turns a condition into a kernel's argument.
func is(x bool) int {
	if x {
		return 1
	}
	return 0
}
