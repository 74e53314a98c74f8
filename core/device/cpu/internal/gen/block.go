package main

import "fmt"

// Kernels of weights stored as blocks of r outputs × 1 input (r = 1: single
// weights). Each row of the tile that is loaded serves r outputs; each weight
// that is loaded serves all t tiles of a pass.

// blockHeights are the r there are kernels for.
var blockHeights = []int{1, 4, 8, 16}

// blockTiles is the most tiles of a pass: r·t rows of accumulators fill about
// half of the registers.
func blockTiles(v vector, r int) int {
	switch {
	case r == 1:
		return 4
	case v == vector512:
		return min(4, 16/r)
	}
	return 1
}

// passRows is how many of the r outputs have room at a time; the rest follow in
// further passes over the blocks of a row.
func passRows(v vector, r int) int {
	if v == vector512 {
		return r
	}
	return min(r, 4)
}

// blockArgs' registers: DX block rows left, R9 ptr, SI off, R8 val, R10 x of the
// first tile, R11 y of the block row, BX distance of tiles in y, CX blocks of the
// row, AX distance of x, R15 x of tiles to come.
//
// blockRows emits the loop over block rows that blockFwd and blockDX share.
// block emits one block, given the registers of x and of the values and the
// distance of the pass's first value.
func blockRows(a *asm, v vector, r, t int, open func(pass int), block func(x []string, val string, pass int), end func(pass int)) {
	a.load("blockArgs", "ptr", "R9", "rows", "DX", "off", "SI", "val", "R8", "x", "R10", "y", "R11", "yStride", "BX")
	x := []string{"R10", "R12", "R13", "R14"}[:t]
	for i := 1; i < t; i++ {
		a.op("MOVQ %s, %s", x[i-1], x[i])
		a.op("ADDQ blockArgs_xStride(DI), %s", x[i])
	}
	passes := r / passRows(v, r)
	off, val, n := "SI", "R8", "CX"
	if passes > 1 { // t = 1: these are free
		off, val, n = "R12", "R13", "R14"
	}
	if v == vector512 && r > 1 {
		a.op("MOVQ blockArgs_xAhead(DI), R15")
		a.op("ADDQ R10, R15")
	}
	a.label("row")
	if v == vector512 && r > 1 {
		fetchAhead(a, r, t)
	}
	a.op("MOVL 4(R9), CX")
	a.op("SUBL (R9), CX")
	for p := range passes {
		if passes > 1 {
			a.op("MOVQ SI, %s", off)
			a.op("MOVQ R8, %s", val)
			a.op("MOVL CX, %s", n)
		}
		open(p)
		a.op("TESTL %s, %s", n, n)
		a.op("JZ end%d", p)
		a.loop(fmt.Sprintf("block%d", p))
		a.op("MOVL (%s), AX", off)
		block(x, val, p)
		a.op("ADDQ $4, %s", off)
		a.op("ADDQ $%d, %s", 4*r, val)
		a.op("DECL %s", n)
		a.op("JNZ block%d", p)
		a.label(fmt.Sprintf("end%d", p))
		end(p)
	}
	if passes > 1 {
		a.op("MOVQ %s, SI", off)
		a.op("MOVQ %s, R8", val)
	}
	a.op("ADDQ $4, R9")
	a.op("ADDQ $%d, R11", 64*r)
	a.op("DECQ DX")
	a.op("JNZ row")
	a.ret()
}

// fetchAhead emits the prefetches of a block row, see blockArgs; R15 is where x goes on.
func fetchAhead(a *asm, r, t int) {
	a.op("CMPQ blockArgs_ahead(DI), $0")
	a.op("JEQ fetched")
	a.op("MOVQ blockArgs_yAhead(DI), AX")
	a.op("ADDQ R11, AX")
	for i := range t {
		if i > 0 {
			a.op("ADDQ BX, AX")
		}
		for row := range r {
			a.op("PREFETCHT0 %d(AX)", 64*row)
		}
	}
	a.op("MOVQ blockArgs_xLines(DI), AX")
	a.op("TESTQ AX, AX")
	a.op("JEQ fetched")
	a.label("fetch")
	a.op("PREFETCHT0 (R15)")
	a.op("ADDQ $64, R15")
	a.op("DECQ AX")
	a.op("JNZ fetch")
	a.label("fetched")
}

