package main

import "fmt"

func depthKernels() []kernel {
	ks := []kernel{{
		name: "depthRows", args: "depthArgs",
		doc:    "computes some pixels of a depthwise convolution; see depthArgs.\n// One call should stay below maxSteps n·rows·cols·pixels.",
		avx2:   func(a *asm) { depthRows(a, vector256, samples) },
		avx512: func(a *asm) { depthRows(a, vector512, samples) },
	}, {
		name: "windowMul", args: "depthArgs",
		doc:    "is depthRows for one sample, 16 channels to a row and a weight:\n// y[p][i] = f(Σ w·x + shift[i]); see depthArgs.\n// One call should stay below maxSteps n·rows·cols·pixels.",
		avx2:   func(a *asm) { depthRows(a, vector256, channels) },
		avx512: func(a *asm) { depthRows(a, vector512, channels) },
	}, {
		name: "windowMax", args: "depthArgs",
		doc:  "is windowMul with the largest x of the window for a sum, without w and\n// shift; a NaN wins. One call should stay below maxSteps n·rows·cols·pixels.",
		avx2: func(a *asm) { depthRows(a, vector256, largest) },
	}}
	for t := 1; t <= depthTaps; t++ {
		ks = append(ks, kernel{
			name: "depthSums", args: "depthSumArgs", mr: t, family: "taps",
			doc:    "adds to the gradients of up to depthTaps taps that lie side by side; see\n// depthSumArgs. One call should stay below maxRows n·pixels.",
			avx2:   func(a *asm) { depthSums(a, vector256, t) },
			avx512: func(a *asm) { depthSums(a, vector512, t) },
		})
	}
	return ks
}

// depthTaps is the most taps of depthSums: with 8 channels they fill three
// quarters of 32 registers.
const depthTaps = 3

// depthSums takes a few channels at a time over all pixels, so that their sums stay
// in registers and each dy serves all taps.
//
// Registers: SI x, BX dy, DX dw of the channels, CX channels left; R8 x, R9 dy of the
// pixel, R11 pixels left; R10 xTap, R12 xPixel, R13 dyPixel; AX dw of the tap.
func depthSums(a *asm, v vector, taps int) {
	const typ = "depthSumArgs"
	parts := 16 / v.floats
	sizes := []int{4, 1}
	if v == vector512 {
		sizes = []int{8, 4, 1}
	}
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	temp := taps * sizes[0] // behind the sums
	a.load(typ, "x", "SI", "dy", "BX", "dw", "DX", "n", "CX", "xTap", "R10", "xPixel", "R12", "dyPixel", "R13")
	for k, g := range sizes {
		a.label(fmt.Sprintf("size%d", g))
		a.op("CMPQ CX, $%d", g)
		if k+1 < len(sizes) {
			a.op("JLT size%d", sizes[k+1])
		} else {
			a.op("JLT done")
		}
		room := max(g, 4) // sums take four at a time
		a.clear(v, 0, taps*room)
		a.op("MOVQ SI, R8")
		a.op("MOVQ BX, R9")
		a.load(typ, "pixels", "R11")
		a.loop(fmt.Sprintf("pixel%d", g))
		for i := range g {
			for p := range parts {
				off, dy := 64*i+4*v.floats*p, reg(temp+(i*parts+p)%2)
				a.op("VMOVUPS %d(R9), %s", off, dy)
				for t := range taps {
					from := fmt.Sprintf("%d(R8)", off)
					if t > 0 {
						from += fmt.Sprintf("(R10*%d)", t)
					}
					a.op("VFMADD231PS %s, %s, %s", from, dy, reg(t*room+i))
				}
			}
		}
		a.op("ADDQ R12, R8")
		a.op("ADDQ R13, R9")
		a.op("DECQ R11")
		a.op("JNZ pixel%d", g)
		a.op("MOVQ DX, AX")
		ps, move := "PS", "VMOVUPS"
		if g == 1 {
			ps, move = "SS", "VMOVSS"
		}
		for t := range taps {
			for i := t * room; i < t*room+g; i += 4 {
				at := fmt.Sprintf("%d(AX)", 4*(i-t*room))
				a.sumFour(v, i, temp)
				a.op("VADD%s %s, X%d, X%d", ps, at, i, i)
				a.op("%s X%d, %s", move, i, at)
			}
			a.op("ADDQ %s_dwTap(DI), AX", typ)
		}
		a.op("ADDQ $%d, SI", 64*g)
		a.op("ADDQ $%d, BX", 64*g)
		a.op("ADDQ $%d, DX", 4*g)
		a.op("SUBQ $%d, CX", g)
		a.op("JMP size%d", g)
	}
	a.label("done")
	a.ret()
}

