//go:build linux || darwin

package energy

import "syscall"

// switches is how often a thread of this process has given way of itself: as often as it was
// woken up.
func switches() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return int64(u.Nvcsw)
}
