package main

import (
	"fmt"
	"strings"
)

// Activation functions and their derivatives, over rows of 16 floats in two
// halves of 8. Constants come from the table actTable, 8 copies each, since
// AVX2 cannot broadcast an operand.

// constants of actTable, in its order.
var actNames = strings.Fields("one half third two three six minusHalf sign abs log2e ln2hi ln2lo expLo expHi e0 e1 e2 e3 e4 e5 bias rootHalf erfP erf1 erf2 erf3 erf4 erf5 rootTwoPi tanhCut t0 t1 t2 t3 t4 gtA gtB gtC gtCut")

// k is the operand for a constant.
func k(name string) string {
	for i, n := range actNames {
		if n == name {
			return fmt.Sprintf("·actTable+%d(SB)", 32*i)
		}
	}
	panic("no constant " + name)
}

// exp replaces Y[x] by e^x, to about 1e-7 of it; Y[t] and Y[u] are overwritten.
// After Cephes' expf (Moshier): e^x = 2^n·e^r with |r| ≤ ln 2 / 2. Below −87.7
// it is 0, above 88.4 infinite; a NaN stays.
func exp(a *asm, x, t, u int) {
	a.op("VMOVUPS %s, Y%d", k("expLo"), t)
	a.op("VMAXPS Y%d, Y%d, Y%d", x, t, x)
	a.op("VMOVUPS %s, Y%d", k("expHi"), t)
	a.op("VMINPS Y%d, Y%d, Y%d", x, t, x)
	a.op("VMULPS %s, Y%d, Y%d", k("log2e"), x, t)
	a.op("VROUNDPS $0, Y%d, Y%d", t, t) // n
	a.op("VFNMADD231PS %s, Y%d, Y%d", k("ln2hi"), t, x)
	a.op("VFNMADD231PS %s, Y%d, Y%d", k("ln2lo"), t, x) // r
	a.op("VCVTPS2DQ Y%d, Y%d", t, t)
	a.op("VPADDD %s, Y%d, Y%d", k("bias"), t, t)
	a.op("VPSLLD $23, Y%d, Y%d", t, t) // 2^n
	a.op("VMOVUPS %s, Y%d", k("e0"), u)
	for i := 1; i <= 5; i++ {
		a.op("VFMADD213PS %s, Y%d, Y%d", k(fmt.Sprint("e", i)), x, u)
	}
	// e^r = 1 + r + r²·u
	a.op("VMULPS Y%d, Y%d, Y%d", x, u, u)
	a.op("VFMADD213PS Y%d, Y%d, Y%d", x, x, u)
	a.op("VADDPS %s, Y%d, Y%d", k("one"), u, u)
	a.op("VMULPS Y%d, Y%d, Y%d", t, u, x)
}

// sigmoid puts 1/(1 + e^−x) of Y[x] into Y2; Y3 and Y4 are overwritten.
func sigmoid(a *asm, x int) {
	const s = 2
	a.op("VXORPS %s, Y%d, Y%d", k("sign"), x, s)
	exp(a, s, s+1, s+2)
	a.op("VADDPS %s, Y%d, Y%d", k("one"), s, s)
	a.op("VMOVUPS %s, Y%d", k("one"), s+1)
	a.op("VDIVPS Y%d, Y%d, Y%d", s, s+1, s)
}

// normal puts Φ of Y[x], the distribution function of the normal distribution, into
// Y[s] and e^(−x²/2) into Y[s+1]; Y[s+2] to Y[s+4] are overwritten. After Abramowitz
// and Stegun 7.1.26, to 1e-7.
func normal(a *asm, x, s int) {
	e, t, u := s+1, s+2, s+3
	a.op("VMULPS Y%d, Y%d, Y%d", x, x, e)
	a.op("VMULPS %s, Y%d, Y%d", k("minusHalf"), e, e)
	exp(a, e, t, u)
	a.op("VANDPS %s, Y%d, Y%d", k("abs"), x, t)
	a.op("VMULPS %s, Y%d, Y%d", k("rootHalf"), t, t)
	a.op("VMOVUPS %s, Y%d", k("one"), u)
	a.op("VMULPS %s, Y%d, Y%d", k("erfP"), t, t)
	a.op("VADDPS Y%d, Y%d, Y%d", u, t, t)
	a.op("VDIVPS Y%d, Y%d, Y%d", t, u, t) // t = 1/(1 + p·|x|/√2)
	a.op("VMOVUPS %s, Y%d", k("erf5"), s)
	for i := 4; i >= 1; i-- {
		a.op("VFMADD213PS %s, Y%d, Y%d", k(fmt.Sprint("erf", i)), t, s)
	}
	a.op("VMULPS Y%d, Y%d, Y%d", t, s, s)
	a.op("VMULPS Y%d, Y%d, Y%d", e, s, s)
	a.op("VMULPS %s, Y%d, Y%d", k("half"), s, s) // Φ(−|x|)
	a.op("VSUBPS Y%d, Y%d, Y%d", s, u, u)
	a.op("VBLENDVPS Y%d, Y%d, Y%d, Y%d", x, s, u, s) // by the sign of x
}

