//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package energy

import "syscall"

// cpuMicros is the CPU time of this process, user and system, all threads, in
// microseconds (getrusage, RUSAGE_SELF).
func cpuMicros() (int64, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return int64(u.Utime.Sec+u.Stime.Sec)*1e6 + int64(u.Utime.Usec) + int64(u.Stime.Usec), true
}
