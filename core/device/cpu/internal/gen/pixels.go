package main

import "fmt"

// mulP is a product whose rows are pixels of an image: A and C have distances of rows
// that come with the arguments. Rows of A are found from two bases, AX and 8 rows on
// DI, and 1, 3, 5 and 7 times their distance in R11, R14, R15 and DX.

// pixelStrides works out the multiples of R11.
func pixelStrides(a *asm) {
	a.op("LEAQ (R11)(R11*2), R14")
	a.op("LEAQ (R11)(R11*4), R15")
	a.op("LEAQ (R14)(R11*4), DX")
}

// pixelRow is the operand off bytes into row m of A.
func pixelRow(m, off int) string {
	base := [...]string{"AX", "DI"}[m/8]
	index := [...]string{"", "(R11*1)", "(R11*2)", "(R14*1)", "(R11*4)", "(R15*1)", "(R14*2)", "(DX*1)"}[m%8]
	return fmt.Sprintf("%d(%s)%s", off, base, index)
}

// pixelAffine emits x·scale + shift and max(·, 0) for n registers of sums, where the
// arguments ask for it.
func pixelAffine(a *asm, v vector, n int) {
	const typ = "pixelArgs"
	parts := 16 / v.floats
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	a.load(typ, "scale", "R8", "shift", "R9")
	a.op("TESTQ R8, R8")
	a.op("JEQ store")
	for p := range parts {
		a.op("VMOVUPS %d(R8), %s", 4*v.floats*p, reg(n+p))
		a.op("VMOVUPS %d(R9), %s", 4*v.floats*p, reg(n+parts+p))
	}
	for i := range n {
		a.op("VFMADD213PS %s, %s, %s", reg(n+parts+i%parts), reg(n+i%parts), reg(i))
	}
	reluFlag(a, v, typ, n, "store")
}

// reluFlag emits max(·, 0) for n registers if the arguments' relu is set, else goes to
// that label; a NaN stays.
func reluFlag(a *asm, v vector, typ string, n int, to string) {
	a.op("CMPQ %s_relu(DI), $0", typ)
	a.op("JEQ %s", to)
	a.clear(v, n, n+1)
	for i := range n {
		a.op("VMAXPS %s%d, %s%d, %s%d", v.letter, i, v.letter, n, v.letter, i)
	}
}

// mostPixels is the most pixels of blockPixels: 16×1 blocks take two registers a sum
// where these have 8 floats.
func mostPixels(v vector, r int) int {
	if r > v.floats {
		return 4
	}
	return 8
}

// blockPixels emits rows of R×1 blocks, the last first, for n pixels of one sample: each
// block is read once for all of them.
//
// Registers: R9 ptr, R13 row, SI off and R8 val of the block, CX blocks left, R10 x of
// the first pixel and AX under the block, R11, R14, R15, DX multiples of the pixels'
// distance. Behind the blocks AX is how far the row is into y, CX its first pixel.
func blockPixels(a *asm, full vector, r, n int) {
	const typ = "blockPixelArgs"
	v, parts, ps, move := full, 1, "PS", "VMOVUPS"
	switch {
	case r == 1:
		v, ps, move = vector128, "SS", "VMOVSS"
	case r == 4:
		v = vector128
	case r == 8:
		v = vector256
	default:
		parts = 16 / v.floats
	}
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	val, x := n*parts, n*parts+parts // registers behind the sums
	shift := 2                       // of 4·r bytes
	for 1<<shift < 4*r {
		shift++
	}
	a.load(typ, "ptr", "R9", "rows", "R13", "x", "R10", "xStride", "R11")
	pixelStrides(a)
	a.label("row")
	a.op("DECQ R13")
	a.op("MOVL (R9)(R13*4), AX")
	a.op("MOVL 4(R9)(R13*4), CX")
	a.op("SUBL AX, CX")
	a.op("SUBL (R9), AX")
	a.load(typ, "off", "SI", "val", "R8")
	a.op("LEAQ (SI)(AX*4), SI")
	a.op("SHLQ $%d, AX", shift)
	a.op("ADDQ AX, R8")
	a.clear(v, 0, n*parts)
	a.op("TESTL CX, CX")
	a.op("JEQ end")
	a.loop("block")
	a.op("MOVL (SI), AX")
	a.op("ADDQ R10, AX")
	for p := range parts {
		a.op("%s %d(R8), %s", move, 4*v.floats*p, reg(val+p))
	}
	for m := range n {
		switch from := pixelRow(m, 0); {
		case r == 1:
			a.op("VFMADD231SS %s, %s, %s", from, reg(val), reg(m))
		case full == vector512:
			a.op("VFMADD231PS.BCST %s, %s, %s", from, reg(val), reg(m))
		default:
			a.op("VBROADCASTSS %s, %s", from, reg(x+m%2))
			for p := range parts {
				a.op("VFMADD231PS %s, %s, %s", reg(val+p), reg(x+m%2), reg(m*parts+p))
			}
		}
	}
	a.op("ADDQ $4, SI")
	a.op("ADDQ $%d, R8", 4*r)
	a.op("DECL CX")
	a.op("JNZ block")
	a.label("end")
	a.op("MOVQ R13, AX")
	a.op("SHLQ $%d, AX", shift)
	a.load(typ, "scale", "SI", "shift", "R8", "y", "CX")
	for p := range parts {
		a.op("%s %d(SI)(AX*1), %s", move, 4*v.floats*p, reg(val+p))
		a.op("%s %d(R8)(AX*1), %s", move, 4*v.floats*p, reg(x+p))
	}
	for i := range n * parts {
		a.op("VFMADD213%s %s, %s, %s", ps, reg(x+i%parts), reg(val+i%parts), reg(i))
	}
	reluFlag(a, v, typ, n*parts, "store")
	a.label("store")
	a.op("ADDQ AX, CX")
	for m := range n {
		for p := range parts {
			a.op("%s %s, %d(CX)", move, reg(m*parts+p), 4*v.floats*p)
		}
		a.op("ADDQ %s_yStride(DI), CX", typ)
	}
	a.op("TESTQ R13, R13")
	a.op("JNE row")
	a.ret()
}
