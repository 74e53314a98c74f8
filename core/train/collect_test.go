package train

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// forced is how many collections were asked for, and automatic how many the runtime began.
func forced() (n, automatic uint64) {
	s := []metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}, {Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

// TestCollector: garbage is collected between steps before the runtime begins to, and not
// earlier than it is worth it.
func TestCollector(t *testing.T) {
	ballast := make([]byte, 64<<20)
	runtime.GC()
	var c Collector
	c.Between()
	// From what lives to the goal, in MiB: what other tests left lives, too.
	way := int(c.heap[2].Value.Uint64()-c.heap[0].Value.Uint64()) >> 20
	var keep []byte
	n0, a0 := forced()
	collected := func(after int) bool {
		for range after {
			keep = make([]byte, 1<<20)
			c.next = time.Time{}
			c.Between()
		}
		n, _ := forced()
		return n > n0
	}
	if collected(way * 30 / 100) {
		t.Error("collected when the heap had grown by less than a third")
	}
	if !collected(way * 39 / 100) {
		t.Error("did not collect when the heap was at 0.7 of the way to its goal")
	}
	if n, a := forced(); n != n0+1 || a != a0 {
		t.Errorf("%d collections between steps and %d of the runtime's, want 1 and 0", n-n0, a-a0)
	}
	runtime.KeepAlive(ballast)
	runtime.KeepAlive(keep)
}

// TestCollectOneProcessor: runs of one process may collect at the same time, and every
// collection gives the processors back.
func TestCollectOneProcessor(t *testing.T) {
	procs := max(runtime.GOMAXPROCS(0), 3)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	n0, _ := forced()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				collect()
				if n := Procs(); n != procs {
					t.Errorf("%d processors after a collection, want %d", n, procs)
				}
			}
		})
	}
	wg.Wait()
	if n, _ := forced(); n < n0+20 {
		t.Errorf("%d collections, want 20", n-n0)
	}
}

// TestCollectBesideWork: beside a goroutine at work a collection has all processors. On one it
// takes the other's time slice again and again, seconds for these objects.
func TestCollectBesideWork(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 2)))
	small := make([]*[2]uint64, 50_000)
	for i := range small {
		small[i] = new([2]uint64)
	}
	var stop atomic.Bool
	working := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		close(working)
		for !stop.Load() {
		}
	})
	<-working
	if alone() {
		t.Error("alone beside a goroutine at work")
	}
	gave := make(chan struct{})
	wg.Go(func() { // GOMAXPROCS itself, as the other sees it
		defer close(gave)
		for !stop.Load() {
			if runtime.GOMAXPROCS(0) == 1 {
				t.Error("one processor beside a goroutine at work")
				return
			}
		}
	})
	collect()
	stop.Store(true)
	<-gave
	wg.Wait()
	for end := time.Now().Add(3 * time.Minute); !alone(); { // the runtime's own goroutines rest, too, at some time
		if time.Now().After(end) {
			t.Fatal("never alone")
		}
	}
	runtime.KeepAlive(small)
}

func TestCollectorDue(t *testing.T) {
	for _, c := range []struct {
		live, objects, goal uint64
		since               time.Duration
		want                bool
	}{
		{100, 100, 200, 0, false},
		{100, 159, 200, 0, false},
		{100, 160, 200, 0, true},
		{100, 100, 200, 101 * time.Second, true},
		{100, 1000, math.MaxUint64, time.Hour, false}, // GOGC=off
		{0, 3 << 20, 4 << 20, 0, true},
		{200, 300, 100, 0, false}, // a memory limit has pulled the goal down: the runtime collects all the time
	} {
		if got := due(c.live, c.objects, c.goal, c.since); got != c.want {
			t.Errorf("due(%d, %d, %d, %v) = %v", c.live, c.objects, c.goal, c.since, got)
		}
	}
}
