package hwprofiles

import "os"

// CPUModel is the name of this machine's CPU (or board) as the system gives it;
// empty when it gives none.
func CPUModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		if m := modelFromCPUInfo(data); m != "" {
			return m
		}
	}
	data, err = os.ReadFile("/proc/device-tree/model") // ARM boards; ends in a NUL
	if err != nil {
		return ""
	}
	return modelFromDeviceTree(data)
}
