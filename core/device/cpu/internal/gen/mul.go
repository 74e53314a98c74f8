package main

import "fmt"

// vector is a kind of register: its letter, floats and how many there are.
type vector struct {
	letter    string
	floats, n int
}

var vector128, vector256, vector512 = vector{"X", 4, 16}, vector{"Y", 8, 16}, vector{"Z", 16, 32}

// mostRows is the most rows of C a kernel holds. With 16 registers 6 rows × 2 of
// accumulators, 2 of B and 2 of A fill them all; with 32 a whole panel of 16
// rows has room.
func mostRows(v vector) int {
	if v == vector512 {
		return 16
	}
	return 6
}

// product is a kind of dense micro-kernel with mr rows of 64 bytes: C[m][16] (+)=
// Σ A[m,k]·B[k][16] with A[m,k] at a + m·am + k·ak bytes. Rows of C lie cStride
// bytes apart, 0 for a distance given with the arguments. double is for 8 float64
// in place of 16 float32. Of pixels, whose arguments are pixelArgs, am is given with
// them, too, and columns of C have a scale and a shift.
type product struct {
	v                   vector
	mr, am, ak, cStride int
	double, pixels      bool
}

// args is the type of the arguments.
func (q product) args() string {
	if q.pixels {
		return "pixelArgs"
	}
	return "mulArgs"
}

// ahead is how many lines of A kernels with ak = 64 fetch beforehand. A panel of
// weights that comes from the outer cache at every 64 bytes of 16 rows takes 16
// cycles a line, and the processor's own prefetching begins anew with each panel:
// without ours whole layers ran at 85 % of the arithmetic's peak, with it at 95 %.
const ahead = 64

// emit prints the kernel.
//
// A fused multiply-add takes 4 cycles and two start per cycle (on processors
// with narrow AVX-512 one), so 8 independent accumulators are needed. Kernels
// with few rows reach that by splitting k over groups of accumulators that are
// added at the end.
func (q product) emit(a *asm) {

	const unroll = 4
	v, mr, am, ak := q.v, q.mr, q.am, q.ak
	ps, ss, move := "PS", "SS", "VMOVUPS"
	if q.double {
		ps, ss, move = "PD", "SD", "VMOVUPD"
	}
	parts := 16 / v.floats // registers of a row
	groups := 1
	for groups < unroll && groups*mr*parts < 8 {
		groups *= 2
	}
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	acc := func(g, m, p int) string { return reg((g*mr+m)*parts + p) }
	nacc := groups * mr * parts
	b := func(p int) string { return reg(nacc + p) }
	spare := v.n - nacc - parts // for A, where it is not broadcast on the fly
	typ, row := q.args(), func(m, off int) string { return fmt.Sprintf("%d(AX)", m*am+off) }
	if q.pixels {
		row = pixelRow
	}

	a.load(typ, "a", "SI", "b", "BX", "c", "DX", "inner", "CX", "outer", "R8", "aOuter", "R9", "bOuter", "R10")
	if q.pixels {
		a.load(typ, "aStride", "R11")
		pixelStrides(a)
	}
	a.clear(v, 0, nacc)
	step := func(u int) {
		g := u % groups
		if ak == 64 {
			a.op("PREFETCHT0 %d(AX)", 64*(u+ahead))
		}
		for p := range parts {
			a.op("%s %d(R12), %s", move, 64*u+4*v.floats*p, b(p))
		}
		for m := range mr {
			from := row(m, u*ak)
			if v == vector512 {
				a.op("VFMADD231%s.BCST %s, %s, %s", ps, from, b(0), acc(g, m, 0))
				continue
			}
			x := reg(nacc + parts + m%min(3, spare))
			a.op("VBROADCAST%s %s, %s", ss, from, x)
			for p := range parts {
				a.op("VFMADD231%s %s, %s, %s", ps, b(p), x, acc(g, m, p))
			}
		}
	}
	a.label("outer")
	a.op("MOVQ SI, AX")
	if q.pixels && mr > 8 {
		a.op("LEAQ (SI)(R11*8), DI")
	}
	a.op("MOVQ BX, R12")
	a.op("MOVQ CX, R13")
	if ak == 4 && !q.pixels { // rows of A are one cache line each: fetch those of the next round
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
	next := func(steps int) {
		a.op("ADDQ $%d, AX", steps*ak)
		if q.pixels && mr > 8 {
			a.op("ADDQ $%d, DI", steps*ak)
		}
		a.op("ADDQ $%d, R12", steps*64)
	}
	next(unroll)
	a.op("SUBQ $%d, R13", unroll)
	a.op("JGE inner")
	a.label("tail")
	a.op("ADDQ $%d, R13", unroll)
	a.op("JZ next")
	a.label("one")
	step(0)
	next(1)
	a.op("DECQ R13")
	a.op("JNZ one")
	a.label("next")
	a.op("ADDQ R9, SI")
	a.op("ADDQ R10, BX")
	a.op("DECQ R8")
	a.op("JNZ outer")

	for n := groups; n > 1; n /= 2 { // add the groups pairwise
		for i := range n / 2 * mr * parts {
			a.op("VADD%s %s, %s, %s", ps, reg(i+n/2*mr*parts), reg(i), reg(i))
		}
	}
	each := func(base string, f func(at, reg string)) {
		for m := range mr {
			for p := range parts {
				f(fmt.Sprintf("%d(%s)", q.cStride*m+4*v.floats*p, base), acc(0, m, p))
			}
			if q.cStride == 0 {
				a.op("ADDQ AX, %s", base)
			}
		}
	}
	if q.pixels {
		a.op("MOVQ p+0(FP), DI")
		a.load(typ, "c", "DX")
	}
	if q.cStride == 0 {
		a.load(typ, "cStride", "AX")
	}
	a.op("CMPQ %s_acc(DI), $0", typ)
	if q.pixels {
		a.op("JEQ affine")
	} else {
		a.op("JEQ store")
	}
	onto := "DX"
	if q.cStride > 0 {
		onto = "AX"
		a.load(typ, "z", onto)
		a.op("TESTQ AX, AX")
		a.op("CMOVQEQ DX, AX")
	}
	each(onto, func(at, reg string) { a.op("VADD%s %s, %s, %s", ps, at, reg, reg) })
	if q.cStride == 0 {
		a.load(typ, "c", "DX")
	}
	if q.pixels {
		a.label("affine")
		pixelAffine(a, v, mr*parts)
	}
	a.label("store")
	each("DX", func(at, reg string) { a.op("%s %s, %s", move, reg, at) })
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
