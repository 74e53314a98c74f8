package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is the machine's memory in bytes, 0 when unknown.
func memory() int64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int64(uint64(s.Totalram) * uint64(s.Unit))
}

// hugePage is the size of a large page on the processors there are kernels for.
const hugePage = 2 << 20

// huge asks for large pages behind n bytes at p, where these cover whole ones. A
// batch's values are tens of megabytes, more than the processor can translate
// addresses of in pages of 4 KiB without looking them up again and again. It is a
// hint: kernels that cannot, or may not, leave things as they are.
func huge(p unsafe.Pointer, n int) {
	skip := int(-uintptr(p) & (hugePage - 1))
	if n -= skip; n < hugePage {
		return
	}
	unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), n&^(hugePage-1)), unix.MADV_HUGEPAGE) //nolint:errcheck // a hint
}
