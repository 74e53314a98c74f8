package main

// maskBits clears the floats of rows whose bit is not set. bitOf holds the bit of
// each lane.
func maskBits(a *asm) {
	a.op("VMOVDQU ·bitOf(SB), Y12")
	a.op("VMOVDQU ·bitOf+32(SB), Y13")
	eachRow(a, "rowArgs", 2, func() {
		a.op("VPBROADCASTW (BX), Y2")
		for v := range 2 {
			a.op("VPAND Y%d, Y2, Y%d", 12+v, 3+v)
			a.op("VPCMPEQD Y%d, Y%d, Y%d", 12+v, 3+v, 3+v)
			a.op("VANDPS %d(SI), Y%d, Y%d", 32*v, 3+v, v)
		}
	})
}
