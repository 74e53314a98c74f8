package energy

import "golang.org/x/sys/unix"

// threadClock tells the CPU time of the thread that calls it, ns.
func threadClock() func() int64 {
	return func() int64 {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			panic(err)
		}
		return t.Nano()
	}
}
