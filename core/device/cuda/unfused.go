package cuda

import (
	"fmt"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
)

// unfused is a product whose epilogue the library has no algorithm for, of this size or in
// this version: a plain product, and a kernel of ours that does the rest. The result is
// rounded once more on the way where values are bf16, and memory is gone through once more.
func (b *builder) unfused(p cu.Product, why error, a, w, from, d, bias, aux cu.Ptr, alpha, beta float32) error {
	plain := p
	plain.Epilogue, plain.BiasType = cu.None, cu.F32
	to := d
	if p.Epilogue == cu.GELUAux { // which gets what GELU is taken of
		to = aux
	}
	if from == d {
		from = to
	}
	if p.LDD != 0 && p.LDD != p.N && p.Epilogue != cu.BGrad {
		return fmt.Errorf("rows of %d values that lie %d apart: %w", p.N, p.LDD, why)
	}
	if err := b.productOnto(plain, a, w, from, to, 0, 0, alpha, beta); err != nil {
		return err
	}
	b.x.dev.choices.say("%s does some products without %v; a kernel of pare does that, at the price of going through memory once more", b.x.dev.Chooses(), p.Epilogue)
	count := p.M * p.N
	gelu := func(x cu.Ptr) error { return b.each("act", count, x, d, int(device.GELUTanh), float32(0), float32(0)) }
	switch p.Epilogue {
	case cu.BGrad: // the sums of op(A), which lies [K][M], over K
		ld := p.LDA
		if ld == 0 {
			ld = p.M
		}
		return b.sumRows(a, p.K, p.M, ld, bias, false)
	case cu.DGELU:
		return b.each("act_dx", count, aux, d, d, int(device.GELUTanh), float32(0), float32(0))
	}
	if err := b.each("bias_rows", count, to, bias, p.N); err != nil {
		return err
	}
	switch p.Epilogue {
	case cu.GELUAux:
		return gelu(aux)
	case cu.GELUBias:
		return gelu(d)
	case cu.ReLUBias:
		return b.each("act", count, d, d, int(device.ReLU), float32(0), float32(0))
	}
	return nil
}