// kinds of depthRows: the lanes are 16 samples of a channel, or 16 channels of one
// sample, whose products are summed or of which the largest counts.
const (
	samples = iota
	channels
	largest
)

// depthRows takes a few rows of 16 lanes at a time, each with a sum of its own, through
// all taps.
//
// Registers: SI x, DX y of the pixel, R13 pixels left; of a group of rows R8 w,
// R9 x, R10 y, CX rows left; of a row of taps AX w, BX x, R11 rows left; of a
// tap R14 w, R15 x, R12 taps left.
func depthRows(a *asm, v vector, kind int) {
	const typ = "depthArgs"
	parts := 16 / v.floats
	sizes := []int{4, 1}
	if v == vector512 {
		sizes = []int{8, 4, 1}
	}
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	acc := func(i, p int) string { return reg(i*parts + p) }
	temp := func(i int) string { return reg(sizes[0]*parts + i) }
	wide := 64 // bytes of w for a row
	if kind == samples {
		wide = 4
	}
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
		if kind == largest { // −∞: the sign and the exponent
			for i := range g * parts {
				a.op("VPCMPEQD %s, %s, %s", reg(i), reg(i), reg(i))
				a.op("VPSLLD $23, %s, %s", reg(i), reg(i))
			}
		}
		a.op("MOVQ R8, AX")
		a.op("MOVQ R9, BX")
		a.load(typ, "rows", "R11")
		a.label(fmt.Sprintf("row%d", g))
		if kind == samples {
			a.load(typ, "ahead", "R14")
			for i := range g {
				a.op("PREFETCHT0 %d(BX)(R14*1)", 64*i)
			}
		}
		a.op("MOVQ AX, R14")
		a.op("MOVQ BX, R15")
		a.load(typ, "cols", "R12")
		a.loop(fmt.Sprintf("tap%d", g))
		for i := range g {
			if kind == samples && v == vector512 {
				a.op("VMOVUPS %d(R15), %s", 64*i, temp(i%2))
				a.op("VFMADD231PS.BCST %d(R14), %s, %s", 4*i, temp(i%2), acc(i, 0))
				continue
			}
			if kind == samples {
				a.op("VBROADCASTSS %d(R14), %s", 4*i, temp(i%2))
			}
			for p := range parts {
				off, w, sum := 64*i+4*v.floats*p, temp(i%2), acc(i, p)
				if kind == largest {
					a.op("VMAXPS %d(R15), %s, %s", off, sum, temp(0))
					a.op("VCMPPS $3, %s, %s, %s", sum, sum, temp(1)) // unordered: a NaN
					a.op("VBLENDVPS %s, %s, %s, %s", temp(1), sum, temp(0), sum)
					continue
				}
				if kind == channels {
					w = temp((i*parts + p) % 2)
					a.op("VMOVUPS %d(R14), %s", off, w)
				}
				a.op("VFMADD231PS %d(R15), %s, %s", off, w, sum)
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
		if kind == channels {
			store := fmt.Sprintf("store%d", g)
			a.load(typ, "shift", "AX")
			a.op("TESTQ AX, AX")
			a.op("JEQ %s", store)
			a.op("ADDQ R9, AX") // as far into shift as R9 is into the pixel
			a.op("SUBQ SI, AX")
			for i := range g * parts {
				a.op("VADDPS %d(AX), %s, %s", 4*v.floats*i, reg(i), reg(i))
			}
			reluFlag(a, v, typ, g*parts, store)
			a.label(store)
		}
		for i := range g {
			for p := range parts {
				a.op("VMOVUPS %s, %d(R10)", acc(i, p), 64*i+4*v.floats*p)
			}
		}
		a.op("ADDQ $%d, R8", wide*g)
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
