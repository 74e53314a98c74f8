package main

import "fmt"

// Kernels of norms: sums over pixels for each channel, and maps with constants
// for each channel. What they read comes from the outer caches, so what counts is
// that each pass does all it can.

func normKernels() []kernel {
	both := func(name, args, doc string, emit func(a *asm, v vector)) kernel {
		return kernel{
			name: name, args: args, doc: doc + "\n// One call should stay below maxRows n·pixels.",
			avx2:   func(a *asm) { emit(a, vector256) },
			avx512: func(a *asm) { emit(a, vector512) },
		}
	}
	return []kernel{
		both("moments", "momentArgs", "computes mean and centred sums of some lanes of each channel; see\n// momentArgs. It goes twice over the pixels, which should stay in the cache.", moments),
		both("gradSums", "gradArgs", "adds Σ dy and Σ dy·(x − mean) of each channel, lane by lane; see gradArgs.", func(a *asm, v vector) { gradSums(a, v, false) }),
		both("gradSumsReLU", "gradArgs", "is gradSums for dy = dz where y > 0, else 0, which it writes. dy may be y\n// or dz.", func(a *asm, v vector) { gradSums(a, v, true) }),
		both("affineAll", "channelArgs", "computes dst = a·scale + shift of each channel; see channelArgs.\n// dst may be a.", func(a *asm, v vector) { channelMap(a, v, false, false) }),
		both("affineReLU", "channelArgs", "is affineAll, then max(·, 0); NaN stays NaN.", func(a *asm, v vector) { channelMap(a, v, false, true) }),
		both("affineTwo", "channelArgs", "computes dst = a·scale + b·factor + shift of each channel; see channelArgs.\n// dst may be a or b.", func(a *asm, v vector) { channelMap(a, v, true, false) }),
	}
}

// normRegs numbers the registers of sums over a group of channels: two sums and
// a mean for each, then temporary ones.
type normRegs struct {
	v    vector
	most int // channels of a group
}

func newNormRegs(v vector) normRegs {
	if v == vector512 {
		return normRegs{v, 8}
	}
	return normRegs{v, 4}
}

func (r normRegs) reg(i int) string  { return fmt.Sprintf("%s%d", r.v.letter, i) }
func (r normRegs) mean(i int) string { return r.reg(2*r.most + i) }
func (r normRegs) temp(i int) string { return r.reg(3*r.most + i) }

// groups emits part for groups of channels until CX is 0; rows move by 64 bytes a
// channel, floats by 4.
func (r normRegs) groups(a *asm, rows, floats []string, part func(g int, label string)) {
	sizes := []int{4, 1}
	if r.most == 8 {
		sizes = []int{8, 4, 1}
	}
	for i, g := range sizes {
		a.label(fmt.Sprintf("size%d", g))
		a.op("CMPQ CX, $%d", g)
		if i+1 < len(sizes) {
			a.op("JLT size%d", sizes[i+1])
		} else {
			a.op("JLT done")
		}
		part(g, fmt.Sprint(g))
		for _, s := range rows {
			a.op("ADDQ $%d, %s", 64*g, s)
		}
		for _, s := range floats {
			a.op("ADDQ $%d, %s", 4*g, s)
		}
		a.op("SUBQ $%d, CX", g)
		a.op("JMP size%d", g)
	}
	a.label("done")
	a.ret()
}

// store adds up the lanes of registers from, ... of g channels and stores the
// sums, times the number in register times if that is not empty.
func (r normRegs) store(a *asm, from, g int, times, at string) {
	for i := 0; i < g; i += 4 {
		a.sumFour(r.v, from+i, 3*r.most)
		if times != "" {
			a.op("VMULPS %s, X%d, X%d", times, from+i, from+i)
		}
		move := "VMOVUPS"
		if g == 1 {
			move = "VMOVSS"
		}
		a.op("%s X%d, %d(%s)", move, from+i, 4*i, at)
	}
}

