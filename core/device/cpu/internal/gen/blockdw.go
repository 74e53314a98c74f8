package main

import "fmt"

// Gradients of weights in blocks: sums over the batch of x·dy at the kept places.

// singleTiles is the most tiles a pass of singleDW sums over.
const singleTiles = 4

// singleDW emits the gradient of rows of single weights for t tiles. Nothing is
// used twice but dy, which stays in registers for all weights of a row; so the
// rows of x of t tiles must lie in the first level of cache. Weights are taken
// four at a time, the last of a row with others' offsets in the places left over,
// whose sums are not stored.
//
// Registers: SI off, R8 dw, R9 ptr, R10 x of the first tile, R11 dy, DX rows
// left, CX weights left in the row, BX dyStride; AX, R15 for distances of x.
func singleDW(a *asm, v vector, t int) {
	const typ = "singleDWArgs"
	parts := 16 / v.floats
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	dy := func(i int) string { return reg(6 + i) } // 0 to 3 sums, 4 and 5 spare
	a.load(typ, "ptr", "R9", "rows", "DX", "off", "SI", "dw", "R8", "x", "R10", "dy", "R11", "dyStride", "BX")
	x := []string{"R10", "R12", "R13", "R14"}[:t]
	for i := 1; i < t; i++ {
		a.op("MOVQ %s, %s", x[i-1], x[i])
		a.op("ADDQ %s_xStride(DI), %s", typ, x[i])
	}
	a.label("row")
	a.op("MOVL 4(R9), CX")
	a.op("SUBL (R9), CX")
	a.op("JZ next")
	eachTile(a, t, func(i int, y string) {
		for p := range parts {
			a.op("VMOVUPS %d(%s), %s", 4*v.floats*p, y, dy(i*parts+p))
		}
	})
	a.loop("four")
	for k := range 4 {
		off := []string{"AX", "R15"}[k%2]
		a.op("MOVL %d(SI), %s", 4*k, off)
		for i := range t {
			for p := range parts {
				op := "VFMADD231PS"
				if i+p == 0 {
					op = "VMULPS"
				}
				a.op("%s %d(%s)(%s*1), %s, %s", op, 4*v.floats*p, x[i], off, dy(i*parts+p), reg(k))
			}
		}
	}
	a.sumFour(v, 0, 4)
	a.op("CMPQ CX, $4")
	a.op("JLT last")
	a.op("CMPQ %s_acc(DI), $0", typ)
	a.op("JEQ store")
	a.op("VADDPS (R8), X0, X0")
	a.label("store")
	a.op("VMOVUPS X0, (R8)")
	a.op("ADDQ $16, SI")
	a.op("ADDQ $16, R8")
	a.op("SUBQ $4, CX")
	a.op("JNZ four")
	a.op("JMP next")
	a.label("last") // one to three weights
	a.op("LEAQ ·laneMasks(SB), AX")
	a.op("MOVQ CX, R15")
	a.op("SHLQ $4, R15")
	a.op("VMOVUPS (AX)(R15*1), X4")
	a.op("CMPQ %s_acc(DI), $0", typ)
	a.op("JEQ stored")
	a.op("VMASKMOVPS (R8), X4, X5")
	a.op("VADDPS X5, X0, X0")
	a.label("stored")
	a.op("VMASKMOVPS X0, X4, (R8)")
	a.op("LEAQ (SI)(CX*4), SI")
	a.op("LEAQ (R8)(CX*4), R8")
	a.label("next")
	a.op("ADDQ $4, R9")
	a.op("ADDQ $64, R11")
	a.op("DECQ DX")
	a.op("JNZ row")
	a.ret()
}

// blockDW computes a few blocks at a time, as many as there are accumulators
// for; smaller kernels follow for what is left of a row. The rows of x lie far
// apart, one per tile, where no hardware prefetcher follows; where registers are
// left each round fetches those of the next blocks.
//
// Registers: SI off, CX blocks left, AX x, BX dy, DX tiles left, R8 to R15
// distances of x; the counter of tiles2 is on the stack. Of several rows and with
// AVX-512, R14 is the distance of dy to fetch, behind it on the stack with how many
// more there are.
func blockDW(a *asm, v vector, r int) {
	const typ = "blockDWArgs"
	rows := min(r, 4)
	if v == vector512 {
		rows = min(r, 8)
	}
	sizes := []int{3, 2, 1}
	switch {
	case rows == 1:
		sizes = []int{8, 4, 2, 1}
	case v == vector512 && rows == 4:
		sizes = []int{6, 3, 2, 1}
	}
	a.load(typ, "off", "SI", "n", "CX")
	if fetches(v, rows) {
		a.load(typ, "dyAhead", "R14")
		a.op("MOVQ R14, 8(SP)")
		a.op("MOVQ $%d, 16(SP)", r/2)
	}
	for i, g := range sizes {
		a.label(fmt.Sprintf("size%d", g))
		if g == 6 { // tiles that lie far apart: rather three, and fetch the next ones
			a.op("CMPQ %s_dyAhead(DI), $0", typ)
			a.op("JEQ size%d", sizes[i+1])
		}
		a.op("CMPQ CX, $%d", g)
		if i+1 < len(sizes) {
			a.op("JLT size%d", sizes[i+1])
		} else {
			a.op("JLT done")
		}
		blockDWPart(a, v, r, rows, g)
		a.op("ADDQ $%d, SI", 4*g)
		a.op("SUBQ $%d, CX", g)
		a.op("JMP size%d", g)
	}
	a.label("done")
	a.ret()
}

