package cuda

import (
	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var lossKernels = map[device.Kernel]build{device.CrossEntropy: crossEntropy, device.LossMerge: lossMerge}

// crossEntropy leaves each row's loss and prediction where the run hands them out from,
// and dlogits where they are asked for. Its part is not used: LossMerge sums the rows.
func crossEntropy(b *builder, c *device.Call) error {
	x := b.val(c.In[0])
	var q, dx cu.Ptr
	qld, dld := 0, 0
	if len(c.In) == 2 {
		t := b.val(c.In[1])
		q, qld = t.ptr, t.ld
	}
	if len(c.Out) == 2 {
		d := b.val(c.Out[0])
		dx, dld = d.ptr, d.ld
	}
	// As many threads as have something to do, to hide the wait for memory; no more than
	// let two rows share a multiprocessor's registers.
	threads := min(up(x.C, 32)*32, 512)
	shared := x.ld * x.elem.Bytes()
	if dx == 0 || shared > b.x.dev.info.Shared/2 {
		shared = 0
	}
	return b.kernel([]string{"crossentropy"}, [3]int{x.rows, 1, 1}, [3]int{threads, 1, 1}, shared,
		x.ptr, q, b.x.labels, dx, b.x.losses, b.x.pred, x.C, x.ld, qld, dld, b.step(), c.S[0], c.S[1], is(shared > 0))
}

// lossMerge: the mean loss and the number of correct rows, in double.
func lossMerge(b *builder, c *device.Call) error {
	rows := b.n * b.x.p.Per(b.x.p.Output)
	return b.kernel([]string{"loss_merge"}, [3]int{1, 1, 1}, [3]int{1024, 1, 1}, 0, b.x.losses, b.x.pred, b.x.labels, b.x.result, rows, b.step())
}
