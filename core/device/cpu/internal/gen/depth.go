package main

import "fmt"

func depthKernels() []kernel {
	return []kernel{{
		name: "depthRows", args: "depthArgs",
		doc:    "computes some pixels of a depthwise convolution; see depthArgs.\n// One call should stay below maxSteps n·rows·cols·pixels.",
		avx2:   func(a *asm) { depthRows(a, vector256) },
		avx512: func(a *asm) { depthRows(a, vector512) },
	}}
}

// depthRows takes a few channels at a time, each with a sum of its own, through
// all taps.
//
// Registers: SI x, DX y of the pixel, R13 pixels left; of a group of channels R8 w,
// R9 x, R10 y, CX channels left; of a row of taps AX w, BX x, R11 rows left; of a
// tap R14 w, R15 x, R12 taps left.
func depthRows(a *asm, v vector) {
	const typ = "depthArgs"
	parts := 16 / v.floats
	sizes := []int{4, 1}
	if v == vector512 {
		sizes = []int{8, 4, 1}
	}
	acc := func(i, p int) string { return fmt.Sprintf("%s%d", v.letter, i*parts+p) }
	temp := func(i int) string { return fmt.Sprintf("%s%d", v.letter, sizes[0]*parts+i%2) }
	a.load(typ, "x", "SI", "y", "DX", "pixels", "R13")
	a.label("pixel")
	a.load(typ, "n", "CX", "w", "R8")
	a.op("MOVQ SI, R9")
	a.op("MOVQ DX, R10")
	for k, g := range sizes {
		a.label(fmt.Sprintf("size%d", g))
		a.op("CMPQ CX, $%d", g)
		if k+1 < len(sizes) {
			a.op("JLT size%d", sizes[k+1])
		} else {
			a.op("JLT next")
		}
		a.clear(v, 0, g*parts)
		a.op("MOVQ R8, AX")
		a.op("MOVQ R9, BX")
		a.load(typ, "rows", "R11")
		a.label(fmt.Sprintf("row%d", g))
		a.load(typ, "ahead", "R14")
		for i := range g {
			a.op("PREFETCHT0 %d(BX)(R14*1)", 64*i)
		}
		a.op("MOVQ AX, R14")
		a.op("MOVQ BX, R15")
		a.load(typ, "cols", "R12")
		a.loop(fmt.Sprintf("tap%d", g))
		for i := range g {
			if v == vector512 {
				a.op("VMOVUPS %d(R15), %s", 64*i, temp(i))
				a.op("VFMADD231PS.BCST %d(R14), %s, %s", 4*i, temp(i), acc(i, 0))
				continue
			}
			a.op("VBROADCASTSS %d(R14), %s", 4*i, temp(i))
			for p := range parts {
				a.op("VFMADD231PS %d(R15), %s, %s", 64*i+32*p, temp(i), acc(i, p))
			}
		}
		a.op("ADDQ %s_wCol(DI), R14", typ)
		a.op("ADDQ %s_xCol(DI), R15", typ)
		a.op("DECQ R12")
		a.op("JNZ tap%d", g)
		a.op("ADDQ %s_wRow(DI), AX", typ)
		a.op("ADDQ %s_xRow(DI), BX", typ)
		a.op("DECQ R11")
		a.op("JNZ row%d", g)
		for i := range g {
			for p := range parts {
				a.op("VMOVUPS %s, %d(R10)", acc(i, p), 64*i+4*v.floats*p)
			}
		}
		a.op("ADDQ $%d, R8", 4*g)
		a.op("ADDQ $%d, R9", 64*g)
		a.op("ADDQ $%d, R10", 64*g)
		a.op("SUBQ $%d, CX", g)
		a.op("JMP size%d", g)
	}
	a.label("next")
	a.op("ADDQ %s_xPixel(DI), SI", typ)
	a.op("ADDQ %s_yPixel(DI), DX", typ)
	a.op("DECQ R13")
	a.op("JNZ pixel")
	a.ret()
}
