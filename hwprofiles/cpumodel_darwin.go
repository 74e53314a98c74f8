package hwprofiles

import "syscall"

// CPUModel is the name of this machine's CPU as the system gives it; empty when
// it gives none.
func CPUModel() string {
	s, err := syscall.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return s
}
