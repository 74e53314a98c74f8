package main

import "fmt"

// NEON: 32 registers of 4 floats, four to a row. Go's assembler has no vector
// FADD and no product with one lane, so sums are words and each value of A is
// loaded into all lanes.

// mostRowsNEON is the most rows of C a kernel holds: 24 accumulators, 4
// registers of B and 4 of A fill them all.
const mostRowsNEON = 6

// textNEON starts a function that takes one pointer; R0 holds it from then on.
func (a *asm) textNEON(symbol string, frame int) {
	fmt.Fprintf(a, "\n// func %s(p *args)\nTEXT ·%s(SB), NOSPLIT, $%d-8\n", symbol, symbol, frame)
	a.op("MOVD p+0(FP), R0")
}

// loadNEON prints MOVD field(R0), reg for each pair of a field of the argument
// struct typ and a register.
func (a *asm) loadNEON(typ string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		a.op("MOVD %s_%s(R0), %s", typ, pairs[i], pairs[i+1])
	}
}

// fadd prints V[d].4S = V[n].4S + V[m].4S.
func (a *asm) fadd(m, n, d int) {
	a.op("WORD $0x%08x // FADD V%d.4S, V%d.4S, V%d.4S", 0x4e20d400|m<<16|n<<5|d, d, n, m)
}

// four names the registers of a row from first on.
func four(first int) string {
	return fmt.Sprintf("[V%d.S4, V%d.S4, V%d.S4, V%d.S4]", first, first+1, first+2, first+3)
}

// emitNEON prints the product with mr rows. Like emit, it splits k over groups of
// accumulators where there are few rows: four units with 4 cycles each want 16
// independent sums.
func (q product) emitNEON(a *asm) {
	const unroll, parts = 4, 4
	mr := q.mr
	groups := 1
	for groups < unroll && groups*mr*parts < 16 {
		groups *= 2
	}
	acc := func(g, m int) int { return (g*mr + m) * parts }
	const b, x = mostRowsNEON * parts, mostRowsNEON*parts + parts

	a.loadNEON("mulArgs", "a", "R1", "b", "R2", "c", "R3", "inner", "R4", "outer", "R5", "aOuter", "R6", "bOuter", "R7")
	a.op("MOVD $%d, R8", q.am)
	for i := range groups * mr * parts {
		a.op("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
	}
	step := func(u int) {
		a.op("VLD1.P 64(R12), %s", four(b))
		for m := range mr {
			a.op("VLD1R.P (R11)(R8), [V%d.S4]", x+m%4)
			for p := range parts {
				a.op("VFMLA V%d.S4, V%d.S4, V%d.S4", b+p, x+m%4, acc(u%groups, m)+p)
			}
		}
		a.op("ADD $%d, R11", q.ak-mr*q.am)
	}
	a.label("outer")
	a.op("MOVD R1, R11")
	a.op("MOVD R2, R12")
	a.op("SUBS $%d, R4, R13", unroll)
	a.op("BLT tail")
	a.op("PCALIGN $32")
	a.label("inner")
	for u := range unroll {
		step(u)
	}
	a.op("SUBS $%d, R13", unroll)
	a.op("BGE inner")
	a.label("tail")
	a.op("ADDS $%d, R13", unroll)
	a.op("BEQ next")
	a.label("one")
	step(0)
	a.op("SUBS $1, R13")
	a.op("BNE one")
	a.label("next")
	a.op("ADD R6, R1")
	a.op("ADD R7, R2")
	a.op("SUBS $1, R5")
	a.op("BNE outer")

	for n := groups; n > 1; n /= 2 { // add the groups pairwise
		half := n / 2 * mr * parts
		for i := range half {
			a.fadd(i+half, i, i)
		}
	}
	if q.cStride == 0 {
		a.loadNEON("mulArgs", "cStride", "R8")
	} else {
		a.op("MOVD $%d, R8", q.cStride)
	}
	a.loadNEON("mulArgs", "acc", "R9")
	a.op("CBZ R9, store")
	if q.cStride > 0 {
		a.loadNEON("mulArgs", "z", "R10")
		a.op("CBNZ R10, add")
	}
	a.op("MOVD R3, R10")
	a.label("add")
	for m := range mr {
		a.op("VLD1.P (R10)(R8), %s", four(b))
		for p := range parts {
			a.fadd(b+p, acc(0, m)+p, acc(0, m)+p)
		}
	}
	a.label("store")
	for m := range mr {
		a.op("VST1.P %s, (R3)(R8)", four(acc(0, m)))
	}
	a.op("RET")
}