// moments: SI a, R8 mean, R9 sum, R10 square, CX channels left, R12 stride. The
// lanes are in K1, or in Y14 and Y15.
func moments(a *asm, v vector) {
	const typ = "momentArgs"
	r, parts := newNormRegs(v), 16/v.floats
	a.load(typ, "a", "SI", "mean", "R8", "sum", "R9", "square", "R10", "n", "CX", "stride", "R12", "lanes", "AX")
	if v == vector512 {
		a.op("VMOVUPS (AX), Z31")
		a.op("VPMOVD2M Z31, K1")
	} else {
		a.op("VMOVUPS (AX), Y14")
		a.op("VMOVUPS 32(AX), Y15")
	}
	r.groups(a, []string{"SI"}, []string{"R8", "R9", "R10"}, func(g int, label string) {
		pixels := func(name string, f func(i, p int, at string)) {
			a.op("MOVQ SI, AX")
			a.load(typ, "pixels", "DX")
			a.loop(name + label)
			for i := range g {
				for p := range parts {
					f(i, p, fmt.Sprintf("%d(AX)", 64*i+4*v.floats*p))
				}
			}
			a.op("ADDQ R12, AX")
			a.op("DECQ DX")
			a.op("JNZ %s", name+label)
		}
		a.clear(v, 0, max(g, 4))
		pixels("mean", func(i, p int, at string) {
			if v == vector512 {
				a.op("VADDPS %s, %s, K1, %s", at, r.reg(i), r.reg(i))
				return
			}
			a.op("VANDPS %s, Y%d, %s", at, 14+p, r.temp(0))
			a.op("VADDPS %s, %s, %s", r.temp(0), r.reg(i), r.reg(i))
		})
		a.op("VBROADCASTSS %s_scale(DI), X%d", typ, 3*r.most+1)
		r.store(a, 0, g, fmt.Sprintf("X%d", 3*r.most+1), "R8")
		for i := range g {
			a.op("VBROADCASTSS %d(R8), %s", 4*i, r.mean(i))
		}
		a.clear(v, 0, max(g, 4))
		a.clear(v, r.most, r.most+max(g, 4))
		pixels("square", func(i, p int, at string) {
			d := r.temp(i % 2)
			a.op("VMOVUPS %s, %s", at, d)
			if v == vector512 {
				a.op("VSUBPS.Z %s, %s, K1, %s", r.mean(i), d, d)
			} else {
				a.op("VSUBPS %s, %s, %s", r.mean(i), d, d)
				a.op("VANDPS %s, Y%d, %s", d, 14+p, d)
			}
			a.op("VADDPS %s, %s, %s", d, r.reg(i), r.reg(i))
			a.op("VFMADD231PS %s, %s, %s", d, d, r.reg(r.most+i))
		})
		r.store(a, 0, g, "", "R9")
		r.store(a, r.most, g, "", "R10")
	})
}

