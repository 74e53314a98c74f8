package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// spin is how long a worker looks for work, and the caller for the end of it,
// before going to sleep. Between two regions of a plan pass a few microseconds;
// waking a thread takes tens, in a virtual machine up to 150.
const spin = 100 * time.Microsecond

// A worker that finds itself on the caller's processor for longer than together
// moves away: some kernels leave both there for seconds while another is idle. After
// a stop of the world both may be there for a moment, and the caller elsewhere in the
// next. On a busy machine there may be a reason, so it must be rarer than apart.
const (
	together = 2 * time.Millisecond
	apart    = 20 * time.Millisecond
)

// company is since when a worker runs on the caller's processor, zero if it does not,
// and when it last moved away.
type company struct{ since, moved time.Time }

// leave says whether a worker that still runs there now should move away.
func (c *company) leave(now time.Time) bool {
	if c.since.IsZero() {
		c.since = now
	}
	if now.Sub(c.since) < together || now.Sub(c.moved) < apart {
		return false
	}
	*c = company{moved: now}
	return true
}

// pool is a set of persistent workers that share the tasks of one run at a
// time. Which worker gets which task is open, so results must depend on the
// task alone; the worker's number is for its scratch memory only. But even workers
// take tasks from the front and odd ones from the back: of two workers each mostly gets
// the same tasks from step to step, and of the same part of the batch from region to
// region, so that what it wrote is still in its own caches. It takes what is the other's
// only if that is later by more than a task: two that took each other's tasks as soon as
// they could would both be slow from then on, each with the other's values to fetch.
// A run allocates nothing.
type pool struct {
	workers []*worker // without the caller, who is worker 0
	f       func(task, worker int)
	from    int // what is added to the number of a task
	quit    atomic.Bool
	done    chan struct{}
	_       [64]byte
	// state is the run's number and the tasks that are not handed out, from the next
	// at the front to the end: one word, so that a worker that comes late to a run can
	// never take a task of it in the name of the next one.
	state atomic.Uint64
	_     [56]byte
	// ends is where the front workers' own tasks end and those of the others begin: whoever
	// reads those of another run fails to take a task.
	ends [2]atomic.Int64
	left atomic.Int64 // tasks not finished
	cpu  atomic.Int32 // the caller's processor when the run started
	rest atomic.Int32 // 0: somebody works; 1: the caller sleeps; 2: all done
}

// Bits of pool.state: next task, end of the tasks, number of the run.
const (
	taskBits = 21
	maxTasks = 1<<taskBits - 1
)

// worker sleeps on wake; asleep is set while it may.
type worker struct {
	wake   chan struct{}
	asleep atomic.Bool
	_      [48]byte // keep flags of two workers on two cache lines
}

// newPool starts threads − 1 workers.
func newPool(threads int) *pool {
	p := &pool{done: make(chan struct{}, 1)}
	for i := 1; i < threads; i++ {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go p.serve(w, i)
	}
	return p
}

// threads is the number of workers, the caller of run among them.
func (p *pool) threads() int { return len(p.workers) + 1 }

// run calls f(task, worker) for every task below n and returns when all have
// returned. own tasks at each end belong to the workers that take tasks there. Only one
// run at a time; f must not call run.
func (p *pool) run(n, own int, f func(task, worker int)) {
	if n <= 1 || len(p.workers) == 0 {
		for i := range n {
			f(i, 0)
		}
		return
	}
	for from := 0; from < n; from += maxTasks {
		p.part(min(n-from, maxTasks), from, own, f)
	}
}

// part runs the n tasks from number from on.
func (p *pool) part(n, from, own int, f func(task, worker int)) {
	p.f, p.from = f, from // nobody looks: all tasks of the last run are taken
	if p.threads()%2 == 1 {
		own = 0 // more workers at one end than at the other
	}
	own = min(own, n/2)
	p.ends[0].Store(int64(own))
	p.ends[1].Store(int64(n - own))
	p.left.Store(int64(n))
	p.rest.Store(0)
	p.cpu.Store(int32(processor()))
	p.publish(n, n-1)
	p.work(0)
	// Not left == 0: whoever finished the last task still writes to rest.
	if !until(spin, func() bool { return p.rest.Load() == 2 }) && p.rest.CompareAndSwap(0, 1) {
		<-p.done
	}
}

// publish starts run number + 1 of n tasks and wakes at most wake workers.
func (p *pool) publish(n, wake int) {
	number := p.state.Load()>>(2*taskBits) + 1
	p.state.Store(number<<(2*taskBits) | uint64(n)<<taskBits)
	for _, w := range p.workers[:min(wake, len(p.workers))] {
		if w.asleep.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// close ends the workers; the pool must be idle.
func (p *pool) close() {
	p.quit.Store(true)
	p.publish(0, len(p.workers))
}

// serve is the life of a worker.
func (p *pool) serve(w *worker, number int) {
	var caller company
	last := uint64(0)
	run := func() uint64 { return p.state.Load() >> (2 * taskBits) }
	for {
		if !until(spin, func() bool { return run() != last }) {
			w.asleep.Store(true)
			if run() == last || !w.asleep.CompareAndSwap(true, false) {
				<-w.wake // somebody took back asleep and sends, now or later
			}
		}
		last = run()
		if p.quit.Load() {
			return
		}
		if here := processor(); here < 0 || here != int(p.cpu.Load()) {
			caller.since = time.Time{}
		} else if caller.leave(time.Now()) {
			leave(here)
		}
		p.work(number)
	}
}

// work takes tasks until there are none; whoever finishes the last one wakes
// the caller if it sleeps.
func (p *pool) work(worker int) {
	back, late := worker%2 == 1, false
	now, longest, done := time.Now(), time.Duration(0), 0
	for {
		s := p.state.Load()
		next, end := int(s&maxTasks), int(s>>taskBits&maxTasks)
		if next >= end {
			break
		}
		task, rest, mine := next, s+1, next < int(p.ends[1].Load())
		if back {
			task, rest, mine = end-1, s-1<<taskBits, end > int(p.ends[0].Load())
		}
		if !mine && !late {
			over := func() bool { s := p.state.Load(); return s&maxTasks >= s>>taskBits&maxTasks }
			late = !until(longest, over)
			continue
		}
		if p.state.CompareAndSwap(s, rest) {
			p.f(p.from+task, worker)
			done++
			start := now
			now = time.Now()
			longest = max(longest, now.Sub(start))
		}
	}
	if done > 0 && p.left.Add(-int64(done)) == 0 && !p.rest.CompareAndSwap(0, 2) {
		p.done <- struct{}{}
	}
}

// until spins, giving way to other goroutines now and then, until ok or the
// time is over.
func until(most time.Duration, ok func() bool) bool {
	var start time.Time
	for i := 0; ; i++ {
		if ok() {
			return true
		}
		if i&31 != 31 {
			continue
		}
		runtime.Gosched()
		switch now := time.Now(); {
		case start.IsZero():
			start = now
		case now.Sub(start) > most:
			return false
		}
	}
}
