package device

import (
	"errors"
	"fmt"
)

// Alone compiles plan p on a bank of its own, which is closed with it, or with an error.
// values are those of weight i, row-major.
func Alone(dev Device, p *Plan, ws []Weight, slots, threads int, values func(i int) []float32) (Exec, error) {
	bank, err := dev.NewBank(ws, slots)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (Exec, error) {
		bank.Close() //nolint:errcheck // the other error says it
		return nil, err
	}
	for i, w := range ws {
		if err := bank.Set(i, values(i)); err != nil {
			return fail(fmt.Errorf("weight %s: %w", w.Name, err))
		}
	}
	e, err := dev.Compile(p, bank, threads)
	if err != nil {
		return fail(err)
	}
	return alone{e, bank}, nil
}

type alone struct {
	Exec
	bank Bank
}

// Close closes the plan and its bank.
func (a alone) Close() error { return errors.Join(a.Exec.Close(), a.bank.Close()) }

// Takes is what both take, 0 where the device does not say.
func (a alone) Takes() (n int64) {
	for _, p := range []any{a.Exec, a.bank} {
		if s, ok := p.(Sized); ok {
			n += s.Takes()
		}
	}
	return n
}
