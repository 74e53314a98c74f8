package cuda

import (
	"errors"
	"fmt"
	"sync"

	"pare/core/device/cuda/internal/cu"
)

// first is the card that this process computes on: the first that the driver shows,
// which CUDA_VISIBLE_DEVICES chooses. It is opened once, when it is first asked for.
var first = sync.OnceValues(func() (*card, error) {
	d, err := cu.Open(0)
	if err != nil {
		return nil, err
	}
	b, err := cu.NewBlas(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Info().Name, err)
	}
	c := newCard(d, b)
	c.machine = machineOf(d.Info(), b.Version())
	return c, nil
})

// Open returns the card in a precision. Without a driver, a card or the libraries that
// it needs it is an error that says what was looked for and where.
func Open(p Precision) (Device, error) {
	c, err := first()
	if err != nil {
		return Device{}, fmt.Errorf("device cuda: %w", err)
	}
	return Device{card: c, choices: newChoices(nil, nil), precision: p}, nil
}

// Absent reports whether an error of Open says that there is no card, or no driver that
// could tell of one; a card that is there and cannot be used gives another.
func Absent(err error) bool {
	if answer, ok := errors.AsType[*cu.Error](err); ok {
		return answer.Library == "" && (answer.Code == cu.CodeNoDevice || answer.Code == cu.CodeInvalidDevice)
	}
	return errors.Is(err, cu.ErrNoDriver) || errors.Is(err, cu.ErrNoCard)
}
