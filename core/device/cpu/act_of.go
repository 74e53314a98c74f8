package cpu

import (
	"math"

	"pare/core/device"
)

// Activation functions in plain Go: gates work on vectors, and those with constants
// wait for memory, not for the processor.

// sigmoidRows: y = 1/(1 + e^−x).
func sigmoidRows(y, x []float32) {
	for i, v := range x {
		y[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

// sigmoidGrad: dx = dy·y·(1 − y).
func sigmoidGrad(dx, dy, y []float32) {
	for i, v := range y {
		dx[i] = dy[i] * v * (1 - v)
	}
}

// actOf computes y = f(x) with constants s, element by element.
func actOf(f device.Act, s [2]float32, y, x []float32) {
	a, b := s[0], s[1]
	y = y[:len(x)]
	switch f {
	case device.HardSigmoid:
		for i, v := range x {
			y[i] = min(max(a*v+b, 0), 1)
		}
	case device.LeakyReLU:
		for i, v := range x {
			if v < 0 {
				v *= a
			}
			y[i] = v
		}
	case device.ELU:
		for i, v := range x {
			if v < 0 {
				v = a * float32(math.Expm1(float64(v)))
			}
			y[i] = v
		}
	case device.Clip:
		for i, v := range x {
			y[i] = min(max(v, a), b)
		}
	case device.Affine:
		for i, v := range x {
			y[i] = a*v + b
		}
	}
}

// actGradOf computes dx = dy·f′ with constants s; v is y or x, see
// device.Act.FromOutput.
func actGradOf(f device.Act, s [2]float32, dx, dy, v []float32) {
	a, b := s[0], s[1]
	dx, dy = dx[:len(v)], dy[:len(v)]
	switch f {
	case device.HardSigmoid:
		for i, y := range v {
			d := float32(0)
			if y > 0 && y < 1 {
				d = a * dy[i]
			}
			dx[i] = d
		}
	case device.LeakyReLU:
		for i, x := range v {
			d := dy[i]
			if !(x > 0) {
				d *= a
			}
			dx[i] = d
		}
	case device.ELU:
		for i, x := range v {
			d := dy[i]
			if !(x > 0) {
				d *= a * float32(math.Exp(float64(x)))
			}
			dx[i] = d
		}
	case device.Clip:
		for i, y := range v {
			d := float32(0)
			if y > a && y < b {
				d = dy[i]
			}
			dx[i] = d
		}
	case device.Affine:
		for i, d := range dy {
			dx[i] = a * d
		}
	}
}
