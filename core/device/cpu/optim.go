package cpu

import (
	"math"
	"strconv"
	"unsafe"

	"pare/core/device"
)

// optimiser is an update rule with its constants for one step.
type optimiser struct {
	o    device.Optim
	sgd  sgdArgs
	adam adamArgs
}

// newOptimiser prepares step t (1 for the first) with learning rate lr. decay
// says whether weight decay applies to the weights to come. The corrections of
// Adam are computed in float64, as PyTorch does.
func newOptimiser(o device.Optim, lr float32, t int64, decay bool) optimiser {
	wd := o.WeightDecay
	if !decay {
		wd = 0
	}
	u := optimiser{o: o, sgd: sgdArgs{lr: lr, mom: o.Momentum, wd: wd}}
	if o.Kind == device.SGD {
		return u
	}
	b1, b2 := decimal(o.Beta1), decimal(o.Beta2)
	u.adam = adamArgs{
		step:   float32(decimal(lr) / (1 - math.Pow(b1, float64(t)))),
		scale:  float32(1 / math.Sqrt(1-math.Pow(b2, float64(t)))),
		beta1c: float32(1 - b1), beta2: o.Beta2, beta2c: float32(1 - b2),
		eps: o.Eps, wd: wd, decay: 1,
	}
	if o.Kind == device.AdamW {
		u.adam.wd, u.adam.decay = 0, float32(1-decimal(lr)*decimal(wd))
	}
	return u
}

// decimal is the number a person wrote: 0.999 for the float32 next to it. In
// 1 − 0.999 the difference would be a hundred times the rounding of a float32.
func decimal(x float32) float64 {
	var buf [32]byte // on the stack: a step must not allocate
	d, _ := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], float64(x), 'g', -1, 32)), 64)
	return d
}

// update moves the weights w by the gradients g; s1 and s2 are the slots of
// state, of the same length or nil when the rule has none. It is safe for any
// length and does not change g.
func (u *optimiser) update(w, g, s1, s2 []float32) {
	for len(w) > 0 {
		n := min(len(w), maxFloats)
		switch {
		case u.o.Kind != device.SGD:
			a := u.adam
			a.w, a.g, a.m, a.v, a.n = ptr(w), ptr(g), ptr(s1), ptr(s2), n
			adamStep(&a)
			s1, s2 = s1[n:], s2[n:]
		case u.o.Momentum == 0:
			a := u.sgd
			a.w, a.g, a.n = ptr(w), ptr(g), n
			sgdPlain(&a)
		default:
			a := u.sgd
			a.w, a.g, a.v, a.n = ptr(w), ptr(g), ptr(s1), n
			if u.o.Nesterov {
				sgdNesterov(&a)
			} else {
				sgdMomentum(&a)
			}
			s1 = s1[n:]
		}
		w, g = w[n:], g[n:]
	}
}

// ptr is the address of the first element, nil for an empty slice.
func ptr[E any](x []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }
