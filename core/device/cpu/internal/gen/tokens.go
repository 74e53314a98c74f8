package main

import "fmt"

// Kernels of sequences, over rows of 16 floats: reductions down the rows of a tile
// (a lane is a token), layer norm, the gate of attention's gradient, rotations.

// tokenKernels are their rows of the table.
func tokenKernels() []kernel {
	rows := "\n// One call should stay below maxRows rows."
	return []kernel{
		{name: "downSums", args: "rowArgs", doc: "computes the sum of n rows of a, lane by lane, in the one row dst." + rows, avx2: downSums},
		{name: "downSquares", args: "rowArgs", doc: "computes Σ (a − b)² over n rows of a, lane by lane; b and dst are one row.\n// dst may be b." + rows, avx2: downSquares},
		{name: "downMax", args: "rowArgs", doc: "computes the maximum of n rows of a, lane by lane, in the one row dst;\n// it leaves NaN out, and is −∞ of nothing." + rows, avx2: downMax},
		{name: "mulRows", args: "rowArgs", doc: "computes dst = a·b over n rows. dst may be a or b." + rows, avx2: mulRows},
		{name: "gateRows", args: "normArgs", doc: "computes dst = a·(b − mean) over n rows, mean being one row.\n// dst may be a or b." + rows, avx2: gateRows},
		{name: "hatRows", args: "normArgs", doc: "computes dst = (a − mean)·rstd over n rows, mean and rstd being one row.\n// dst may be a." + rows, avx2: hatRows},
		{name: "normSums", args: "normArgs", doc: "computes dst[0] = Σ gamma[i]·a[i] and dst[1] = Σ gamma[i]·a[i]·b[i] over n rows,\n// lane by lane." + rows, avx2: normSums},
		{name: "normGrad", args: "normArgs", doc: "computes dst[i] = rstd·(gamma[i]·a[i] − mean[0] − b[i]·mean[1]) over n rows,\n// mean being two rows and rstd one. dst may be a or b." + rows, avx2: normGrad},
		{name: "turnRows", args: "turnArgs", doc: "computes dst = a·cos − b·sin and dst2 = b·cos + a·sin over n rows.\n// dst may be a, and dst2 b." + rows, avx2: turnRows},
	}
}

func mem(base string, off int) string { return fmt.Sprintf("%d(%s)", off, base) }

// down emits dst[16] = the reduction of n rows of a to one. f adds the half row at
// an address to a register; four rows are reduced side by side, in an order that
// depends on n alone. join adds register b to a.
func down(a *asm, start func(reg int), f func(mem string, reg, half int), join func(from, to int)) {
	a.load("rowArgs", "dst", "DX", "a", "SI", "n", "CX")
	for i := range 8 {
		start(i)
	}
	a.op("SUBQ $4, CX")
	a.op("JLT rest")
	a.loop("four")
	for r := range 4 {
		for h := range 2 {
			f(mem("SI", 64*r+32*h), 2*r+h, h)
		}
	}
	a.op("ADDQ $256, SI")
	a.op("SUBQ $4, CX")
	a.op("JGE four")
	a.label("rest")
	a.op("ADDQ $4, CX")
	a.op("JZ done")
	a.label("next")
	for h := range 2 {
		f(mem("SI", 32*h), h, h)
	}
	a.op("ADDQ $64, SI")
	a.op("DECQ CX")
	a.op("JNZ next")
	a.label("done")
	for h := range 2 {
		join(2+h, h)
		join(6+h, 4+h)
		join(4+h, h)
		a.op("VMOVUPS Y%d, %s", h, mem("DX", 32*h))
	}
	a.ret()
}

func addTo(a *asm) func(from, to int) {
	return func(from, to int) { a.op("VADDPS Y%d, Y%d, Y%d", from, to, to) }
}

func downSums(a *asm) {
	down(a, func(reg int) { a.zero(reg, reg+1) },
		func(mem string, reg, _ int) { a.op("VADDPS %s, Y%d, Y%d", mem, reg, reg) }, addTo(a))
}

// downSquares: b is one row that is taken from every row of a.
func downSquares(a *asm) {
	a.load("rowArgs", "b", "BX")
	a.op("VMOVUPS (BX), Y14")
	a.op("VMOVUPS 32(BX), Y15")
	down(a, func(reg int) { a.zero(reg, reg+1) },
		func(mem string, reg, half int) {
			a.op("VMOVUPS %s, Y%d", mem, 8+reg%6)
			a.op("VSUBPS Y%d, Y%d, Y%d", 14+half, 8+reg%6, 8+reg%6)
			a.op("VFMADD231PS Y%d, Y%d, Y%d", 8+reg%6, 8+reg%6, reg)
		}, addTo(a))
}

