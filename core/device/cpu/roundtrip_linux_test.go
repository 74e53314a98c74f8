package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkRoundTrip is what it takes two processors to hand a cache line over and back: 60 ns
// where they share a third level of cache, six times as much where they do not. Steps of a
// fraction of a millisecond with two threads depend on it, and a host may move the
// processors of a virtual machine from one state to the other at any time.
func BenchmarkRoundTrip(b *testing.B) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		b.Fatal(err)
	}
	var on []int
	for i := 0; i < len(may)*64 && len(on) < 2; i++ {
		if may.IsSet(i) {
			on = append(on, i)
		}
	}
	if len(on) < 2 {
		b.Skip("one processor")
	}
	pin := func(processor int) {
		runtime.LockOSThread() // and not unlocked: the thread ends with its goroutine
		var set unix.CPUSet
		set.Set(processor)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			b.Error(err)
		}
	}
	var line [3]struct { // the middle one has its line to itself
		atomic.Int64
		_ [120]byte
	}
	ball := &line[1]
	n, done := int64(b.N), make(chan struct{}, 2)
	for side := range int64(2) {
		go func() {
			pin(on[side])
			for i := side; i < 2*n; i += 2 {
				for ball.Load() != i {
				}
				ball.Store(i + 1)
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}
