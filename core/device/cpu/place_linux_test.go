package cpu

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLeave: a thread that leaves a processor runs on another one, and may run
// wherever it might before.
func TestLeave(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Skip(err)
	}
	for cpu := range 1024 {
		if !before.IsSet(cpu) {
			continue
		}
		for try := 0; ; try++ { // the kernel may take it back at once
			leave(cpu)
			if before.Count() == 1 || processor() != cpu {
				break
			}
			if try == 100 {
				t.Fatalf("still on processor %d", cpu)
			}
		}
	}
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("the thread may run on %v, before on %v (%v)", after, before, err)
	}
	if n := testing.AllocsPerRun(10, func() { leave(processor()) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
