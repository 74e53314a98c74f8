package main

import (
	"bytes"
	"fmt"
)

// asm collects lines of Go assembly. Operands are in Go's order: sources
// first, destination last; of VSUBPS a, b, c the result is c = b − a, of
// VFMADD231PS a, b, c it is c += a·b.
type asm struct{ bytes.Buffer }

// op prints one instruction.
func (a *asm) op(format string, args ...any) {
	a.WriteByte('\t')
	fmt.Fprintf(a, format, args...)
	a.WriteByte('\n')
}

// label prints a jump target; labels are local to a function.
func (a *asm) label(name string) { a.WriteString(name + ":\n") }

// loop prints the head of a hot loop, aligned to the fetch window.
func (a *asm) loop(name string) {
	a.op("PCALIGN $32")
	a.label(name)
}

// text starts a function that takes one pointer; DI holds it from then on.
// No calls: every kernel is a leaf. frame is the bytes of its locals, mostly 0.
func (a *asm) text(symbol string, frame int) {
	fmt.Fprintf(a, "\n// func %s(p *args)\nTEXT ·%s(SB), NOSPLIT, $%d-8\n", symbol, symbol, frame)
	a.op("MOVQ p+0(FP), DI")
}

// load prints MOVQ field(DI), reg for each pair of a field of the argument
// struct typ (offsets come from go_asm.h) and a register.
func (a *asm) load(typ string, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		a.op("MOVQ %s_%s(DI), %s", typ, pairs[i], pairs[i+1])
	}
}

// ret ends a function that used vector registers.
func (a *asm) ret() {
	a.op("VZEROUPPER")
	a.op("RET")
}

// clear clears registers from, ..., to−1.
func (a *asm) clear(v vector, from, to int) {
	op := "VXORPS"
	if v == vector512 {
		op = "VPXORD"
	}
	for i := from; i < to; i++ {
		a.op("%s %s%d, %s%d, %s%d", op, v.letter, i, v.letter, i, v.letter, i)
	}
}

// zero clears Y registers from, ..., to−1.
func (a *asm) zero(from, to int) {
	for i := from; i < to; i++ {
		a.op("VXORPS Y%d, Y%d, Y%d", i, i, i)
	}
}

// sum4 adds up the 8 lanes of each of Y[s], ..., Y[s+3] into the 4 lanes of
// X[s]. It overwrites all four and Y[t].
func (a *asm) sum4(s, t int) {
	a.sumFour(vector256, s, t)
}

// sumFour is sum4 for either kind of register.
func (a *asm) sumFour(v vector, s, t int) {
	if v == vector512 { // fold the upper halves first
		for i := s; i < s+4; i++ {
			a.op("VEXTRACTF64X4 $1, Z%d, Y%d", i, t)
			a.op("VADDPS Y%d, Y%d, Y%d", t, i, i)
		}
	}
	for _, i := range []int{s, s + 2} { // pairs: lanes (even, odd) of both
		a.op("VUNPCKLPS Y%d, Y%d, Y%d", i+1, i, t)
		a.op("VUNPCKHPS Y%d, Y%d, Y%d", i+1, i, i)
		a.op("VADDPS Y%d, Y%d, Y%d", t, i, i)
	}
	a.op("VUNPCKLPD Y%d, Y%d, Y%d", s+2, s, t)
	a.op("VUNPCKHPD Y%d, Y%d, Y%d", s+2, s, s)
	a.op("VADDPS Y%d, Y%d, Y%d", t, s, s)
	if v == vector512 {
		a.op("VEXTRACTF32X4 $1, Y%d, X%d", s, t)
	} else {
		a.op("VEXTRACTF128 $1, Y%d, X%d", s, t)
	}
	a.op("VADDPS X%d, X%d, X%d", t, s, s)
}
