package main

import "strings"

// eachWeight emits a loop over n floats, 8 at a time, then one by one with the
// same instructions on single floats, so that a weight's new value does not
// depend on its place. Instructions in body are written for 8 floats.
func eachWeight(a *asm, typ string, ptrs []string, body []string) {
	a.load(typ, "n", "CX")
	run := func(label string, width int, fix func(string) string) {
		a.op("SUBQ $%d, CX", width)
		a.op("JLT end%s", label)
		a.loop(label)
		for _, s := range body {
			a.op("%s", fix(s))
		}
		for _, p := range ptrs {
			a.op("ADDQ $%d, %s", 4*width, p)
		}
		a.op("SUBQ $%d, CX", width)
		a.op("JGE %s", label)
		a.label("end" + label)
		a.op("ADDQ $%d, CX", width)
	}
	run("eight", 8, func(s string) string { return s })
	run("one", 1, func(s string) string {
		name, operands, _ := strings.Cut(s, " ")
		switch name {
		case "VMOVUPS":
			name = "VMOVSS"
		case "VSQRTPS": // the single form merges a third operand
			name = "VSQRTSS"
			in, out, _ := strings.Cut(operands, ", ")
			operands = in + ", " + in + ", " + out
		default:
			name = strings.TrimSuffix(name, "PS") + "SS"
		}
		return name + " " + strings.ReplaceAll(operands, "Y", "X")
	})
	a.ret()
}

// sgd emits one of the three forms of torch.optim.SGD (dampening 0).
func sgd(form string) func(a *asm) {
	return func(a *asm) {
		a.load("sgdArgs", "w", "SI", "g", "BX", "v", "DX")
		for i, f := range []string{"lr", "mom", "wd"} {
			a.op("VBROADCASTSS sgdArgs_%s(DI), Y%d", f, 13+i)
		}
		ptrs := []string{"SI", "BX", "DX"}
		body := []string{
			"VMOVUPS (SI), Y0",
			"VMOVUPS (BX), Y1",
			"VFMADD231PS Y0, Y15, Y1", // g += wd·w
		}
		if form == "sgdPlain" {
			ptrs = ptrs[:2]
		} else {
			body = append(body,
				"VMOVUPS (DX), Y2",
				"VFMADD213PS Y1, Y14, Y2", // v = mom·v + g
				"VMOVUPS Y2, (DX)")
		}
		switch form {
		case "sgdPlain":
			body = append(body, "VFNMADD231PS Y1, Y13, Y0")
		case "sgdMomentum":
			body = append(body, "VFNMADD231PS Y2, Y13, Y0")
		case "sgdNesterov":
			body = append(body,
				"VFMADD231PS Y2, Y14, Y1", // g += mom·v
				"VFNMADD231PS Y1, Y13, Y0")
		}
		body = append(body, "VMOVUPS Y0, (SI)")
		eachWeight(a, "sgdArgs", ptrs, body)
	}
}

// adam emits torch.optim.Adam and AdamW (see adamArgs for the constants).
func adam(a *asm) {
	a.load("adamArgs", "w", "SI", "g", "BX", "m", "DX", "v", "R8")
	for i, f := range []string{"step", "beta1c", "beta2", "beta2c", "eps", "scale", "wd", "decay"} {
		a.op("VBROADCASTSS adamArgs_%s(DI), Y%d", f, 8+i)
	}
	eachWeight(a, "adamArgs", []string{"SI", "BX", "DX", "R8"}, []string{
		"VMOVUPS (SI), Y0",
		"VMOVUPS (BX), Y1",
		"VFMADD231PS Y0, Y14, Y1", // g += wd·w
		"VMULPS Y0, Y15, Y0",      // w *= decay
		"VMOVUPS (DX), Y2",
		"VSUBPS Y2, Y1, Y3",
		"VFMADD231PS Y3, Y9, Y2", // m += (1−β1)·(g−m)
		"VMOVUPS Y2, (DX)",
		"VMOVUPS (R8), Y3",
		"VMULPS Y3, Y10, Y3",
		"VMULPS Y1, Y1, Y1",
		"VFMADD231PS Y1, Y11, Y3", // v = β2·v + (1−β2)·g²
		"VMOVUPS Y3, (R8)",
		"VSQRTPS Y3, Y3",
		"VMULPS Y13, Y3, Y3",
		"VADDPS Y12, Y3, Y3", // √v·scale + eps
		"VDIVPS Y3, Y2, Y2",
		"VFNMADD231PS Y2, Y8, Y0", // w −= step·m / (…)
		"VMOVUPS Y0, (SI)",
	})
}
