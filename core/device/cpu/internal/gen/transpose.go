package main

import "fmt"

// transpose4 turns 4 columns of 8 rows into 4 rows of 8 floats, Y0, Y1, Y2, Y3.
// row(i) is the address of the four floats of row i. Putting row i+4 in the
// upper half while loading leaves only steps inside the halves.
func transpose4(a *asm, row func(i int) string) {
	for i := range 4 {
		a.op("VMOVUPS %s, X%d", row(i), i)
		a.op("VINSERTF128 $1, %s, Y%d, Y%d", row(i+4), i, i)
	}
	a.op("VUNPCKLPS Y1, Y0, Y4")
	a.op("VUNPCKHPS Y1, Y0, Y5")
	a.op("VUNPCKLPS Y3, Y2, Y6")
	a.op("VUNPCKHPS Y3, Y2, Y7")
	a.op("VUNPCKLPD Y6, Y4, Y0")
	a.op("VUNPCKHPD Y6, Y4, Y1")
	a.op("VUNPCKLPD Y7, Y5, Y2")
	a.op("VUNPCKHPD Y7, Y5, Y3")
}

func transposeBlocks(a *asm) {
	a.load("rowArgs", "dst", "DX", "a", "SI", "n", "CX")
	a.loop("block")
	for h := range 2 { // rows 8h..8h+7 of the source
		for c := 0; c < 16; c += 4 {
			transpose4(a, func(i int) string { return fmt.Sprintf("%d(SI)", 64*(8*h+i)+4*c) })
			for i := range 4 {
				a.op("VMOVUPS Y%d, %d(DX)", i, 64*(c+i)+32*h)
			}
		}
	}
	a.op("ADDQ $1024, SI")
	a.op("ADDQ $1024, DX")
	a.op("DECQ CX")
	a.op("JNZ block")
	a.ret()
}

// gatherRows needs 8 row pointers at a time, so it makes two passes, one per
// half of the tile.
func gatherRows(a *asm) {
	ptr := []string{"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}
	for h := range 2 {
		a.load("gatherArgs", "rows", "SI", "dst", "DX", "stride", "BX", "n", "CX")
		for i, r := range ptr {
			a.op("MOVQ %d(SI), %s", 8*(8*h+i), r)
		}
		a.op("SHLQ $2, CX") // bytes of a row
		a.op("XORL AX, AX")
		label := fmt.Sprintf("half%d", h)
		a.loop(label)
		transpose4(a, func(i int) string { return fmt.Sprintf("(%s)(AX*1)", ptr[i]) })
		for i := range 4 {
			a.op("VMOVUPS Y%d, %d(DX)", i, 32*h)
			a.op("ADDQ BX, DX")
		}
		a.op("ADDQ $16, AX")
		a.op("CMPQ AX, CX")
		a.op("JLT %s", label)
	}
	a.ret()
}

// packAhead is how many rows packRows fetches beforehand. Rows of a large matrix lie
// a page or more apart, where the processor's own fetching does not follow.
const packAhead = 16

func packRows(a *asm) {
	a.load("packArgs", "src", "SI", "dst", "DX", "n", "CX", "lines", "R9", "srcStride", "R8", "dstStride", "R11", "lineStride", "R10")
	a.op("MOVQ R8, R12")
	a.op("IMULQ $%d, R12", packAhead)
	a.loop("row")
	a.op("MOVQ SI, AX")
	a.op("MOVQ DX, BX")
	a.op("MOVQ R9, R13")
	a.label("line")
	a.op("PREFETCHT0 (AX)(R12*1)")
	a.op("VMOVUPS (AX), Y0")
	a.op("VMOVUPS 32(AX), Y1")
	a.op("VMOVUPS Y0, (BX)")
	a.op("VMOVUPS Y1, 32(BX)")
	a.op("ADDQ $64, AX")
	a.op("ADDQ R10, BX")
	a.op("DECQ R13")
	a.op("JNZ line")
	a.op("ADDQ R8, SI")
	a.op("ADDQ R11, DX")
	a.op("DECQ CX")
	a.op("JNZ row")
	a.ret()
}
