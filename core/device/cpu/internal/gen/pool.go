package main

// Kernels of maximum pooling, over rows of 16 floats.

// largerRows: VMAXPS gives its first operand (in Go's order) when one of the two is
// NaN; where that is not the NaN, a is taken back.
func largerRows(a *asm) {
	eachRow(a, "rowArgs", 64, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(SI), Y%d", 32*v, 2+v)
			a.op("VMAXPS %d(BX), Y%d, Y%d", 32*v, 2+v, v)
			a.op("VCMPPS $3, Y%d, Y%d, Y%d", 2+v, 2+v, 4+v) // unordered: a is NaN
			a.op("VBLENDVPS Y%d, Y%d, Y%d, Y%d", 4+v, 2+v, v, v)
		}
	})
}

// maxGrad: DX is dx, SI is x, BX is top, R8 is rest.
func maxGrad(a *asm) {
	a.load("maxArgs", "dx", "DX", "x", "SI", "top", "BX", "rest", "R8", "n", "CX")
	a.loop("row")
	for v := range 2 {
		a.op("VMOVUPS %d(SI), Y%d", 32*v, v)
		a.op("VCMPPS $8, %d(BX), Y%d, Y%d", 32*v, v, v) // equal or unordered
		a.op("VMOVUPS %d(R8), Y%d", 32*v, 2+v)
		a.op("VANDPS Y%d, Y%d, Y%d", 2+v, v, 4+v)
		a.op("VANDNPS Y%d, Y%d, Y%d", 2+v, v, 2+v)
		a.op("VADDPS %d(DX), Y%d, Y%d", 32*v, 4+v, 4+v)
		a.op("VMOVUPS Y%d, %d(DX)", 4+v, 32*v)
		a.op("VMOVUPS Y%d, %d(R8)", 2+v, 32*v)
	}
	for _, r := range []string{"SI", "BX", "R8", "DX"} {
		a.op("ADDQ $64, %s", r)
	}
	a.op("DECQ CX")
	a.op("JNZ row")
	a.ret()
}
