package main

// maskBits tests the bits of a row's word lane by lane: Y2 holds the word in all of
// its 32 halves, a lane is kept where its bit is there.
func maskBits(a *asm) {
	a.op("VMOVDQU ·bitOf(SB), Y12")
	a.op("VMOVDQU ·bitOf+32(SB), Y13")
	eachRow(a, "rowArgs", 2, func() {
		a.op("VPBROADCASTW (BX), Y2")
		for v := range 2 {
			a.op("VPAND Y%d, Y2, Y%d", 12+v, 3+v)
			a.op("VPCMPEQD Y%d, Y%d, Y%d", 12+v, 3+v, 3+v)
			a.op("VANDPS %d(SI), Y%d, Y%d", 32*v, 3+v, v)
		}
	})
}

// maskBits512 has a register for a row's word: what it does not keep is loaded as 0.
func maskBits512(a *asm) {
	const unroll = 4
	a.load("rowArgs", "dst", "DX", "a", "SI", "b", "BX", "n", "CX")
	row := func(i int) {
		a.op("KMOVW %d(BX), K%d", 2*i, 1+i)
		a.op("VMOVUPS.Z %d(SI), K%d, Z%d", 64*i, 1+i, i)
		a.op("VMOVUPS Z%d, %d(DX)", i, 64*i)
	}
	next := func(n int) {
		a.op("ADDQ $%d, BX", 2*n)
		a.op("ADDQ $%d, SI", 64*n)
		a.op("ADDQ $%d, DX", 64*n)
	}
	a.op("SUBQ $%d, CX", unroll)
	a.op("JLT tail")
	a.loop("rows")
	for i := range unroll {
		row(i)
	}
	next(unroll)
	a.op("SUBQ $%d, CX", unroll)
	a.op("JGE rows")
	a.label("tail")
	a.op("ADDQ $%d, CX", unroll)
	a.op("JZ done")
	a.label("one")
	row(0)
	next(1)
	a.op("DECQ CX")
	a.op("JNZ one")
	a.label("done")
	a.ret()
}
