package cpu

import "os"

// isa names the kernels in use: "avx2" for the assembly (AVX2 and FMA), "go"
// for plain Go. It is chosen once at start; the environment variable
// PARE_ISA=go forces plain Go, which the tests use and which helps to tell a
// kernel's fault from another.
var isa = chooseISA(os.Getenv("PARE_ISA"), hasAVX2())

// useAVX2 is read on every kernel call.
var useAVX2 = isa == "avx2"

func chooseISA(want string, avx2 bool) string {
	if want == "go" || !avx2 {
		return "go"
	}
	return "avx2"
}
