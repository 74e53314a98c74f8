//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package energy

// cpuMicros: this system does not tell a process's CPU time.
func cpuMicros() (int64, bool) { return 0, false }
