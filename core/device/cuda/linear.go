package cuda

import (
	"errors"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

var linearKernels = map[device.Kernel]build{
	device.Linear: linear, device.LinearDX: linearDX, device.LinearDW: linearDW, // of dy as it lies: there is no Transpose
}

// linear: y[rows][N] = act(x[rows][K]·wᵀ + b).
func linear(b *builder, c *device.Call) error {
	x, y, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	// Of a wide y the columns behind the last one are made, too: zeros.
	p := cu.Product{M: x.rows, N: y.ld, K: w.K(), TransB: true, LDA: x.ld, LDD: y.ld, A: x.elem, D: y.elem}
	var wp, bias cu.Ptr
	wp, p.B = w.operand()
	act := c.Act
	if len(c.W) > 1 {
		bias, p.BiasType = b.weight(c.W[1]).operand()
		p.Epilogue = cu.Bias
		if act == device.ReLU {
			p.Epilogue, act = cu.ReLUBias, device.NoAct
		}
	}
	if n := b.geluBehind(c); n != nil {
		p.Epilogue, b.done[n] = cu.GELUAux, true
		to := b.val(n.Out[0]).ptr
		return b.weighted(c, forward, p, x.ptr, wp, to, to, bias, y.ptr, 1, 0)
	}
	if n, z := b.addBehind(c); n != nil {
		b.done[n] = true
		return b.weighted(c, forward, p, x.ptr, wp, b.val(z).ptr, b.val(n.Out[0]).ptr, bias, 0, 1, 1)
	}
	if n := b.scaleBehind(c); n != nil {
		b.done[n] = true
		to := b.val(n.Out[0]).ptr
		return b.weighted(c, forward, p, x.ptr, wp, to, to, 0, 0, n.S[0], 0)
	}
	if err := b.weighted(c, forward, p, x.ptr, wp, y.ptr, y.ptr, bias, 0, 1, 0); err != nil {
		return err
	}
	return b.inPlace(act, y)
}

// linearDX: dx[rows][K] = dy[rows][N]·w.
func linearDX(b *builder, c *device.Call) error {
	dy, dx, w := b.val(c.In[0]), b.val(c.Out[0]), b.weight(c.W[0])
	wp, t := w.operand()
	p := cu.Product{M: dy.rows, N: w.K(), K: dy.ld, LDA: dy.ld, LDD: dx.ld, A: dy.elem, B: t, D: dx.elem}
	if n := b.geluDXBehind(c); n != nil {
		p.Epilogue, b.done[n] = cu.DGELU, true
		to := b.val(n.Out[0]).ptr
		return b.weighted(c, backward, p, dy.ptr, wp, to, to, 0, b.val(n.In[0]).ptr, 1, 0)
	}
	if n := b.accumBehind(c, c.Out[0]); n != nil {
		b.done[n] = true
		to := b.val(n.Out[0]).ptr
		return b.weighted(c, backward, p, dy.ptr, wp, to, to, 0, 0, 1, 1)
	}
	if n := b.scaleBehind(c); n != nil {
		b.done[n] = true
		to := b.val(n.Out[0]).ptr
		return b.weighted(c, backward, p, dy.ptr, wp, to, to, 0, 0, n.S[0], 0)
	}
	return b.weighted(c, backward, p, dy.ptr, wp, dx.ptr, dx.ptr, 0, 0, 1, 0)
}

// linearDW: dw[N][K] = dyᵀ·x over the rows, added to what is there with Accum; and db,
// the sums of dy, where nothing else is in the way: dy is then read once.
func linearDW(b *builder, c *device.Call) error {
	x, dy, w := b.val(c.In[0]), b.val(c.In[1]), b.weight(c.W[0])
	p := cu.Product{M: w.N(), N: w.K(), K: x.rows, TransA: true, LDA: dy.ld, LDB: x.ld, A: dy.elem, B: x.elem, D: cu.F32}
	var db cu.Ptr
	bias := b.biasOf(c)
	if bias != nil {
		p.Epilogue, db = cu.BGrad, b.weight(bias.W[0]).grad
	}
	if err := b.product(p, dy.ptr, x.ptr, w.grad, db, 1, b.beta(c)); err != nil {
		return err
	}
	if err := b.gradient(c); err != nil || bias == nil {
		return err
	}
	return b.gradient(bias)
}

// biasOf is the call that a LinearDW does along with its own work: BiasD of the same dy.
func (b *builder) biasOf(dw *device.Call) *device.Call {
	if dw.Kernel != device.LinearDW || b.adds(dw) {
		return nil
	}
	for _, r := range b.x.p.Regions {
		for i := range r.Calls {
			if c := &r.Calls[i]; c.Kernel == device.BiasD && c.Node == dw.Node && c.In[0] == dw.In[1] && !c.Accum {
				return c
			}
		}
	}
	return nil
}

// alongside reports whether a BiasD is done by the LinearDW of its layer.
func (b *builder) alongside(c *device.Call) bool {
	for _, r := range b.x.p.Regions {
		for i := range r.Calls {
			if dw := &r.Calls[i]; dw.Node == c.Node && b.biasOf(dw) == c {
				return true
			}
		}
	}
	return false
}

// product appends a matrix product.
func (b *builder) product(p cu.Product, a, w, d, bias cu.Ptr, alpha, beta float32) error {
	return b.productOnto(p, a, w, d, d, bias, 0, alpha, beta)
}

// productOnto appends d = alpha·a·w + beta·from.
func (b *builder) productOnto(p cu.Product, a, w, from, d, bias, aux cu.Ptr, alpha, beta float32) error {
	p.TF32 = b.x.dev.precision == TF32
	if b.count != nil {
		b.count.work = b.x.dev.blas.Work()
		return nil
	}
	q, err := b.x.prepare(p)
	if p.Epilogue != cu.None && errors.Is(err, cu.ErrUnsupported) && !errors.Is(err, device.ErrKept) {
		return b.unfused(p, err, a, w, from, d, bias, aux, alpha, beta)
	}
	if err != nil {
		return err
	}
	blas := b.x.dev.blas
	b.do(func() error { return blas.RunOnto(q, a, w, from, d, bias, aux, alpha, beta) })
	return nil
}

// inPlace appends y = act(y).
func (b *builder) inPlace(act device.Act, y value) error {
	if act == device.NoAct {
		return nil
	}
	return b.each("act", y.count(), y.ptr, y.ptr, int(act), float32(0), float32(0))
}
