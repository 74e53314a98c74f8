package energy

import "syscall"

// cpuMicros is the CPU time of this process, user and kernel, all threads, in
// microseconds (GetProcessTimes counts 100 ns units).
func cpuMicros() (int64, bool) {
	p, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, false
	}
	var created, exited, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(p, &created, &exited, &kernel, &user); err != nil {
		return 0, false
	}
	ticks := func(f syscall.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return (ticks(kernel) + ticks(user)) / 10, true
}
