package energy

import "time"

// ProcessCPU is the CPU time of this process so far, of all its threads, user and system;
// false where the system does not tell.
func ProcessCPU() (time.Duration, bool) {
	us, ok := cpuMicros()
	return time.Duration(us) * time.Microsecond, ok
}
