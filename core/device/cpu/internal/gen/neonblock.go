package main

import "fmt"

// Kernels of blocks for NEON; block.go and blockdw.go say what they compute. Up
// to four rows of y, or four tiles of one, have room at a time: V0 to V15. V16 to
// V19 are a row of x, V20 to V23 values or another row.

// faddp prints V[d].4S = the sums of neighbours of V[n], then of V[m].
func (a *asm) faddp(m, n, d int) {
	a.op("WORD $0x%08x // FADDP V%d.4S, V%d.4S, V%d.4S", 0x6e20d400|m<<16|n<<5|d, d, n, m)
}

// zeroNEON clears the first n registers.
func (a *asm) zeroNEON(n int) {
	for i := range n {
		a.op("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
	}
}

// fmla prints V[d+p] += V[n+p]·V[m] for the registers of a row.
func (a *asm) fmla(m, n, d int) {
	for p := range 4 {
		a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", n+p, m, d+p)
	}
}

// blockNEON is blockFwd or, backward, blockDX. Registers: R1 ptr, R2 block rows
// left, R3 off, R4 val, R5 y of the block row, R6 and R7 distances of tiles in x
// and y, R8 blocks of the row, R10 x, R15 acc; of a pass R12 off, R13 val, R14
// blocks left.
func blockNEON(a *asm, r, t int, backward bool) {
	n := min(r, 4)
	reg := func(row, tile int) int { return 4 * (row*t + tile) }
	// eachY prints op for every row of y that the pass holds, R19 being its address.
	eachY := func(pass int, op func(regs string)) {
		a.op("ADD $%d, R5, R20", 64*n*pass)
		for tile := range t {
			a.op("MOVD R20, R19")
			for row := range n {
				op(four(reg(row, tile)))
			}
			if tile < t-1 {
				a.op("ADD R7, R20")
			}
		}
	}
	a.loadNEON("blockArgs", "ptr", "R1", "rows", "R2", "off", "R3", "val", "R4", "x", "R10", "y", "R5", "xStride", "R6", "yStride", "R7", "acc", "R15")
	a.label("row")
	a.op("MOVW 4(R1), R8")
	a.op("MOVW (R1), R9")
	a.op("SUB R9, R8")
	for pass := range r / n {
		a.op("MOVD R3, R12")
		a.op("ADD $%d, R4, R13", 4*n*pass)
		a.op("MOVD R8, R14")
		if !backward {
			a.zeroNEON(4 * n * t)
			a.op("CBZ R15, start%d", pass)
		}
		eachY(pass, func(regs string) { a.op("VLD1.P 64(R19), %s", regs) })
		a.label(fmt.Sprint("start", pass))
		a.op("CBZ R14, end%d", pass)
		a.op("PCALIGN $32")
		a.label(fmt.Sprint("block", pass))
		a.op("MOVWU.P 4(R12), R11")
		a.op("ADD R10, R11, R19")
		for row := range n {
			a.op("VLD1R.P 4(R13), [V%d.S4]", 20+row)
		}
		if r > n {
			a.op("ADD $%d, R13", 4*(r-n))
		}
		for tile := range t {
			a.op("VLD1 (R19), %s", four(16))
			for row := range n {
				if backward {
					a.fmla(20+row, reg(row, tile), 16)
				} else {
					a.fmla(20+row, 16, reg(row, tile))
				}
			}
			if backward {
				a.op("VST1 %s, (R19)", four(16))
			}
			if tile < t-1 {
				a.op("ADD R6, R19")
			}
		}
		a.op("SUBS $1, R14")
		a.op("BNE block%d", pass)
		a.label(fmt.Sprint("end", pass))
		if !backward {
			eachY(pass, func(regs string) { a.op("VST1.P %s, 64(R19)", regs) })
		}
	}
	a.op("MOVD R12, R3")
	a.op("SUB $%d, R13, R4", 4*(r-n))
	a.op("ADD $4, R1")
	a.op("ADD $%d, R5", 64*r)
	a.op("SUBS $1, R2")
	a.op("BNE row")
	a.op("RET")
}

// blockOneNEON is blockOne. Registers as in blockNEON; R11 is where the element
// of x lies. Blocks go to one of four sums in turn.
func blockOneNEON(a *asm, r int) {
	const sums = 4
	parts := max(r/4, 1)
	list := func(first int) string {
		l := fmt.Sprintf("[V%d.S4", first)
		for p := 1; p < parts; p++ {
			l += fmt.Sprintf(", V%d.S4", first+p)
		}
		return l + "]"
	}
	a.loadNEON("blockArgs", "ptr", "R1", "rows", "R2", "off", "R3", "val", "R4", "x", "R10", "y", "R5", "acc", "R15")
	block := func(k int) {
		a.op("MOVWU.P 4(R3), R11")
		a.op("ADD R11>>4, R10, R11") // rows of a tile are 64 bytes apart, elements 4
		a.op("VLD1R (R11), [V%d.S4]", 20+k%2)
		if r == 1 { // all lanes alike
			a.op("VLD1R.P 4(R4), [V16.S4]")
		} else {
			a.op("VLD1.P %d(R4), %s", 4*r, list(16))
		}
		for p := range parts {
			a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", 16+p, 20+k%2, k*parts+p)
		}
	}
	a.label("row")
	a.op("MOVW 4(R1), R8")
	a.op("MOVW (R1), R9")
	a.op("SUB R9, R8")
	a.zeroNEON(sums * parts)
	a.op("SUBS $%d, R8", sums)
	a.op("BLT rest")
	a.op("PCALIGN $32")
	a.label("four")
	for k := range sums {
		block(k)
	}
	a.op("SUBS $%d, R8", sums)
	a.op("BGE four")
	a.label("rest")
	a.op("ADDS $%d, R8", sums)
	a.op("BEQ end")
	a.label("one")
	block(0)
	a.op("SUBS $1, R8")
	a.op("BNE one")
	a.label("end")
	for n := sums / 2; n > 0; n /= 2 {
		for i := range n * parts {
			a.fadd(n*parts+i, i, i)
		}
	}
	a.op("CBZ R15, store")
	if r == 1 {
		a.op("FMOVS (R5), F16")
		a.op("FADDS F16, F0")
	} else {
		a.op("VLD1 (R5), %s", list(16))
		for p := range parts {
			a.fadd(16+p, p, p)
		}
	}
	a.label("store")
	if r == 1 {
		a.op("FMOVS.P F0, 4(R5)")
	} else {
		a.op("VST1.P %s, %d(R5)", list(0), 4*r)
	}
	a.op("ADD $4, R1")
	a.op("SUBS $1, R2")
	a.op("BNE row")
	a.op("RET")
}

// putNEON adds up the 16 lanes of each of n rows of registers from V0 on and puts
// the sums to R2, which moves on; with R15 set it adds them to what is there. n is 1
// or 4; label must be free. It overwrites V4 where n is 1, else V16.
func putNEON(a *asm, n int, label string) {
	for row := range n {
		i := 4 * row
		a.fadd(i+1, i, i)
		a.fadd(i+3, i+2, i+2)
		a.fadd(i+2, i, i)
	}
	if n == 1 {
		a.faddp(0, 0, 0)
		a.faddp(0, 0, 0)
		a.op("CBZ R15, %s", label)
		a.op("FMOVS (R2), F4")
		a.op("FADDS F4, F0")
		a.label(label)
		a.op("FMOVS.P F0, 4(R2)")
		return
	}
	a.faddp(4, 0, 0)
	a.faddp(12, 8, 8)
	a.faddp(8, 0, 0)
	a.op("CBZ R15, %s", label)
	a.op("VLD1 (R2), [V16.S4]")
	a.fadd(16, 0, 0)
	a.label(label)
	a.op("VST1.P [V0.S4], 16(R2)")
}

// blockDWNEON is blockDW. Registers: R1 off, R2 dw, R3 x, R4 dy, R5 blocks left,
// R6 and R7 tiles and tiles2, R8 and R9 distances of tiles, R10 and R11 skips, R15
// acc; of a block R12 x, R13 and R14 where x and dy go on, R19 and R20 counters.
func blockDWNEON(a *asm, r int) {
	n := min(r, 4)
	a.loadNEON("blockDWArgs", "off", "R1", "dw", "R2", "x", "R3", "dy", "R4", "n", "R5", "tiles", "R6", "tiles2", "R7",
		"xStride", "R8", "dyStride", "R9", "xSkip", "R10", "dySkip", "R11", "acc", "R15")
	a.op("CBZ R5, done")
	a.label("block")
	a.op("MOVWU.P 4(R1), R12")
	a.op("ADD R3, R12")
	for pass := range r / n {
		a.zeroNEON(4 * n)
		a.op("MOVD R12, R13")
		a.op("ADD $%d, R4, R14", 64*n*pass)
		a.op("MOVD R7, R19")
		a.label(fmt.Sprint("run", pass))
		a.op("MOVD R6, R20")
		a.label(fmt.Sprint("tile", pass))
		a.op("VLD1 (R13), %s", four(16))
		a.op("MOVD R14, R21")
		for row := range n {
			x := 20 + 4*(row%2)
			a.op("VLD1.P 64(R21), %s", four(x))
			for p := range 4 {
				a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", 16+p, x+p, 4*row+p)
			}
		}
		a.op("ADD R8, R13")
		a.op("ADD R9, R14")
		a.op("SUBS $1, R20")
		a.op("BNE tile%d", pass)
		a.op("ADD R10, R13")
		a.op("ADD R11, R14")
		a.op("SUBS $1, R19")
		a.op("BNE run%d", pass)
		putNEON(a, n, fmt.Sprint("put", pass))
	}
	a.op("SUBS $1, R5")
	a.op("BNE block")
	a.label("done")
	a.op("RET")
}

// singleDWNEON is singleDW: the t rows of dy stay in V16 to V31 while the weights
// of an output pass by. Registers: R1 ptr, R2 dw, R3 off, R4 dy, R5 rows left, R6
// and R7 distances of tiles, R8 weights left, R10 x, R15 acc.
func singleDWNEON(a *asm, t int) {
	a.loadNEON("singleDWArgs", "ptr", "R1", "dw", "R2", "off", "R3", "dy", "R4", "rows", "R5", "xStride", "R6", "dyStride", "R7", "x", "R10", "acc", "R15")
	a.label("row")
	a.op("MOVW 4(R1), R8")
	a.op("MOVW (R1), R9")
	a.op("SUBS R9, R8, R8")
	a.op("BEQ end")
	a.op("MOVD R4, R19")
	for tile := range t {
		a.op("VLD1 (R19), %s", four(16+4*tile))
		if tile < t-1 {
			a.op("ADD R7, R19")
		}
	}
	a.op("PCALIGN $32")
	a.label("weight")
	a.op("MOVWU.P 4(R3), R11")
	a.op("ADD R10, R11, R19")
	a.zeroNEON(4)
	for tile := range t {
		x := 4 + 4*(tile%3)
		a.op("VLD1 (R19), %s", four(x))
		for p := range 4 {
			a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", x+p, 16+4*tile+p, p)
		}
		if tile < t-1 {
			a.op("ADD R6, R19")
		}
	}
	putNEON(a, 1, "put")
	a.op("SUBS $1, R8")
	a.op("BNE weight")
	a.label("end")
	a.op("ADD $4, R1")
	a.op("ADD $64, R4")
	a.op("SUBS $1, R5")
	a.op("BNE row")
	a.op("RET")
}
