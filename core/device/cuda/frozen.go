package cuda

import (
	"errors"
	"math"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// A frozen matrix of a bf16 device lies on the card as bf16 alone, which is all that
// products read: 2 bytes a weight instead of 6. Its float32 values, which never change,
// stay with the bank in the host's memory. Whatever else reads such a weight (a table of
// embeddings) gets them on the card when a plan with it is compiled.

// bare reports whether products alone are expected to read a weight, and nothing moves it.
func (b *bank) bare(w *weight) bool {
	return b.dev.precision == BF16 && w.Matrix && !w.Conv && !w.Train && !w.Adapted
}

// setBare is Set of a bare weight; y is in the device's order.
func (b *bank) setBare(w *weight, y []float32) error {
	copy(w.kept, y)
	half := make([]uint16, len(y))
	for i, v := range y {
		half[i] = bf16Of(v)
	}
	if err := b.dev.driver.Upload(w.half, bytesOf(half)); err != nil {
		return lost(err)
	}
	if w.v == 0 {
		return nil
	}
	return lost(b.dev.driver.Upload(w.v, bytesOf(w.kept)))
}

// exact puts the float32 values of bare weights on the card where a plan's kernels read them.
func (b *bank) exact(p *device.Plan) error {
	var list []*weight
	bytes := int64(0)
	for _, r := range p.Regions {
		for _, c := range r.Calls {
			if c.Kernel == device.Linear || c.Kernel == device.LinearDX {
				continue // by operand
			}
			for _, i := range c.W {
				if w := &b.ws[i]; w.v == 0 && !w.wanted {
					w.wanted = true
					list, bytes = append(list, w), bytes+4*w.padded()
				}
			}
		}
	}
	defer func() {
		for _, w := range list {
			w.wanted = false
		}
	}()
	if bytes == 0 {
		return nil
	}
	free, err := b.dev.driver.Free()
	if err != nil {
		return err
	}
	b.takes[ofWeights] += bytes
	if bytes > free-b.dev.reserve() {
		err = b.tooLarge(free, nil)
	}
	for _, w := range list {
		if err == nil {
			err = b.place32(w)
		}
		if errors.Is(err, cu.ErrOutOfMemory) {
			err = b.tooLarge(free, err)
		}
	}
	if err != nil {
		b.takes[ofWeights] -= bytes
		for _, w := range list {
			if w.v != 0 {
				err = firstError(err, b.dev.driver.Release(w.v))
				w.v = 0
			}
		}
	}
	return err
}

// place32 takes memory for the float32 values of a bare weight and fills it.
func (b *bank) place32(w *weight) (err error) {
	n := 4 * w.padded()
	if w.v, err = b.dev.driver.Alloc(n); err != nil {
		return err
	}
	if err = b.dev.driver.Fill(w.v, 0, n); err != nil {
		return err
	}
	return b.dev.driver.Upload(w.v, bytesOf(w.kept))
}

// bf16Of rounds to the nearest bf16, ties to even, as the card does.
func bf16Of(x float32) uint16 {
	u := math.Float32bits(x)
	if u&0x7fffffff > 0x7f800000 {
		return 0x7fff // NaN
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}