// expRows and scaleRows hold b in Y14 and Y15.
func expRows(a *asm) {
	byRow(a, func(b int) {
		a.op("VSUBPS Y%d, Y0, Y0", b)
		exp(a, 0, 1, 2)
	})
}

func scaleRows(a *asm) {
	byRow(a, func(b int) { a.op("VMULPS Y%d, Y0, Y0", b) })
}

// byRow emits dst = f(a, b) for n rows, where b is one row: f finds a half of a's
// row in Y0 and the register of b's.
func byRow(a *asm, f func(b int)) {
	a.load("rowArgs", "dst", "DX", "a", "SI", "b", "BX", "n", "CX")
	a.op("VMOVUPS (BX), Y14")
	a.op("VMOVUPS 32(BX), Y15")
	a.loop("row")
	for h := range 2 {
		a.op("VMOVUPS %d(SI), Y0", 32*h)
		f(14 + h)
		a.op("VMOVUPS Y0, %d(DX)", 32*h)
	}
	a.op("ADDQ $64, SI")
	a.op("ADDQ $64, DX")
	a.op("DECQ CX")
	a.op("JNZ row")
	a.ret()
}

// eachHalf emits dst = f(a) or f(a, b) for n rows: f finds a half of a's row in Y0,
// of b's in Y1 and leaves its result in Y0.
func eachHalf(a *asm, b bool, f func()) {
	a.load("rowArgs", "dst", "DX", "a", "SI", "n", "CX")
	if b {
		a.load("rowArgs", "b", "BX")
	}
	a.op("SHLQ $1, CX")
	a.loop("half")
	a.op("VMOVUPS (SI), Y0")
	if b {
		a.op("VMOVUPS (BX), Y1")
	}
	f()
	a.op("VMOVUPS Y0, (DX)")
	a.op("ADDQ $32, SI")
	a.op("ADDQ $32, DX")
	if b {
		a.op("ADDQ $32, BX")
	}
	a.op("DECQ CX")
	a.op("JNZ half")
	a.ret()
}

func geluRows(a *asm) {
	eachHalf(a, false, func() {
		normal(a, 0, 2)
		a.op("VMULPS Y2, Y0, Y0")
	})
}

// geluGrad: f′ = Φ(x) + x·φ(x).
func geluGrad(a *asm) {
	eachHalf(a, true, func() {
		normal(a, 1, 2)
		a.op("VMULPS %s, Y3, Y3", k("rootTwoPi")) // φ
		a.op("VFMADD231PS Y3, Y1, Y2")
		a.op("VMULPS Y2, Y0, Y0")
	})
}

func siluRows(a *asm) {
	eachHalf(a, false, func() {
		sigmoid(a, 0)
		a.op("VMULPS Y2, Y0, Y0")
	})
}

// geluTanhRows: x·σ(u), u = gtA·x + gtB·x³.
func geluTanhRows(a *asm) {
	eachHalf(a, false, func() {
		geluArg(a, 0, 7, 5, 6)
		sigmoid(a, 5)
		a.op("VMULPS Y2, Y0, Y0")
	})
}

// geluTanhGrad: f′ = s + x·s·(1 − s)·u′, u′ = gtA + gtC·x².
func geluTanhGrad(a *asm) {
	eachHalf(a, true, func() {
		geluArg(a, 1, 1, 5, 6)
		sigmoid(a, 5)
		a.op("VMOVUPS %s, Y3", k("gtC"))
		a.op("VFMADD213PS %s, Y6, Y3", k("gtA"))
		a.op("VMULPS Y1, Y3, Y3") // x·u′
		a.op("VMOVUPS %s, Y4", k("one"))
		a.op("VSUBPS Y2, Y4, Y5") // 1 − s
		a.op("VFMADD213PS Y4, Y5, Y3")
		a.op("VMULPS Y2, Y3, Y3")
		a.op("VMULPS Y3, Y0, Y0")
	})
}

