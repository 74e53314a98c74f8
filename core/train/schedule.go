package train

import (
	"fmt"
	"math"

	"pare/core/device"
)

// Rate is a learning-rate schedule over a known number of steps.
type Rate struct {
	Kind   string // constant | cosine | step
	Base   float64
	Warmup int64 // steps of linear warm-up from Base/Warmup
	Steps  int64 // of the whole schedule
}

// At is the rate of a step, counted from 0.
//
//	cosine  ½·Base·(1 + cos(π·t))  (Loshchilov & Hutter 2017, without restarts)
//	step    Base, Base/10 from ½, Base/100 from ¾ of the steps
func (r Rate) At(step int64) float64 {
	if step < r.Warmup {
		return r.Base * float64(step+1) / float64(r.Warmup)
	}
	t := float64(step-r.Warmup) / float64(max(r.Steps-r.Warmup, 1))
	t = min(max(t, 0), 1)
	switch r.Kind {
	case "cosine":
		return 0.5 * r.Base * (1 + math.Cos(math.Pi*t))
	case "step":
		switch {
		case t >= 0.75:
			return r.Base / 100
		case t >= 0.5:
			return r.Base / 10
		}
	}
	return r.Base
}

// Optim translates a recipe's words into the device's constants, with PyTorch's
// defaults for Adam.
func Optim(name string, momentum, decay float64) (device.Optim, error) {
	o := device.Optim{WeightDecay: float32(decay), Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	if momentum == 0 {
		momentum = 0.9
	}
	switch name {
	case "sgd":
	case "momentum":
		o.Momentum = float32(momentum)
	case "nesterov":
		o.Momentum, o.Nesterov = float32(momentum), true
	case "adam":
		o.Kind = device.Adam
	case "adamw":
		o.Kind = device.AdamW
	default:
		return o, fmt.Errorf("optimiser %q: choose sgd, momentum, nesterov, adam or adamw", name)
	}
	return o, nil
}