// downMax leaves a NaN out: the operand order takes the other one.
func downMax(a *asm) {
	larger := func(b string, reg int) { a.op("VMOVUPS %s, Y8", b); a.op("VMAXPS Y%d, Y8, Y%d", reg, reg) }
	down(a,
		func(reg int) { // −∞
			a.op("VPCMPEQD Y%d, Y%d, Y%d", reg, reg, reg)
			a.op("VPSLLD $23, Y%d, Y%d", reg, reg)
		},
		func(mem string, reg, _ int) { larger(mem, reg) },
		func(from, to int) { a.op("VMAXPS Y%d, Y%d, Y%d", from, to, to) })
}

func mulRows(a *asm) { binary(a, "VMULPS") }

// gateRows: dst = a·(b − row).
func gateRows(a *asm) {
	a.load("normArgs", "mean", "R8")
	a.op("VMOVUPS (R8), Y14")
	a.op("VMOVUPS 32(R8), Y15")
	eachRow(a, "normArgs", 64, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(BX), Y%d", 32*v, v)
			a.op("VSUBPS Y%d, Y%d, Y%d", 14+v, v, v)
			a.op("VMULPS %d(SI), Y%d, Y%d", 32*v, v, v)
		}
	})
}

// hatRows: dst = (a − mean)·rstd.
func hatRows(a *asm) {
	a.load("normArgs", "mean", "R8", "rstd", "R9")
	for v := range 2 {
		a.op("VMOVUPS %d(R8), Y%d", 32*v, 12+v)
		a.op("VMOVUPS %d(R9), Y%d", 32*v, 14+v)
	}
	eachRow(a, "normArgs", 0, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(SI), Y%d", 32*v, v)
			a.op("VSUBPS Y%d, Y%d, Y%d", 12+v, v, v)
			a.op("VMULPS Y%d, Y%d, Y%d", 14+v, v, v)
		}
	})
}

// normSums: dst[0] = Σ gamma·a, dst[1] = Σ gamma·a·b.
func normSums(a *asm) {
	a.load("normArgs", "dst", "DX", "a", "SI", "b", "BX", "gamma", "R8", "n", "CX")
	a.zero(0, 4)
	a.loop("row")
	a.op("VBROADCASTSS (R8), Y8")
	for v := range 2 {
		a.op("VMULPS %d(SI), Y8, Y%d", 32*v, 9+v)
		a.op("VADDPS Y%d, Y%d, Y%d", 9+v, v, v)
		a.op("VFMADD231PS %d(BX), Y%d, Y%d", 32*v, 9+v, 2+v)
	}
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, BX")
	a.op("ADDQ $4, R8")
	a.op("DECQ CX")
	a.op("JNZ row")
	for i := range 4 {
		a.op("VMOVUPS Y%d, %d(DX)", i, 32*i)
	}
	a.ret()
}

// normGrad: dst = rstd·(gamma·a − mean[0] − b·mean[1]).
func normGrad(a *asm) {
	a.load("normArgs", "gamma", "R8", "mean", "R9", "rstd", "R10")
	for v := range 2 {
		a.op("VMOVUPS %d(R9), Y%d", 32*v, 10+v)
		a.op("VMOVUPS %d(R9), Y%d", 64+32*v, 12+v)
		a.op("VMOVUPS %d(R10), Y%d", 32*v, 14+v)
	}
	eachRow(a, "normArgs", 64, func() {
		a.op("VBROADCASTSS (R8), Y8")
		for v := range 2 {
			a.op("VMOVUPS %d(BX), Y%d", 32*v, 2+v)
			a.op("VMOVUPS Y%d, Y%d", 10+v, v)
			a.op("VFMSUB231PS %d(SI), Y8, Y%d", 32*v, v)
			a.op("VFNMADD231PS Y%d, Y%d, Y%d", 2+v, 12+v, v)
			a.op("VMULPS Y%d, Y%d, Y%d", 14+v, v, v)
		}
		a.op("ADDQ $4, R8")
	})
}

// turnRows: dst = a·cos − b·sin, dst2 = b·cos + a·sin.
func turnRows(a *asm) {
	a.load("turnArgs", "dst", "DX", "dst2", "R8", "a", "SI", "b", "BX", "cos", "R9", "sin", "R10", "n", "CX")
	a.op("SHLQ $1, CX")
	a.loop("half")
	a.op("VMOVUPS (SI), Y0")
	a.op("VMOVUPS (BX), Y1")
	a.op("VMOVUPS (R9), Y2")
	a.op("VMOVUPS (R10), Y3")
	a.op("VMULPS Y1, Y3, Y4")
	a.op("VFMSUB231PS Y0, Y2, Y4")
	a.op("VMULPS Y0, Y3, Y5")
	a.op("VFMADD231PS Y1, Y2, Y5")
	a.op("VMOVUPS Y4, (DX)")
	a.op("VMOVUPS Y5, (R8)")
	for _, r := range []string{"SI", "BX", "DX", "R8", "R9", "R10"} {
		a.op("ADDQ $32, %s", r)
	}
	a.op("DECQ CX")
	a.op("JNZ half")
	a.ret()
}
