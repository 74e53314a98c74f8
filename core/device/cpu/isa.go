package cpu

import "os"

// isa names the kernels in use: "avx512", "avx2" and "neon" for the assembly, "go"
// for plain Go. It is chosen once at start; the environment variable PARE_ISA
// forces a lesser one than the processor has, which the tests use and which
// helps to tell a kernel's fault from another.
var isa = chooseISA(os.Getenv("PARE_ISA"), bestISA())

// useAVX2, useAVX512 and useNEON are read on every kernel call; AVX-512 implies
// AVX2. NEON has the products, dense and in blocks; the rest is plain Go there.
// maxMR is the number of rows of the widest product kernel.
var (
	useAVX2, useAVX512, useNEON bool
	maxMR                       int
)

func init() { useISA(isa) }

// useISA sets what follows from the name of an instruction set.
func useISA(name string) {
	useAVX512 = name == "avx512"
	useAVX2 = useAVX512 || name == "avx2"
	useNEON = name == "neon"
	maxMR, panelCuts = 6, []int{6, 5, 5}
	if useAVX512 {
		maxMR, panelCuts = 16, []int{16}
	}
	cuts = cutRows(maxMR)
}

// mostTiles is the most tiles that one pass over r×1 blocks serves.
func mostTiles(r int) int {
	switch {
	case r == 1:
		return 4
	case useAVX512:
		return min(4, 16/r)
	}
	return 1
}

// mostPixels is the most pixels that one pass over r×1 blocks serves.
func mostPixels(r int) int {
	if r == 16 && !useAVX512 {
		return 4
	}
	return 8
}

// chooseISA is what was asked for, or the best there is when the processor does
// not have that.
func chooseISA(want, best string) string {
	have := false
	for _, s := range isas { // the better one first
		have = have || s == best
		if have && s == want {
			return want
		}
	}
	return best
}