// eachTile calls f with the address of y's row for each tile, through AX.
func eachTile(a *asm, t int, f func(tile int, y string)) {
	for i := range t {
		switch i {
		case 0:
			f(0, "R11")
			continue
		case 1:
			a.op("LEAQ (R11)(BX*1), AX")
		default:
			a.op("ADDQ BX, AX")
		}
		f(i, "AX")
	}
}

// blockRegs numbers the registers of a pass: [rows][tiles][parts of a row] of y
// from 0 on, then x and one for a weight.
type blockRegs struct {
	v           vector
	t, parts, n int // tiles, registers of a row, rows of the pass
}

func newBlockRegs(v vector, r, t int) blockRegs {
	return blockRegs{v, t, 16 / v.floats, passRows(v, r)}
}

func (b blockRegs) reg(i int) string       { return fmt.Sprintf("%s%d", b.v.letter, i) }
func (b blockRegs) all() int               { return b.n * b.t * b.parts }
func (b blockRegs) y(row, t, p int) string { return b.reg((row*b.t+t)*b.parts + p) }
func (b blockRegs) x(t, p int) string      { return b.reg(b.all() + t*b.parts + p) }
func (b blockRegs) val(row int) string     { return b.reg(b.all() + b.t*b.parts + row%2) }

// eachY calls f for every register of y with its address.
func (b blockRegs) eachY(a *asm, pass int, f func(reg, at string)) {
	eachTile(a, b.t, func(t int, y string) {
		for row := range b.n {
			for p := range b.parts {
				f(b.y(row, t, p), fmt.Sprintf("%d(%s)", 64*(pass*b.n+row)+4*b.v.floats*p, y))
			}
		}
	})
}

func blockFwd(a *asm, v vector, r, t int) {
	b := newBlockRegs(v, r, t)
	blockRows(a, v, r, t, func(pass int) {
		a.clear(v, 0, b.all())
		a.op("CMPQ blockArgs_acc(DI), $0")
		a.op("JEQ start%d", pass)
		b.eachY(a, pass, func(reg, at string) { a.op("VMOVUPS %s, %s", at, reg) })
		a.label(fmt.Sprintf("start%d", pass))
	}, func(x []string, val string, pass int) {
		load := func(t, p int) string { return fmt.Sprintf("%d(%s)(AX*1)", 4*v.floats*p, x[t]) }
		if r > 1 {
			for t := range t {
				for p := range b.parts {
					a.op("VMOVUPS %s, %s", load(t, p), b.x(t, p))
				}
			}
			load = b.x
		}
		for row := range b.n {
			at := fmt.Sprintf("%d(%s)", 4*(pass*b.n+row), val)
			if v == vector512 && t == 1 && r > 1 {
				a.op("VFMADD231PS.BCST %s, %s, %s", at, b.x(0, 0), b.y(row, 0, 0))
				continue
			}
			a.op("VBROADCASTSS %s, %s", at, b.val(row))
			for t := range t {
				for p := range b.parts {
					a.op("VFMADD231PS %s, %s, %s", load(t, p), b.val(row), b.y(row, t, p))
				}
			}
		}
	}, func(pass int) {
		b.eachY(a, pass, func(reg, at string) { a.op("VMOVUPS %s, %s", reg, at) })
	})
}

func blockDX(a *asm, v vector, r, t int) {
	b := newBlockRegs(v, r, t)
	blockRows(a, v, r, t, func(pass int) {
		b.eachY(a, pass, func(reg, at string) { a.op("VMOVUPS %s, %s", at, reg) })
	}, func(x []string, val string, pass int) {
		each := func(f func(t, p int, at string)) {
			for t := range t {
				for p := range b.parts {
					f(t, p, fmt.Sprintf("%d(%s)(AX*1)", 4*v.floats*p, x[t]))
				}
			}
		}
		each(func(t, p int, at string) { a.op("VMOVUPS %s, %s", at, b.x(t, p)) })
		for row := range b.n {
			from := fmt.Sprintf("%d(%s)", 4*(pass*b.n+row), val)
			if v == vector512 && t == 1 {
				a.op("VFMADD231PS.BCST %s, %s, %s", from, b.y(row, 0, 0), b.x(0, 0))
				continue
			}
			a.op("VBROADCASTSS %s, %s", from, b.val(row))
			each(func(t, p int, _ string) { a.op("VFMADD231PS %s, %s, %s", b.y(row, t, p), b.val(row), b.x(t, p)) })
		}
		each(func(t, p int, at string) { a.op("VMOVUPS %s, %s", b.x(t, p), at) })
	}, func(int) {})
}

