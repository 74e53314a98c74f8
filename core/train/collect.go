package train

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// Collector collects garbage between steps, before the runtime would begin to in the midst
// of one. A collection stops the world, and a stop waits for every worker: for the end of the
// kernel it is in, and for the signal that asks it to. Between steps no worker runs. The
// collector's own do, on every processor that idles, and a stop waits for these too: a tenth
// of a millisecond from processor to processor, milliseconds where the system has just given
// one to somebody else. So the collection has one processor, and its stops wait for nobody.
// (Trainers of many processes collect between steps for another reason: a rank that collects
// holds up all others; Megatron's --manual-gc.)
//
// The runtime goes on collecting by itself where garbage comes faster than steps.
type Collector struct {
	heap   []metrics.Sample
	next   time.Time // when to look again
	last   time.Time // of the latest collection seen
	cycles uint64    // collections seen
}

const (
	collectFrom  = 0.6                    // of the way to the goal; the runtime begins at 0.7 or later (minTriggerRatioDistance)
	collectAfter = 100 * time.Second      // without a collection; the runtime's is due after 120 s (forcegcperiod)
	collectLook  = 5 * time.Millisecond   // between two looks
	collectRest  = 300 * time.Microsecond // by then all workers have given up looking for work and rest
	collectSweep = 50 * time.Millisecond  // what the runtime's own collection found is swept by then, and no longer counted
)

// Between is to be called where no worker runs. It looks at the heap now and then (some µs)
// and collects if the runtime soon would.
func (c *Collector) Between() {
	now := time.Now()
	if now.Before(c.next) {
		return
	}
	if c.heap == nil {
		c.heap = []metrics.Sample{
			{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/goal:bytes"},
			{Name: "/gc/cycles/total:gc-cycles"},
		}
	}
	metrics.Read(c.heap)
	if n := c.heap[3].Value.Uint64(); n != c.cycles || c.last.IsZero() {
		c.cycles, c.last, c.next = n, now, now.Add(collectSweep)
		return
	}
	c.next = now.Add(collectLook)
	if due(c.heap[0].Value.Uint64(), c.heap[1].Value.Uint64(), c.heap[2].Value.Uint64(), now.Sub(c.last)) {
		collect()
		c.cycles++
		c.last = time.Now()
	}
}

// oneProcessor is held while a collection has but one.
var oneProcessor sync.Mutex

// collect collects on one processor, or on all where another goroutine is at work: a collection
// gives way to it after every few objects, and on one processor would wait out its time each
// time (10 ms). GOMAXPROCS no longer follows the system's limits afterwards; a trainer's
// threads do not either.
func collect() {
	oneProcessor.Lock()
	defer oneProcessor.Unlock()
	for from := time.Now(); time.Since(from) < collectRest; {
		// Not asleep: when a sleeper wakes, the runtime has a second thread look for work.
	}
	if alone() {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	runtime.GC()
}

// alone reports whether no goroutine but the caller runs or could.
func alone() bool {
	s := []metrics.Sample{{Name: "/sched/goroutines/running:goroutines"}, {Name: "/sched/goroutines/runnable:goroutines"}}
	metrics.Read(s)
	return s[0].Value.Uint64()+s[1].Value.Uint64() <= 1
}

// Procs is GOMAXPROCS, and waits for the end of a collection, for which it may be 1.
func Procs() int {
	oneProcessor.Lock()
	defer oneProcessor.Unlock()
	return runtime.GOMAXPROCS(0)
}

// due says whether to collect a heap of so many bytes, of which live were left by the last
// collection that long ago, on the way to the goal. Never without a goal (GOGC=off), and not
// where a memory limit has pulled it below what lives: the runtime collects all the time then.
func due(live, objects, goal uint64, since time.Duration) bool {
	if goal == math.MaxUint64 || goal <= live {
		return false
	}
	return since > collectAfter || float64(objects) >= float64(live)+collectFrom*float64(goal-live)
}