// fetches says whether a kernel fetches dy of calls to come.
func fetches(v vector, rows int) bool { return v == vector512 && rows > 1 }

// blockDWPart emits the gradient of g blocks.
func blockDWPart(a *asm, v vector, r, rows, g int) {
	const typ = "blockDWArgs"
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	acc := func(i, q int) int { return i*rows + q }
	free := max(4, g*rows) // behind the accumulators; sums take four at a time
	off := make([]string, g)
	for i := range off {
		off[i] = fmt.Sprintf("R%d", 8+i)
		a.op("MOVL %d(SI), %s", 4*i, off[i])
	}
	var ahead []string
	if rows > 1 && 2*g <= 8 {
		last := fmt.Sprintf("last%d", g)
		for i := range off { // n < 2g: nothing to fetch, look at the same rows again
			ahead = append(ahead, fmt.Sprintf("R%d", 8+g+i))
			a.op("MOVQ %s, %s", off[i], ahead[i])
		}
		a.op("CMPQ CX, $%d", 2*g)
		a.op("JLT %s", last)
		for i := range off {
			a.op("MOVL %d(SI), %s", 4*(g+i), ahead[i])
		}
		a.label(last)
	}
	for pass := range r / rows {
		label := fmt.Sprintf("%d_%d", g, pass)
		a.load(typ, "x", "AX", "dy", "BX", "tiles2", "DX")
		a.op("MOVQ DX, 0(SP)")
		if fetches(v, rows) { // two lines of dy each time
			a.op("MOVQ 8(SP), R14")
			a.op("TESTQ R14, R14")
			a.op("JEQ dy%s", label)
			a.op("ADDQ $128, 8(SP)")
			a.op("DECQ 16(SP)")
			a.op("JNE dy%s", label)
			a.op("MOVQ $0, 8(SP)")
			a.label("dy" + label)
		}
		a.clear(v, 0, free)
		a.label("outer" + label)
		a.load(typ, "tiles", "DX")
		a.loop("tile" + label)
		for h := 0; h < 16; h += v.floats {
			from := func(i int) string { return fmt.Sprintf("%d(AX)(%s*1)", 4*h, off[i]) }
			dy := func(q int) string { return fmt.Sprintf("%d(BX)", 64*(pass*rows+q)+4*h) }
			if rows == 1 {
				a.op("VMOVUPS %s, %s", dy(0), reg(free))
				for i := range g {
					a.op("VFMADD231PS %s, %s, %s", from(i), reg(free), reg(acc(i, 0)))
				}
				continue
			}
			for i := range g {
				a.op("VMOVUPS %s, %s", from(i), reg(free+i))
			}
			for q := range rows {
				y := dy(q)
				if g > 1 {
					y = reg(free + g)
					a.op("VMOVUPS %s, %s", dy(q), y)
				}
				for i := range g {
					a.op("VFMADD231PS %s, %s, %s", y, reg(free+i), reg(acc(i, q)))
				}
			}
		}
		if pass == 0 {
			for _, o := range ahead {
				a.op("PREFETCHT0 (AX)(%s*1)", o)
			}
		}
		if fetches(v, rows) {
			a.op("TESTQ R14, R14")
			a.op("JEQ fetched%s", label)
			a.op("PREFETCHT0 (BX)(R14*1)")
			a.op("PREFETCHT0 64(BX)(R14*1)")
			a.label("fetched" + label)
		}
		a.op("ADDQ %s_xStride(DI), AX", typ)
		a.op("ADDQ %s_dyStride(DI), BX", typ)
		a.op("DECQ DX")
		a.op("JNZ tile%s", label)
		a.op("ADDQ %s_xSkip(DI), AX", typ)
		a.op("ADDQ %s_dySkip(DI), BX", typ)
		a.op("DECQ 0(SP)")
		a.op("JNZ outer%s", label)
		for i := 0; i < g*rows; i += 4 {
			a.sumFour(v, i, free)
		}
		a.op("MOVQ SI, DX") // place in dw: 4·r bytes for 4 of off
		a.op("SUBQ %s_off(DI), DX", typ)
		a.op("IMULQ $%d, DX", r)
		a.op("ADDQ %s_dw(DI), DX", typ)
		// Four sums are those of four single weights or of four rows of a block.
		place := func(i int) int { return 4 * (i/rows*r + pass*rows + i%rows) }
		move := "VMOVUPS"
		if rows == 1 && g < 4 {
			move = map[int]string{2: "VMOVSD", 1: "VMOVSS"}[g]
		}
		a.op("CMPQ %s_acc(DI), $0", typ)
		a.op("JEQ store%s", label)
		for i := 0; i < g*rows; i += 4 {
			a.op("%s %d(DX), X%d", move, place(i), free)
			a.op("VADDPS X%d, X%d, X%d", free, i, i)
		}
		a.label("store" + label)
		for i := 0; i < g*rows; i += 4 {
			a.op("%s X%d, %d(DX)", move, i, place(i))
		}
	}
}
