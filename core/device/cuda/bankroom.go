package cuda

import (
	"errors"
	"fmt"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// part is what memory of a bank is for.
type part int

const (
	ofWeights part = iota // float32, bf16 copies, bases of adapted ones
	ofGradients
	ofState
	ofMasks
	parts
)

// pieceOf is one piece of a weight's memory.
type pieceOf struct {
	of    part
	p     *cu.Ptr
	bytes int64
}

// fill takes the memory of all weights. A bank that does not fit takes nothing.
func (b *bank) fill() error {
	list := make([][]pieceOf, len(b.ws))
	for i := range b.ws {
		list[i] = b.room(&b.ws[i])
		for _, p := range list[i] {
			b.takes[p.of] += p.bytes
		}
	}
	free, err := b.dev.driver.Free()
	if err != nil {
		return err
	}
	if b.Takes() > free-b.dev.reserve() {
		return b.tooLarge(free, nil)
	}
	for i := range b.ws {
		if err := b.allot(&b.ws[i], list[i]); errors.Is(err, cu.ErrOutOfMemory) {
			return b.tooLarge(free, err)
		} else if err != nil {
			return fmt.Errorf("weight %s: %w", b.ws[i].Name, err)
		}
	}
	return nil
}

// Takes is the memory of the card that the bank takes, bytes.
func (b *bank) Takes() int64 {
	n := int64(0)
	for _, p := range b.takes {
		n += p
	}
	return n
}

func (b *bank) tooLarge(free int64, cause error) error {
	err := fmt.Errorf("%w: the model takes %s: weights %s, gradients %s, state of the optimiser %s, masks %s; of %s on %s %s are free, %s of them for the driver: use a smaller model, fewer weights that train, or an optimiser with less state; or end what else is on the card",
		device.ErrMemory, size(b.Takes()), size(b.takes[ofWeights]), size(b.takes[ofGradients]), size(b.takes[ofState]), size(b.takes[ofMasks]),
		size(b.dev.info.Memory), b.dev.info.Name, size(free), size(b.dev.reserve()))
	if cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}
