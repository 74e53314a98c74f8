package main

// maxMR is the most rows of C a kernel holds: 6 rows × 2 registers of
// accumulators, 2 registers of B and 2 of A fill the 16 registers.
const maxMR = 6

// mul emits the dense micro-kernel with mr rows: C[m][16] (+)= Σ A[m,k]·B[k][16]
// with A[m,k] at a + m·am + k·ak bytes.
//
// A fused multiply-add takes 4 cycles and two start per cycle, so 8 independent
// accumulators are needed. Kernels with few rows reach that by splitting k over
// groups of accumulators that are added at the end.
func mul(a *asm, mr, am, ak int) {
	const unroll = 4
	groups := map[int]int{1: 4, 2: 2, 3: 2}[mr]
	if groups == 0 {
		groups = 1
	}
	acc := func(g, m, v int) int { return (g*mr+m)*2 + v }
	nacc := groups * mr * 2
	bcast := func(i int) int { return nacc + 2 + i%min(3, 14-nacc) }

	a.load("mulArgs", "a", "SI", "b", "BX", "c", "DX", "inner", "CX", "outer", "R8", "aOuter", "R9", "bOuter", "R10")
	a.zero(0, nacc)
	step := func(u int) {
		g := u % groups
		a.op("VMOVUPS %d(R12), Y%d", 64*u, nacc)
		a.op("VMOVUPS %d(R12), Y%d", 64*u+32, nacc+1)
		for m := range mr {
			b := bcast(m)
			a.op("VBROADCASTSS %d(AX), Y%d", m*am+u*ak, b)
			a.op("VFMADD231PS Y%d, Y%d, Y%d", nacc, b, acc(g, m, 0))
			a.op("VFMADD231PS Y%d, Y%d, Y%d", nacc+1, b, acc(g, m, 1))
		}
	}
	a.label("outer")
	a.op("MOVQ SI, AX")
	a.op("MOVQ BX, R12")
	a.op("MOVQ CX, R13")
	if ak == 4 { // rows of A are one cache line each: fetch those of the next round
		for m := range mr {
			a.op("PREFETCHT0 %d(SI)(R9*1)", m*am)
		}
	}
	a.op("SUBQ $%d, R13", unroll)
	a.op("JLT tail")
	a.loop("inner")
	for u := range unroll {
		step(u)
	}
	a.op("ADDQ $%d, AX", unroll*ak)
	a.op("ADDQ $%d, R12", unroll*64)
	a.op("SUBQ $%d, R13", unroll)
	a.op("JGE inner")
	a.label("tail")
	a.op("ADDQ $%d, R13", unroll)
	a.op("JZ next")
	a.label("one")
	step(0)
	a.op("ADDQ $%d, AX", ak)
	a.op("ADDQ $64, R12")
	a.op("DECQ R13")
	a.op("JNZ one")
	a.label("next")
	a.op("ADDQ R9, SI")
	a.op("ADDQ R10, BX")
	a.op("DECQ R8")
	a.op("JNZ outer")

	for n := groups; n > 1; n /= 2 { // add the groups pairwise
		for i := range n / 2 * mr * 2 {
			a.op("VADDPS Y%d, Y%d, Y%d", i+n/2*mr*2, i, i)
		}
	}
	a.op("CMPQ mulArgs_acc(DI), $0")
	a.op("JEQ store")
	for m := range mr {
		for v := range 2 {
			a.op("VADDPS %d(DX), Y%d, Y%d", 64*m+32*v, acc(0, m, v), acc(0, m, v))
		}
	}
	a.label("store")
	for m := range mr {
		for v := range 2 {
			a.op("VMOVUPS Y%d, %d(DX)", acc(0, m, v), 64*m+32*v)
		}
	}
	a.ret()
}

// fmaPeak emits the loop that shows what the machine can do at most.
func fmaPeak(a *asm) {
	a.load("peakArgs", "n", "CX")
	a.zero(0, 14)
	a.loop("again")
	for i := range 96 {
		a.op("VFMADD231PS Y12, Y13, Y%d", i%12)
	}
	a.op("DECQ CX")
	a.op("JNZ again")
	a.ret()
}
