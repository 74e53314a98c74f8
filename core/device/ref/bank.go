package ref

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// weight is one weight of a bank with its gradient and optimiser state, all
// row-major over the logical shape. Masked places are zero in v, g and s.
type weight struct {
	device.Weight
	v    []float32
	base []float32   // of an adapted weight
	g    []float32   // nil when the weight does not train
	s    [][]float32 // [slots]
}

// stored reports whether the product kernels look at element j: packed formats
// leave out the masked places, dense ones multiply their zeros.
func (w *weight) stored(j int) bool { return w.Format == tensor.Dense || w.Mask.Kept(j) }

// setGrad stores the gradient, zero at masked places unless the weight is open.
func (w *weight) setGrad(sum []float64) {
	for j, s := range sum {
		w.g[j] = 0
		if w.Open || w.Mask.Kept(j) {
			w.g[j] = float32(s)
		}
	}
}

// bank implements device.Bank.
type bank struct {
	desc  []device.Weight
	ws    []weight
	slots int
}

// NewBank makes room for weights, gradients and state, all zero. Weights that
// do not train have neither gradient nor state.
func (Device) NewBank(ws []device.Weight, slots int) (device.Bank, error) {
	if slots < 0 {
		return nil, fmt.Errorf("bank with %d slots of optimiser state", slots)
	}
	b := &bank{desc: append([]device.Weight(nil), ws...), ws: make([]weight, len(ws)), slots: slots}
	for i, d := range ws {
		if err := d.Check("ref"); err != nil {
			return nil, fmt.Errorf("weight %s: %w", d.Name, err)
		}
		// The caller's mask may change later, this bank must not.
		d.Shape, d.Mask = d.Shape.Clone(), d.Mask.Clone()
		b.desc[i] = d
		w := weight{Weight: d, v: make([]float32, d.Shape.Len())}
		if d.Adapted {
			w.base, w.g = make([]float32, d.Shape.Len()), make([]float32, d.Shape.Len())
		}
		if d.Train {
			w.g = make([]float32, d.Shape.Len())
			for range slots {
				w.s = append(w.s, make([]float32, d.Shape.Len()))
			}
		}
		b.ws[i] = w
	}
	return b, nil
}

// Weights describes the weights.
func (b *bank) Weights() []device.Weight { return b.desc }

// Resident is four bytes for each element: ref stores everything in full.
func (b *bank) Resident() int64 {
	n := int64(0)
	for i := range b.ws {
		n += 4 * int64(len(b.ws[i].v)+len(b.ws[i].base))
	}
	return n
}

// Close has nothing to give back: the garbage collector does.
func (b *bank) Close() error { return nil }

// Set copies x into weight i, zero at masked places.
func (b *bank) Set(i int, x []float32) error {
	w, err := b.at(i, x)
	if err != nil {
		return err
	}
	copy(w.v, x)
	w.Mask.Apply(w.v)
	copy(w.base, w.v)
	return nil
}

// Get copies weight i into x.
func (b *bank) Get(i int, x []float32) error {
	w, err := b.at(i, x)
	if err != nil {
		return err
	}
	copy(x, w.v)
	copy(x, w.base) // none but of an adapted weight
	return nil
}

// trained is at for a weight with a gradient.
func (b *bank) trained(i int, x []float32) (*weight, error) {
	w, err := b.at(i, x)
	if err == nil && !w.Train {
		err = fmt.Errorf("weight %s does not train: it has no gradient", w.Name)
	}
	return w, err
}

// Grad copies the gradient of weight i into x.
func (b *bank) Grad(i int, x []float32) error {
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	copy(x, w.g)
	return nil
}

// SetGrad copies x into the gradient of weight i, zero at masked places unless it is open.
func (b *bank) SetGrad(i int, x []float32) error {
	w, err := b.trained(i, x)
	if err != nil {
		return err
	}
	copy(w.g, x)
	if !w.Open {
		w.Mask.Apply(w.g)
	}
	return nil
}

// SetState copies x into a slot of optimiser state, zero at masked places.
func (b *bank) SetState(i, slot int, x []float32) error {
	s, w, err := b.state(i, slot, x)
	if err != nil {
		return err
	}
	copy(s, x)
	w.Mask.Apply(s)
	return nil
}

// State copies a slot of optimiser state into x.
func (b *bank) State(i, slot int, x []float32) error {
	s, _, err := b.state(i, slot, x)
	if err != nil {
		return err
	}
	copy(x, s)
	return nil
}

func (b *bank) at(i int, x []float32) (*weight, error) {
	if i < 0 || i >= len(b.ws) {
		return nil, fmt.Errorf("no weight %d in a bank of %d", i, len(b.ws))
	}
	w := &b.ws[i]
	if len(x) != len(w.v) {
		return nil, fmt.Errorf("weight %s: %d values for shape %v", w.Name, len(x), w.Shape)
	}
	return w, nil
}

func (b *bank) state(i, slot int, x []float32) ([]float32, *weight, error) {
	w, err := b.at(i, x)
	if err != nil {
		return nil, nil, err
	}
	if !w.Train {
		return nil, nil, fmt.Errorf("weight %s does not train: it has no optimiser state", w.Name)
	}
	if slot < 0 || slot >= b.slots {
		return nil, nil, fmt.Errorf("weight %s: no slot %d of optimiser state, the bank has %d", w.Name, slot, b.slots)
	}
	return w.s[slot], w, nil
}
