package train

import (
	"slices"

	"pare/core/tensor"
)

// Open makes the weights of the given parameters open (device.Weight): they run dense,
// whatever their masks, and after each step OpenGrads has their gradients at masked
// places too. Nil ends it. Weights and optimiser state stay as they are.
func (t *Trainer) Open(params []int) error {
	if slices.Equal(t.open, params) {
		return nil
	}
	t.open = slices.Clone(params)
	return t.Rewrite(nil, false)
}

// Opened are the parameters whose weights are open.
func (t *Trainer) Opened() []int { return t.open }

// openAll makes the weights of open parameters dense.
func (t *Trainer) openAll() {
	for i := range t.Choices {
		if c := &t.Choices[i]; slices.Contains(t.open, c.Param) {
			c.Format, c.Cost, c.Why = tensor.Dense, 1, "dense while its score is learnt: that takes the gradients of dropped weights, too"
		}
	}
}

// OpenGrads calls f for each open parameter with the gradient of the step just taken, at
// every place, and the weights that it has left. f must not keep the slices.
func (t *Trainer) OpenGrads(f func(param int, g, w []float32)) error {
	for _, i := range t.open {
		n := t.Weights[i].Shape.Len()
		g, w := make([]float32, n), make([]float32, n)
		if err := t.bank.Grad(i, g); err != nil {
			return err
		}
		if err := t.bank.Get(i, w); err != nil {
			return err
		}
		f(i, g, w)
	}
	return nil
}