// gradSums keeps the sums in the first level of cache: values that were made on
// the way forward come from main memory by now, and only when they are read one
// row after the other do prefetchers follow.
//
// Registers: SI x, BX dy, R8 y, R9 dz of the pixel, R10 mean, R11 sum, R14 dot, R12
// stride, CX channels left, R13 pixels left; AX is the distance of the channel in
// means, DX of its row. Y15 or Z31 is zero.
func gradSums(a *asm, v vector, relu bool) {
	const typ = "gradArgs"
	parts := 16 / v.floats
	reg := func(i, p int) string { return fmt.Sprintf("%s%d", v.letter, i*parts+p) }
	zero := fmt.Sprintf("%s%d", v.letter, v.n-1)
	a.load(typ, "x", "SI", "dy", "BX", "mean", "R10", "sum", "R11", "dot", "R14", "stride", "R12", "pixels", "R13")
	rows := []string{"SI", "BX"}
	if relu {
		a.load(typ, "y", "R8", "dz", "R9")
		a.clear(v, v.n-1, v.n)
		rows = append(rows, "R8", "R9")
	}
	a.label("pixel")
	a.load(typ, "n", "CX")
	a.op("XORQ AX, AX")
	a.op("XORQ DX, DX")
	a.loop("row")
	a.op("VBROADCASTSS (R10)(AX*1), %s", reg(3, 0))
	for p := range parts {
		at := func(reg string) string { return fmt.Sprintf("%d(%s)(DX*1)", 4*v.floats*p, reg) }
		x, dy, y := reg(0, p), reg(1, p), reg(2, p)
		a.op("VMOVUPS %s, %s", at("SI"), x)
		switch {
		case !relu:
			a.op("VMOVUPS %s, %s", at("BX"), dy)
		case v == vector512:
			a.op("VMOVUPS %s, %s", at("R8"), y)
			a.op("VCMPPS $0x1e, %s, %s, K2", zero, y) // greater than, ordered, quiet
			a.op("VMOVUPS.Z %s, K2, %s", at("R9"), dy)
		default:
			a.op("VMOVUPS %s, %s", at("R8"), y)
			a.op("VCMPPS $0x1e, %s, %s, %s", zero, y, y)
			a.op("VANDPS %s, %s, %s", at("R9"), y, dy)
		}
		a.op("VSUBPS %s, %s, %s", reg(3, 0), x, x)
		a.op("VADDPS %s, %s, %s", at("R11"), dy, y)
		a.op("VMULPS %s, %s, %s", dy, x, x)
		a.op("VADDPS %s, %s, %s", at("R14"), x, x)
		if relu {
			a.op("VMOVUPS %s, %s", dy, at("BX"))
		}
		a.op("VMOVUPS %s, %s", y, at("R11"))
		a.op("VMOVUPS %s, %s", x, at("R14"))
	}
	a.op("ADDQ $4, AX")
	a.op("ADDQ $64, DX")
	a.op("DECQ CX")
	a.op("JNZ row")
	for _, r := range rows {
		a.op("ADDQ R12, %s", r)
	}
	a.op("DECQ R13")
	a.op("JNZ pixel")
	a.ret()
}

// channelMap: SI a, BX b, DX dst of the pixel, R8 scale, R9 factor, R10 shift, R12
// stride, CX channels left, R13 pixels left; AX is the distance of the channel in
// floats of the constants, R11 of its row.
func channelMap(a *asm, v vector, two, relu bool) {
	const typ = "channelArgs"
	parts := 16 / v.floats
	reg := func(i int) string { return fmt.Sprintf("%s%d", v.letter, i) }
	zero := reg(v.n - 1)
	a.load(typ, "dst", "DX", "a", "SI", "scale", "R8", "shift", "R10", "stride", "R12", "pixels", "R13")
	if two {
		a.load(typ, "b", "BX", "factor", "R9")
	}
	if relu {
		a.clear(v, v.n-1, v.n)
	}
	a.label("pixel")
	a.load(typ, "n", "CX")
	a.op("XORQ AX, AX")
	a.op("XORQ R11, R11")
	a.loop("row")
	a.op("VBROADCASTSS (R8)(AX*1), %s", reg(4))
	if two {
		a.op("VBROADCASTSS (R9)(AX*1), %s", reg(5))
	}
	for p := range parts {
		a.op("VBROADCASTSS (R10)(AX*1), %s", reg(p))
		a.op("VFMADD231PS %d(SI)(R11*1), %s, %s", 4*v.floats*p, reg(4), reg(p))
		if two {
			a.op("VFMADD231PS %d(BX)(R11*1), %s, %s", 4*v.floats*p, reg(5), reg(p))
		}
		if relu { // the operand order lets a NaN through
			a.op("VMAXPS %s, %s, %s", reg(p), zero, reg(p))
		}
	}
	for p := range parts {
		a.op("VMOVUPS %s, %d(DX)(R11*1)", reg(p), 4*v.floats*p)
	}
	a.op("ADDQ $4, AX")
	a.op("ADDQ $64, R11")
	a.op("DECQ CX")
	a.op("JNZ row")
	a.op("ADDQ R12, SI")
	a.op("ADDQ R12, DX")
	if two {
		a.op("ADDQ R12, BX")
	}
	a.op("DECQ R13")
	a.op("JNZ pixel")
	a.ret()
}
