package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			p := newPool(threads)
			defer p.close()
			if p.threads() != threads {
				t.Fatalf("%d threads", p.threads())
			}
			for round := range 300 {
				n := round % 23
				count := make([]atomic.Int32, n)
				busy := make([]atomic.Int32, threads)
				p.run(n, n/(1+round%4), func(task, worker int) {
					if busy[worker].Add(1) != 1 {
						t.Error("two tasks at once under one worker's number")
					}
					count[task].Add(1)
					busy[worker].Add(-1)
				})
				for i := range count {
					if c := count[i].Load(); c != 1 {
						t.Fatalf("round %d: task %d ran %d times", round, i, c)
					}
				}
				if round%100 == 99 {
					time.Sleep(3 * spin) // let the workers fall asleep
				}
			}
		})
	}
}

// TestPoolParks: workers without work sleep, and wake up again.
func TestPoolParks(t *testing.T) {
	p := newPool(4)
	defer p.close()
	asleep := func() bool {
		for _, w := range p.workers {
			if !w.asleep.Load() {
				return false
			}
		}
		return true
	}
	for range 5 {
		for deadline := time.Now().Add(time.Minute); !asleep(); time.Sleep(spin) {
			if time.Now().After(deadline) {
				t.Fatal("workers still spin")
			}
		}
		var sum atomic.Int64
		p.run(100, 50, func(task, _ int) { sum.Add(int64(task)); time.Sleep(time.Microsecond) })
		if sum.Load() != 4950 {
			t.Fatalf("sum %d", sum.Load())
		}
	}
}

func TestPoolClose(t *testing.T) {
	before := runtime.NumGoroutine()
	p := newPool(6)
	p.run(3, 1, func(int, int) {})
	p.close()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(spin) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestCompany: a worker leaves the caller's processor when it has been there for a
// while without a break, and not again soon.
func TestCompany(t *testing.T) {
	var c company
	at := time.Now()
	step := func(d time.Duration, want bool) {
		t.Helper()
		at = at.Add(d)
		if c.leave(at) != want {
			t.Errorf("leaves: %v", !want)
		}
	}
	step(0, false)
	step(together/2, false)
	step(together, true)
	step(0, false)
	step(2*together, false) // there again, but it moved a moment ago
	step(apart, true)
	step(apart, false)
	c.since = time.Time{} // a run on another processor
	step(apart, false)
	step(together, true)
}

func BenchmarkPool(b *testing.B) {
	p := newPool(2)
	defer p.close()
	for b.Loop() {
		p.run(8, 4, func(int, int) {})
	}
}

// TestPoolAllocs: a run makes no garbage.
func TestPoolAllocs(t *testing.T) {
	p := newPool(3)
	defer p.close()
	f := func(int, int) {}
	if n := testing.AllocsPerRun(100, func() { p.run(5, 2, f) }); n != 0 {
		t.Errorf("%g allocations for a run", n)
	}
}

// TestGroupSize: no other size of groups, handed out in turn, ends earlier, and no larger
// one as early.
func TestGroupSize(t *testing.T) {
	// busy is the most tiles of a worker when each takes the next group as soon as it is free.
	busy := func(tiles, g, threads int) int {
		load := make([]int, threads)
		for t := 0; t < tiles; t += g {
			free := slices.Index(load, slices.Min(load))
			load[free] += min(g, tiles-t)
		}
		return slices.Max(load)
	}
	for tiles := 1; tiles <= 70; tiles++ {
		for threads := 1; threads <= 9; threads++ {
			best := groupSize(tiles, threads)
			for g := 1; g <= maxGroup; g++ {
				if a, b := busy(tiles, g, threads), busy(tiles, best, threads); a < b || a == b && g > best {
					t.Errorf("%d tiles, %d threads: groups of %d take the time of %d tiles, of %d that of %d", tiles, threads, best, b, g, a)
				}
			}
		}
	}
}
