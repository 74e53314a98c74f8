package train

import (
	"errors"
	"fmt"

	"pare/core/device"
)

// wayOut adds to the error of plans that do not fit their device how the same batch
// would: it tries, and leaves nothing behind.
func (t *Trainer) wayOut(err error) error {
	if !errors.Is(err, device.ErrMemory) {
		return err
	}
	was := t.o
	defer func() { t.o = was }()
	for k := 2; was.Batch > 1; k *= 2 {
		t.o.Micros = min(k, was.Batch)
		if t.o.Micros > was.Micros && t.fits() {
			return fmt.Errorf("%w; or keep the batch of %d and run it in parts of %d: train.accumulate = %d", err, was.Batch, t.o.Part(), t.o.Micros)
		}
		if k >= was.Batch {
			break
		}
	}
	return err
}

// fits reports whether the plans fit the device.
func (t *Trainer) fits() bool {
	t.closePlans()
	err := t.compile()
	t.closePlans()
	return err == nil
}
