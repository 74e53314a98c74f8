package data

import (
	"fmt"
	"math"
)

// Prep is how raw values become inputs of a model:
//
//	x' = (x*Scale - Mean[k]) / Std[k]
//
// k is the channel of an image, the column of a table. It is part of the
// recipe: a model is only as good as the preprocessing it was trained with.
type Prep struct {
	Scale float64   `toml:"scale" json:"scale"`
	Mean  []float64 `toml:"mean" json:"mean"` // [C] or [F]
	Std   []float64 `toml:"std" json:"std"`   // [C] or [F], above 0
}

// Check reports whether p fits samples of the given shape, [C,H,W] or [F].
func (p Prep) Check(shape []int) error {
	if len(shape) == 0 {
		return fmt.Errorf("preprocessing needs samples with a shape")
	}
	unit := "column"
	if len(shape) == 3 {
		unit = "channel"
	}
	switch {
	case p.Scale == 0 || !finite(p.Scale):
		return fmt.Errorf("preprocessing: scale is %v: it must be a number other than 0 (1/255 for images, 1 for tables)", p.Scale)
	case len(p.Mean) != shape[0] || len(p.Std) != shape[0]:
		return fmt.Errorf("preprocessing: %d means and %d deviations for samples with %d %ss: give one of each per %s", len(p.Mean), len(p.Std), shape[0], unit, unit)
	}
	for k := range p.Mean {
		if !finite(p.Mean[k]) || !finite(p.Std[k]) || p.Std[k] <= 0 {
			return fmt.Errorf("preprocessing: %s %d has mean %v and deviation %v: both must be finite and the deviation above 0", unit, k+1, p.Mean[k], p.Std[k])
		}
	}
	return nil
}

// Apply preprocesses raw samples in place: x is [N][F] with F the product of
// shape, [C,H,W] or [F]. The result has the same bits as what Open returns for
// the same raw values. A value that is not finite afterwards is an error; x is
// then partly done.
func (p Prep) Apply(x []float32, shape []int) error {
	if err := p.Check(shape); err != nil {
		return err
	}
	f := volume(shape)
	if len(x)%f != 0 {
		return fmt.Errorf("preprocessing: %d values are no whole number of samples of %d", len(x), f)
	}
	inner := f / shape[0] // values of one channel; 1 for tables
	for lo := 0; lo < len(x); lo += f {
		for k := range p.Mean {
			v := x[lo+k*inner : lo+(k+1)*inner]
			for i := range v {
				y := p.value(float64(v[i]), k)
				if y-y != 0 {
					return fmt.Errorf("preprocessing: sample %d: %v becomes %v: the data or the recipe's scale, mean and deviation are wrong", lo/f+1, v[i], y)
				}
				v[i] = y
			}
		}
	}
	return nil
}

// value preprocesses one raw value of channel or column k. The conversions
// keep compilers from fusing product and difference, so every machine gets the
// same bits.
func (p Prep) value(x float64, k int) float32 {
	return float32((float64(x*p.Scale) - p.Mean[k]) / p.Std[k])
}

// luts tabulate value for bytes, by channel.
func (p Prep) luts() [][256]float32 {
	t := make([][256]float32, len(p.Mean))
	for k := range t {
		t[k] = p.lut(k)
	}
	return t
}

// lut tabulates value for bytes.
func (p Prep) lut(k int) (t [256]float32) {
	for v := range t {
		t[v] = p.value(float64(v), k)
	}
	return t
}

// imagePrep is Scale 1/255 and mean and deviation per channel, from counts of
// byte values of the training split: exact whatever the order of samples.
func imagePrep(hist [][256]uint64) Prep {
	p := Prep{Scale: 1.0 / 255}
	for _, h := range hist {
		var n, sum float64
		for v, c := range h {
			n += float64(c)
			sum += float64(v) * float64(c)
		}
		mean := sum / n
		var sq float64
		for v, c := range h {
			d := float64(v) - mean
			sq += float64(float64(d*d) * float64(c))
		}
		std := math.Sqrt(sq / n)
		if std == 0 {
			std = 255 // a constant channel becomes 0, not NaN
		}
		p.Mean = append(p.Mean, mean/255)
		p.Std = append(p.Std, std/255)
	}
	return p
}

func finite(v float64) bool { return v-v == 0 }

// volume is the number of values of a shape.
func volume(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
