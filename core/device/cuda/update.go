package cuda

import (
	"fmt"
	"unsafe"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var updateKernels = map[device.Kernel]build{device.Update: func(b *builder, c *device.Call) error { return b.update(c.W[0]) }}

// gradient follows the kernel that leaves a weight's gradient: zeros at masked places,
// and the optimiser's step where the call asks for it.
func (b *builder) gradient(c *device.Call) error {
	switch w := b.weight(c.W[0]); {
	case c.Update: // its last part leaves the masked places alone
		return b.update(c.W[0])
	case w.mask != 0 && !w.Open:
		return b.each("mask_gradient", w.count, w.grad, w.mask)
	}
	return nil
}

// Sizes, in elements. A weight of at most smallWeight waits for others, to share a launch:
// its own would take longer to start than to run. Larger ones are moved at once, while
// their gradient is in the card's cache.
const (
	smallWeight = 1 << 16
	updateChunk = 1 << 12 // of a block
)

// The structs of kernels/update.cu.
type (
	rule struct {
		kind, nesterov int32
		momentum       float32
		b1, b2, c1, c2 float32
		eps, decay     float32
	}
	moved struct {
		v, half, grad, m, s, mask cu.Ptr
		count                     int64
		decay                     int32
	}
	job struct{ weight, first int32 }
)

// update appends the optimiser's step for weight i, now or, of a small one, before
// whatever looks at it next; a part of a step that is not the last has none.
func (b *builder) update(i int) error {
	if b.hold {
		return nil
	}
	w := b.weight(i)
	if w.count <= smallWeight {
		blocks := 0
		if n := len(b.jobs); n > 0 {
			blocks = int(b.jobs[n-1].first) + up(b.x.b.ws[b.jobs[n-1].weight].count, updateChunk)
		}
		b.jobs = append(b.jobs, job{int32(i), int32(blocks)})
		return nil
	}
	rule, table, err := b.moves()
	if err != nil {
		return err
	}
	table += cu.Ptr(i) * cu.Ptr(unsafe.Sizeof(moved{}))
	return b.kernel([]string{"update"}, [3]int{up(w.count, updateChunk), 1, 1}, [3]int{256, 1, 1}, 0, rule, b.step(), table, updateChunk)
}

// waits reports whether weight w has an update that is to come.
func (b *builder) waits(w int) bool {
	for _, j := range b.jobs {
		if int(j.weight) == w {
			return true
		}
	}
	return false
}

// flush appends the updates that wait.
func (b *builder) flush() error {
	if len(b.jobs) == 0 || b.err != nil {
		return b.err
	}
	jobs := b.jobs
	b.jobs = nil
	rule, table, err := b.moves()
	if err != nil {
		return err
	}
	list, err := b.table(fmt.Sprint("updates", jobs), func() []byte { return bytesOf(jobs) })
	if err != nil {
		return err
	}
	last := jobs[len(jobs)-1]
	blocks := int(last.first) + up(b.x.b.ws[last.weight].count, updateChunk)
	call := b.call
	defer func() { b.call = call }()
	b.call = max(call-1, 0) // the call of the last of them, or one behind it
	return b.kernel([]string{"updates"}, [3]int{blocks, 1, 1}, [3]int{256, 1, 1}, 0, rule, b.step(), table, list, len(jobs), updateChunk)
}

// moves are the plan's update rule and the weights of its bank, as the kernels take them.
func (b *builder) moves() (ruleAt, weights cu.Ptr, err error) {
	if ruleAt, err = b.table("rule", func() []byte {
		o := b.x.p.Optim
		return bytesOf([]rule{{
			kind: int32(o.Kind), nesterov: int32(is(o.Nesterov)), momentum: o.Momentum, b1: o.Beta1, b2: o.Beta2,
			c1: float32(1 - float64(o.Beta1)), c2: float32(1 - float64(o.Beta2)), eps: o.Eps, decay: o.WeightDecay,
		}})
	}); err != nil {
		return 0, 0, err
	}
	weights, err = b.table("weights", func() []byte {
		all := make([]moved, len(b.x.b.ws))
		for i := range all {
			w := &b.x.b.ws[i]
			all[i] = moved{v: w.v, half: w.half, grad: w.grad, mask: w.mask, count: int64(w.count), decay: int32(is(w.Decay))}
			slots := b.x.p.Optim.Slots()
			if len(w.state) >= slots && slots > 0 {
				all[i].m = w.state[0]
			}
			if len(w.state) >= slots && slots > 1 {
				all[i].s = w.state[1]
			}
		}
		return bytesOf(all)
	})
	return ruleAt, weights, err
}
