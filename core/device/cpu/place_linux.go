package cpu

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processor is the number of the processor the caller runs on, −1 if unknown. A
// goroutine may move any time; it is a hint.
func processor() int {
	var n uint32
	if _, _, err := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&n)), 0, 0); err != 0 {
		return -1
	}
	return int(n)
}

// leave moves the calling thread to another processor, if it may run on one, and
// lets it go where it likes from then on.
func leave(processor int) {
	runtime.LockOSThread() // between the two calls
	defer runtime.UnlockOSThread()
	var may unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil {
		return
	}
	other := may
	other.Clear(processor)
	if other.Count() == 0 || unix.SchedSetaffinity(0, &other) != nil {
		return
	}
	unix.SchedSetaffinity(0, &may) //nolint:errcheck // it was allowed a moment ago
}
