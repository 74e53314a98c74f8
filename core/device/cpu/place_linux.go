package cpu

import (
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
// lets it go where it likes from then on. It names the thread, so that the goroutine
// need not be locked to it: one that is locked and stopped by the collector runs
// again by way of two threads, does not hear of a stop that begins meanwhile
// (runtime.stoplockedm), and the collector asks again only 100 µs later.
func leave(processor int) {
	var may unix.CPUSet
	thread := unix.Gettid()
	if unix.SchedGetaffinity(thread, &may) != nil {
		return
	}
	other := may
	other.Clear(processor)
	if other.Count() == 0 || unix.SchedSetaffinity(thread, &other) != nil {
		return
	}
	unix.SchedSetaffinity(thread, &may) //nolint:errcheck // it was allowed a moment ago
}
