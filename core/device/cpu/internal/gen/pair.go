package main

import "fmt"

// pairOne emits y = w·x for 16 outputs of a 2:4 weight and one sample. Of a group
// of four inputs, in every quarter of a register, VPERMILPS picks one for each
// output by two bits. What a group adds goes to one of two sums in turn for each of
// its two values.
//
// Registers: SI val, R8 ctl, R9 x, CX groups.
func pairOne(a *asm, v vector) {
	const typ = "pairArgs"
	parts := 16 / v.floats
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	sum := func(u, i, p int) string { return reg((2*u+i)*parts + p) } // 4·parts of them
	shift := func(p int) string { return reg(14 + p) }
	a.load(typ, "val", "SI", "ctl", "R8", "x", "R9", "n", "CX")
	a.clear(v, 0, 4*parts)
	for p := range parts {
		a.op("VMOVDQU%s ·pairShifts+%d(SB), %s", map[bool]string{true: "32", false: ""}[v == vector512], 4*v.floats*p, shift(p))
	}
	group := func(u int) {
		x, c := reg(8), 9
		if v == vector512 {
			a.op("VBROADCASTF32X4 %d(R9), %s", 16*u, x)
		} else {
			a.op("VBROADCASTF128 %d(R9), %s", 16*u, x)
		}
		for i := range 2 {
			a.op("VPBROADCASTD %d(R8), %s", 8*u+4*i, reg(c+2*i))
			for p := range parts {
				pick := reg(c + 2*i + 1)
				a.op("VPSRLVD %s, %s, %s", shift(p), reg(c+2*i), pick)
				a.op("VPERMILPS %s, %s, %s", pick, x, pick)
				a.op("VFMADD231PS %d(SI), %s, %s", 128*u+64*i+4*v.floats*p, pick, sum(u, i, p))
			}
		}
	}
	a.op("SUBQ $2, CX")
	a.op("JLT rest")
	a.loop("two")
	group(0)
	group(1)
	a.op("ADDQ $256, SI")
	a.op("ADDQ $16, R8")
	a.op("ADDQ $32, R9")
	a.op("SUBQ $2, CX")
	a.op("JGE two")
	a.label("rest")
	a.op("ADDQ $2, CX")
	a.op("JZ done")
	group(0)
	a.label("done")
	a.load(typ, "y", "DX", "acc", "AX")
	for p := range parts {
		a.op("VADDPS %s, %s, %s", sum(0, 1, p), sum(0, 0, p), sum(0, 0, p))
		a.op("VADDPS %s, %s, %s", sum(1, 1, p), sum(1, 0, p), sum(1, 0, p))
		a.op("VADDPS %s, %s, %s", sum(1, 0, p), sum(0, 0, p), sum(0, 0, p))
	}
	a.op("TESTQ AX, AX")
	a.op("JEQ store")
	for p := range parts {
		a.op("VADDPS %d(DX), %s, %s", 4*v.floats*p, sum(0, 0, p), sum(0, 0, p))
	}
	a.label("store")
	for p := range parts {
		a.op("VMOVUPS %s, %d(DX)", sum(0, 0, p), 4*v.floats*p)
	}
	a.ret()
}