// blockOne emits y = w·x for one sample: x and y are vectors. What a block adds
// goes to one of four sums in turn, for a sum takes four cycles to be ready.
//
// Registers as in blockRows; R12 is the distance of x's element.
func blockOne(a *asm, v vector, r int) {
	const sums = 4
	letter, parts, move, fma, add, bcast := "X", 1, "VMOVUPS", "VFMADD231PS", "VADDPS", "VBROADCASTSS"
	switch {
	case r == 1:
		move, fma, add, bcast = "VMOVSS", "VFMADD231SS", "VADDSS", "VMOVSS"
	case r == 8:
		letter = "Y"
	case r == 16:
		letter, parts = v.letter, 16/v.floats
	}
	size := 4 * r / parts
	acc := func(k, p int) string { return fmt.Sprintf("%s%d", letter, k*parts+p) }
	x := func(k int) string { return fmt.Sprintf("%s%d", letter, sums*parts+k%2) }
	a.load("blockArgs", "ptr", "R9", "rows", "DX", "off", "SI", "val", "R8", "x", "R10", "y", "R11")
	block := func(k int) {
		a.op("MOVL %d(SI), R12", 4*k)
		a.op("SHRL $4, R12") // rows of a tile are 64 bytes apart, elements 4
		a.op("%s (R10)(R12*1), %s", bcast, x(k))
		for p := range parts {
			a.op("%s %d(R8), %s, %s", fma, 4*r*k+size*p, x(k), acc(k, p))
		}
	}
	a.label("row")
	a.op("MOVL 4(R9), CX")
	a.op("SUBL (R9), CX")
	for k := range sums {
		for p := range parts {
			if letter == "Z" {
				a.op("VPXORD %s, %s, %s", acc(k, p), acc(k, p), acc(k, p))
			} else {
				a.op("VXORPS %s, %s, %s", acc(k, p), acc(k, p), acc(k, p))
			}
		}
	}
	a.op("SUBL $%d, CX", sums)
	a.op("JLT rest")
	a.loop("four")
	for k := range sums {
		block(k)
	}
	a.op("ADDQ $%d, SI", 4*sums)
	a.op("ADDQ $%d, R8", 4*r*sums)
	a.op("SUBL $%d, CX", sums)
	a.op("JGE four")
	a.label("rest")
	a.op("ADDL $%d, CX", sums)
	a.op("JZ end")
	a.label("one")
	block(0)
	a.op("ADDQ $4, SI")
	a.op("ADDQ $%d, R8", 4*r)
	a.op("DECL CX")
	a.op("JNZ one")
	a.label("end")
	for n := sums / 2; n > 0; n /= 2 {
		for k := range n {
			for p := range parts {
				a.op("%s %s, %s, %s", add, acc(k+n, p), acc(k, p), acc(k, p))
			}
		}
	}
	a.op("CMPQ blockArgs_acc(DI), $0")
	a.op("JEQ store")
	for p := range parts {
		if r == 1 {
			a.op("VADDSS (R11), %s, %s", acc(0, p), acc(0, p))
		} else {
			a.op("VADDPS %d(R11), %s, %s", size*p, acc(0, p), acc(0, p))
		}
	}
	a.label("store")
	for p := range parts {
		a.op("%s %s, %d(R11)", move, acc(0, p), size*p)
	}
	a.op("ADDQ $4, R9")
	a.op("ADDQ $%d, R11", 4*r)
	a.op("DECQ DX")
	a.op("JNZ row")
	a.ret()
}
