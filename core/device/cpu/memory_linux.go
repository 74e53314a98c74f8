package cpu

import "golang.org/x/sys/unix"

// memory is the machine's memory in bytes, 0 when unknown.
func memory() int64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int64(uint64(s.Totalram) * uint64(s.Unit))
}
