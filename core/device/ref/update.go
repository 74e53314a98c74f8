package ref

import (
	"math"

	"pare/core/device"
)

// update is the optimiser's step for a weight whose gradient is ready.
func update(e *exec, c *device.Call) {
	if !e.s.Micro.Hold {
		e.step(e.weight(c.W[0]))
	}
}

// step moves w by its gradient with the formulas of torch.optim.SGD, Adam and
// AdamW. Masked places stay zero, in the state too. Weights that are not to
// decay run with weight decay 0. Adam's t is Step.Index.
func (e *exec) step(w *weight) {
	o, lr := e.p.Optim, float64(e.s.LR)
	wd := 0.0
	if w.Decay {
		wd = float64(o.WeightDecay)
	}
	for j := range w.v {
		if !w.Mask.Kept(j) {
			continue // zero since Set
		}
		x, g := float64(w.v[j]), float64(w.g[j])
		switch o.Kind {
		case device.SGD:
			x = e.sgd(w, j, x, g+wd*x, lr)
		case device.Adam:
			x = e.adam(w, j, x, g+wd*x, lr)
		case device.AdamW:
			x = e.adam(w, j, x-lr*wd*x, g, lr)
		}
		w.v[j] = float32(x)
	}
}

// sgd: v = mom·v + g; w −= lr·(nesterov ? g + mom·v : v).
// State: v. It starts at zero, so that v = g at the first step.
func (e *exec) sgd(w *weight, j int, x, g, lr float64) float64 {
	mom := float64(e.p.Optim.Momentum)
	if mom == 0 {
		return x - lr*g
	}
	v := mom*float64(w.s[0][j]) + g
	w.s[0][j] = float32(v)
	if e.p.Optim.Nesterov {
		return x - lr*(g+mom*v)
	}
	return x - lr*v
}

// adam: m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²;
// w −= lr·m̂/(√v̂ + eps) with m̂ = m/(1−β1ᵗ), v̂ = v/(1−β2ᵗ). State: m, v.
// Kingma & Ba 2015; decoupled decay: Loshchilov & Hutter 2019.
func (e *exec) adam(w *weight, j int, x, g, lr float64) float64 {
	o, t := e.p.Optim, float64(e.s.Index)
	b1, b2 := float64(o.Beta1), float64(o.Beta2)
	m := b1*float64(w.s[0][j]) + (1-b1)*g
	v := b2*float64(w.s[1][j]) + (1-b2)*g*g
	w.s[0][j], w.s[1][j] = float32(m), float32(v)
	mhat, vhat := m/(1-math.Pow(b1, t)), v/(1-math.Pow(b2, t))
	return x - lr*mhat/(math.Sqrt(vhat)+float64(o.Eps))
}
