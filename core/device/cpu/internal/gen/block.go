package main

import "fmt"

// Kernels of weights stored as blocks of 4 outputs × 1 input. Each row of the
// tile that is loaded serves 4 outputs, which is what makes them run near the
// dense kernels' speed.

// blockRows emits the loop over block rows that blockFwd4 and blockDX4 share.
// Registers: SI offsets, R8 values, R10 x, R11 y of the block row, CX blocks of
// the row.
func blockRows(a *asm, open, block, end func()) {
	a.load("blockArgs", "ptr", "R9", "rows", "R12", "off", "SI", "val", "R8", "x", "R10", "y", "R11")
	a.label("row")
	a.op("MOVL 4(R9), CX")
	a.op("SUBL (R9), CX")
	open()
	a.op("TESTL CX, CX")
	a.op("JZ end")
	a.loop("block")
	block()
	a.op("ADDQ $4, SI")
	a.op("ADDQ $16, R8")
	a.op("DECL CX")
	a.op("JNZ block")
	a.label("end")
	end()
	a.op("ADDQ $4, R9")
	a.op("ADDQ $256, R11")
	a.op("DECQ R12")
	a.op("JNZ row")
	a.ret()
}

func blockFwd4(a *asm) {
	blockRows(a, func() {
		a.zero(0, 8)
		a.op("CMPQ blockArgs_acc(DI), $0")
		a.op("JEQ start")
		for i := range 8 {
			a.op("VMOVUPS %d(R11), Y%d", 32*i, i)
		}
		a.label("start")
	}, func() {
		a.op("MOVL (SI), AX")
		a.op("VMOVUPS (R10)(AX*1), Y8")
		a.op("VMOVUPS 32(R10)(AX*1), Y9")
		for r := range 4 {
			a.op("VBROADCASTSS %d(R8), Y%d", 4*r, 10+r)
			a.op("VFMADD231PS Y8, Y%d, Y%d", 10+r, 2*r)
			a.op("VFMADD231PS Y9, Y%d, Y%d", 10+r, 2*r+1)
		}
	}, func() {
		for i := range 8 {
			a.op("VMOVUPS Y%d, %d(R11)", i, 32*i)
		}
	})
}

func blockDX4(a *asm) {
	blockRows(a, func() {
		for i := range 8 {
			a.op("VMOVUPS %d(R11), Y%d", 32*i, i)
		}
	}, func() {
		a.op("MOVL (SI), AX")
		a.op("VMOVUPS (R10)(AX*1), Y8")
		a.op("VMOVUPS 32(R10)(AX*1), Y9")
		for r := range 4 {
			a.op("VBROADCASTSS %d(R8), Y%d", 4*r, 10+r)
			a.op("VFMADD231PS Y%d, Y%d, Y8", 2*r, 10+r)
			a.op("VFMADD231PS Y%d, Y%d, Y9", 2*r+1, 10+r)
		}
		a.op("VMOVUPS Y8, (R10)(AX*1)")
		a.op("VMOVUPS Y9, 32(R10)(AX*1)")
	}, func() {})
}

// blockDW4 takes 3 blocks at a time: 3×4 accumulators, 3 registers of x and 1
// of dy. The last one or two blocks of a row have their own code. The rows of x
// lie far apart, one per tile, where no hardware prefetcher follows; so each
// round fetches those of the next three blocks.
func blockDW4(a *asm) {
	const typ = "blockDWArgs"
	a.load(typ, "off", "SI", "n", "CX", "xStride", "R12", "dyStride", "R13")
	x := []string{"R9", "R10", "R11"}
	ahead := []string{"AX", "R14", "R15"}
	part := func(g int) {
		a.load(typ, "x", "DX", "dy", "BX")
		for i := range g {
			a.op("MOVL %d(SI), %s", 4*i, x[i])
			a.op("ADDQ DX, %s", x[i])
		}
		next := []string{}
		if g == 3 { // n−3−g < 0: nothing to fetch, look at the same rows again
			next = ahead
			for i, r := range next {
				a.op("MOVQ %s, %s", x[i], r)
			}
			a.op("CMPQ CX, $3")
			a.op("JLT last")
			for i, r := range next {
				a.op("MOVL %d(SI), %s", 4*(g+i), r)
				a.op("ADDQ DX, %s", r)
			}
			a.label("last")
		}
		a.zero(0, 4*g)
		a.load(typ, "tiles2", "R8")
		outer, inner := fmt.Sprintf("outer%d", g), fmt.Sprintf("tile%d", g)
		a.label(outer)
		a.load(typ, "tiles", "DX")
		a.loop(inner)
		for h := 0; h < 64; h += 32 {
			for i := range g {
				a.op("VMOVUPS %d(%s), Y%d", h, x[i], 12+i)
			}
			for r := range 4 {
				if g == 1 {
					a.op("VFMADD231PS %d(BX), Y12, Y%d", 64*r+h, r)
					continue
				}
				a.op("VMOVUPS %d(BX), Y15", 64*r+h)
				for i := range g {
					a.op("VFMADD231PS Y15, Y%d, Y%d", 12+i, 4*i+r)
				}
			}
		}
		for _, r := range next {
			a.op("PREFETCHT0 (%s)", r)
			a.op("ADDQ R12, %s", r)
		}
		for _, r := range x[:g] {
			a.op("ADDQ R12, %s", r)
		}
		a.op("ADDQ R13, BX")
		a.op("DECQ DX")
		a.op("JNZ %s", inner)
		for _, r := range append(next, x[:g]...) {
			a.op("ADDQ %s_xSkip(DI), %s", typ, r)
		}
		a.op("ADDQ %s_dySkip(DI), BX", typ)
		a.op("DECQ R8")
		a.op("JNZ %s", outer)
		for i := range g {
			a.sum4(4*i, 12+i)
		}
		a.op("MOVQ SI, DX") // place in dw: 16 bytes for 4 of off
		a.op("SUBQ %s_off(DI), DX", typ)
		a.op("SHLQ $2, DX")
		a.op("ADDQ %s_dw(DI), DX", typ)
		a.op("CMPQ %s_acc(DI), $0", typ)
		a.op("JEQ store%d", g)
		for i := range g {
			a.op("VADDPS %d(DX), X%d, X%d", 16*i, 4*i, 4*i)
		}
		a.label(fmt.Sprintf("store%d", g))
		for i := range g {
			a.op("VMOVUPS X%d, %d(DX)", 4*i, 16*i)
		}
		a.op("ADDQ $%d, SI", 4*g)
	}
	a.op("SUBQ $3, CX")
	a.op("JLT rest")
	a.label("three")
	part(3)
	a.op("SUBQ $3, CX")
	a.op("JGE three")
	a.label("rest")
	a.op("ADDQ $3, CX")
	a.op("JZ done")
	a.op("CMPQ CX, $1")
	a.op("JEQ single")
	part(2)
	a.op("JMP done")
	a.label("single")
	part(1)
	a.label("done")
	a.ret()
}
