package main

// Kernels over rows of 16 floats (64 bytes).

// eachRow emits dst = f(a, b) for n rows. f computes Y0 and Y1 of a row; SI is
// a, BX is b, DX is dst. bStep is the distance of rows of b in bytes.
func eachRow(a *asm, typ string, bStep int, f func()) {
	a.load(typ, "dst", "DX", "a", "SI", "n", "CX")
	if bStep > 0 {
		a.load(typ, "b", "BX")
	}
	a.loop("row")
	f()
	a.op("VMOVUPS Y0, (DX)")
	a.op("VMOVUPS Y1, 32(DX)")
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, DX")
	if bStep > 0 {
		a.op("ADDQ $%d, BX", bStep)
	}
	a.op("DECQ CX")
	a.op("JNZ row")
	a.ret()
}

func biasAdd(a *asm) {
	eachRow(a, "rowArgs", 4, func() { bias(a) })
}

func bias(a *asm) {
	a.op("VBROADCASTSS (BX), Y2")
	a.op("VADDPS (SI), Y2, Y0")
	a.op("VADDPS 32(SI), Y2, Y1")
}

// relu0 clamps Y0 and Y1 at zero. The operand order lets a NaN through.
func relu0(a *asm) {
	a.op("VMAXPS Y0, Y15, Y0")
	a.op("VMAXPS Y1, Y15, Y1")
}

func biasReLU(a *asm) {
	a.zero(15, 16)
	eachRow(a, "rowArgs", 4, func() {
		bias(a)
		relu0(a)
	})
}

func reluRows(a *asm) {
	a.zero(15, 16)
	eachRow(a, "rowArgs", 0, func() {
		a.op("VMOVUPS (SI), Y0")
		a.op("VMOVUPS 32(SI), Y1")
		relu0(a)
	})
}

func reluGrad(a *asm) {
	a.zero(15, 16)
	eachRow(a, "rowArgs", 64, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(BX), Y%d", 32*v, 2+v)
			a.op("VCMPPS $0x1e, Y15, Y%d, Y%d", 2+v, 2+v) // greater than, ordered, quiet
			a.op("VANDPS %d(SI), Y%d, Y%d", 32*v, 2+v, v)
		}
	})
}

func addRows(a *asm) { binary(a, "VADDPS") }

func addReLU(a *asm) {
	a.zero(15, 16)
	eachRow(a, "rowArgs", 64, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(SI), Y%d", 32*v, v)
			a.op("VADDPS %d(BX), Y%d, Y%d", 32*v, v, v)
		}
		relu0(a)
	})
}

func andRows(a *asm) { binary(a, "VANDPS") }

func binary(a *asm, op string) {
	eachRow(a, "rowArgs", 64, func() {
		for v := range 2 {
			a.op("VMOVUPS %d(SI), Y%d", 32*v, v)
			a.op("%s %d(BX), Y%d, Y%d", op, 32*v, v, v)
		}
	})
}

func affineRows(a *asm) {
	a.load("affineArgs", "scale", "R8", "shift", "R9")
	eachRow(a, "affineArgs", 0, func() {
		a.op("VBROADCASTSS (R8), Y2")
		a.op("VBROADCASTSS (R9), Y0")
		a.op("VMOVUPS Y0, Y1")
		a.op("VFMADD231PS (SI), Y2, Y0")
		a.op("VFMADD231PS 32(SI), Y2, Y1")
		a.op("ADDQ $4, R8")
		a.op("ADDQ $4, R9")
	})
}

func rowSums(a *asm) { reduceRows(a, false) }

func rowDots(a *asm) { reduceRows(a, true) }

// reduceRows sums rows (or products of two rows) over lanes and tiles, four
// rows at a time; the last rows one by one, in the same order of additions.
func reduceRows(a *asm, dots bool) {
	a.load("sumArgs", "a", "SI", "dst", "DX", "n", "CX", "aStride", "R12")
	if dots {
		a.load("sumArgs", "b", "BX", "bStride", "R13")
	}
	part := func(rows int, label string) {
		a.zero(0, 8)
		a.op("MOVQ SI, R9")
		if dots {
			a.op("MOVQ BX, R10")
		}
		a.load("sumArgs", "tiles", "R8")
		a.loop(label)
		for r := range rows {
			for v := range 2 {
				acc, at := r+4*v, 64*r+32*v
				if dots {
					a.op("VMOVUPS %d(R9), Y8", at)
					a.op("VFMADD231PS %d(R10), Y8, Y%d", at, acc)
				} else {
					a.op("VADDPS %d(R9), Y%d, Y%d", at, acc, acc)
				}
			}
		}
		a.op("ADDQ R12, R9")
		if dots {
			a.op("ADDQ R13, R10")
		}
		a.op("DECQ R8")
		a.op("JNZ %s", label)
		for r := range 4 {
			a.op("VADDPS Y%d, Y%d, Y%d", r+4, r, r)
		}
		a.sum4(0, 4)
		reg, mov, add := "X0", "VMOVUPS", "VADDPS"
		if rows == 1 {
			mov, add = "VMOVSS", "VADDSS"
		}
		a.op("CMPQ sumArgs_acc(DI), $0")
		a.op("JEQ store%s", label)
		a.op("%s (DX), %s, %s", add, reg, reg)
		a.label("store" + label)
		a.op("%s %s, (DX)", mov, reg)
		a.op("ADDQ $%d, SI", 64*rows)
		if dots {
			a.op("ADDQ $%d, BX", 64*rows)
		}
		a.op("ADDQ $%d, DX", 4*rows)
	}
	a.op("SUBQ $4, CX")
	a.op("JLT rest")
	a.label("four")
	part(4, "quad")
	a.op("SUBQ $4, CX")
	a.op("JGE four")
	a.label("rest")
	a.op("ADDQ $4, CX")
	a.op("JZ done")
	a.label("next")
	part(1, "row")
	a.op("DECQ CX")
	a.op("JNZ next")
	a.label("done")
	a.ret()
}