// geluArg clamps Y[x], as it lies in Y[c], to where the sigmoid still differs from
// 0 and 1, so that nothing becomes infinite; a NaN stays. It puts gtA·x + gtB·x³
// into Y[u] and x² into Y[sq].
func geluArg(a *asm, x, c, u, sq int) {
	a.op("VMOVUPS %s, Y%d", k("gtCut"), u)
	a.op("VMINPS Y%d, Y%d, Y%d", x, u, c)
	a.op("VXORPS %s, Y%d, Y%d", k("sign"), u, u)
	a.op("VMAXPS Y%d, Y%d, Y%d", c, u, c)
	a.op("VMULPS Y%d, Y%d, Y%d", c, c, sq)
	a.op("VMOVUPS %s, Y%d", k("gtB"), u)
	a.op("VFMADD213PS %s, Y%d, Y%d", k("gtA"), sq, u)
	a.op("VMULPS Y%d, Y%d, Y%d", c, u, u)
}

// siluGrad: f′ = s·(1 + x·(1 − s)).
func siluGrad(a *asm) {
	eachHalf(a, true, func() {
		sigmoid(a, 1)
		a.op("VMOVUPS %s, Y3", k("one"))
		a.op("VSUBPS Y2, Y3, Y4")
		a.op("VFMADD213PS Y3, Y1, Y4")
		a.op("VMULPS Y4, Y2, Y2")
		a.op("VMULPS Y2, Y0, Y0")
	})
}

func hardSwishRows(a *asm) {
	a.zero(15, 16)
	eachHalf(a, false, func() {
		a.op("VADDPS %s, Y0, Y1", k("three"))
		a.op("VMAXPS Y1, Y15, Y1")
		a.op("VMOVUPS %s, Y2", k("six"))
		a.op("VMINPS Y1, Y2, Y1")
		a.op("VDIVPS Y2, Y1, Y1")
		a.op("VMULPS Y1, Y0, Y0")
	})
}

// hardSwishGrad: f′ = x/3 + 1/2 from −3 to 3, 0 below, 1 above.
func hardSwishGrad(a *asm) {
	eachHalf(a, true, func() {
		a.op("VMOVUPS %s, Y2", k("half"))
		a.op("VFMADD231PS %s, Y1, Y2", k("third"))
		a.op("VMOVUPS %s, Y3", k("three"))
		a.op("VMOVUPS %s, Y5", k("one"))
		a.op("VCMPPS $0x1e, Y3, Y1, Y4") // x > 3
		a.op("VBLENDVPS Y4, Y5, Y2, Y2")
		a.op("VXORPS %s, Y3, Y3", k("sign"))
		a.op("VCMPPS $0x11, Y3, Y1, Y4") // x < −3
		a.op("VANDNPS Y2, Y4, Y2")
		a.op("VMULPS Y2, Y0, Y0")
	})
}

// tanhRows: 1 − 2/(e^2x + 1), and near zero, where that loses digits, Cephes'
// x + x³·p(x²).
func tanhRows(a *asm) {
	eachHalf(a, false, func() {
		a.op("VADDPS Y0, Y0, Y1")
		exp(a, 1, 2, 3)
		a.op("VADDPS %s, Y1, Y1", k("one"))
		a.op("VMOVUPS %s, Y2", k("two"))
		a.op("VDIVPS Y1, Y2, Y1")
		a.op("VMOVUPS %s, Y2", k("one"))
		a.op("VSUBPS Y1, Y2, Y1")
		a.op("VMULPS Y0, Y0, Y2") // x²
		a.op("VMOVUPS %s, Y3", k("t0"))
		for i := 1; i <= 4; i++ {
			a.op("VFMADD213PS %s, Y2, Y3", k(fmt.Sprint("t", i)))
		}
		a.op("VMULPS Y2, Y3, Y3")
		a.op("VFMADD213PS Y0, Y0, Y3")
		a.op("VANDPS %s, Y0, Y2", k("abs"))
		a.op("VMOVUPS %s, Y4", k("tanhCut"))
		a.op("VCMPPS $0x11, Y4, Y2, Y4") // |x| < 0.625
		a.op("VBLENDVPS Y4, Y3, Y1, Y0")
	})
}

// tanhGrad: f′ = 1 − y².
func tanhGrad(a *asm) {
	eachHalf(a, true, func() {
		a.op("VMOVUPS %s, Y2", k("one"))
		a.op("VFNMADD231PS Y1, Y1, Y2")
		a.op("VMULPS Y2, Y0, Y0")
	})
}
