package train

import (
	"errors"
	"fmt"
	"strings"

	"pare/core/device"
	"pare/core/plan"
)

// wayOut adds to the error of plans that do not fit their device how the same batch
// would: with values made again, in parts, or both. It tries, and leaves nothing behind.
func (t *Trainer) wayOut(err error) error {
	if !errors.Is(err, device.ErrMemory) {
		return err
	}
	was := t.o
	defer func() { t.o = was }()
	again := !was.Recompute && plan.Recomputable(t.Model)
	var ways []string
	if t.o.Recompute = true; again && t.fits() {
		ways = append(ways, "train.recompute = true")
	}
	t.o.Recompute = was.Recompute
	if k := t.fitsIn(was.Micros); k > 0 {
		ways = append(ways, fmt.Sprintf("train.accumulate = %d, in parts of %d", k, t.o.Part()))
	}
	if t.o.Recompute = true; len(ways) == 0 && again {
		if k := t.fitsIn(was.Micros); k > 0 {
			ways = append(ways, fmt.Sprintf("train.recompute = true and train.accumulate = %d, in parts of %d", k, t.o.Part()))
		}
	}
	if len(ways) == 0 {
		return err
	}
	return fmt.Errorf("%w; or keep the batch of %d: %s", err, was.Batch, strings.Join(ways, "; or "))
}

// fitsIn finds the fewest parts, a power of two or single samples, in which a step fits,
// and sets them; 0: it does not.
func (t *Trainer) fitsIn(more int) int {
	for k := 2; t.o.Batch > 1; k *= 2 {
		if t.o.Micros = min(k, t.o.Batch); t.o.Micros > more && t.fits() {
			return t.o.Micros
		}
		if k >= t.o.Batch {
			break
		}
	}
	t.o.Micros = more
	return 0
}

// fits reports whether the plans fit the device.
func (t *Trainer) fits() bool {
	t.closePlans()
	err := t.compile()
	t.closePlans()
	return err == nil
}
