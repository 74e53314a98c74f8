package ref

import (
	"fmt"

	"pare/core/device"
	"pare/core/tensor"
)

// scale: y = s·x.
func scale(e *exec, c *device.Call, i int) {
	x, y := e.val(c.In[0], i), e.val(c.Out[0], i)
	for j := range y.x {
		y.x[j] = c.S[0] * x.x[j]
	}
}

// adapt: w[n][k] = w₀[n][k] + s·Σ_r b[n][r]·a[r][k] at the kept places.
func adapt(e *exec, c *device.Call) {
	w, a, b := e.weight(c.W[0]), e.weight(c.W[1]), e.weight(c.W[2])
	kk, rr := w.K(), a.N()
	for j := range w.v {
		sum := 0.0
		for r := range rr {
			sum += float64(b.v[j/kk*rr+r]) * float64(a.v[r*kk+j%kk])
		}
		w.v[j] = float32(float64(w.base[j]) + float64(c.S[0])*sum)
	}
	w.Mask.Apply(w.v)
}

// adaptA: da[r][k] = s·Σ_n b[n][r]·dw[n][k].
func adaptA(e *exec, c *device.Call) {
	a, w, b := e.weight(c.W[0]), e.weight(c.W[1]), e.weight(c.W[2])
	kk, rr := w.K(), a.N()
	sum := make([]float64, len(a.v))
	for j, g := range w.g {
		for r := range rr {
			sum[r*kk+j%kk] += float64(c.S[0]) * float64(b.v[j/kk*rr+r]) * float64(g)
		}
	}
	e.grad(c, a, sum)
}

// adaptB: db[n][r] = s·Σ_k dw[n][k]·a[r][k].
func adaptB(e *exec, c *device.Call) {
	b, w, a := e.weight(c.W[0]), e.weight(c.W[1]), e.weight(c.W[2])
	kk, rr := w.K(), a.N()
	sum := make([]float64, len(b.v))
	for j, g := range w.g {
		for r := range rr {
			sum[j/kk*rr+r] += float64(c.S[0]) * float64(g) * float64(a.v[r*kk+j%kk])
		}
	}
	e.grad(c, b, sum)
}

// adapterShape tests that a [R, K] and b [N, R] adapt w [N, K].
func adapterShape(w, a, b device.Weight) error {
	switch {
	case !w.Adapted:
		return fmt.Errorf("weight %s is not adapted", w.Name)
	case len(w.Shape) != 2 || len(a.Shape) != 2 || !b.Shape.Equal(tensor.Shape{w.Shape[0], a.Shape[0]}) || a.Shape[1] != w.Shape[1]:
		return fmt.Errorf("adapter of %v and %v for weight %s of %v", a.Shape, b.Shape, w.Name, w.Shape)
	case a.Format != tensor.Dense || b.Format != tensor.Dense:
		return fmt.Errorf("the adapter of weight %s is not dense", w.Name)
	}
	return nil
}
