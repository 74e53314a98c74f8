package cpu

import "golang.org/x/sys/cpu"

// isas are the instruction sets of amd64, the better one first.
var isas = []string{"avx512", "avx2", "go"}

func bestISA() string {
	switch x := cpu.X86; {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA:
		return "avx512"
	case x.HasAVX2 && x.HasFMA:
		return "avx2"
	}
	return "go"
}
