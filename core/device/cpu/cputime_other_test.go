//go:build !unix

package cpu_test

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
