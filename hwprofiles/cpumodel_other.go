//go:build !linux && !darwin

package hwprofiles

import "os"

// CPUModel is the name of this machine's CPU as the system gives it; empty when
// it gives none. Windows gives a family string, which finds a generic profile.
func CPUModel() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
