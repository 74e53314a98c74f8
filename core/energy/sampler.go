package energy

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readShare is the largest share of its time the sampler spends reading.
	readShare = 1000
	// slowest is by how much a slow reading may stretch the period.
	slowest = 10
	// patience is how long a caller waits for a fresh sample.
	patience = 50 * time.Millisecond
	// closePatience is how long close waits for a reading that hangs.
	closePatience = 2 * time.Second
)

// point is the sum over all counters at one time.
type point struct {
	at                      int64 // ns
	uj                      int64 // since the start
	covered                 int64 // ns, summed over the counters
	rejected, wraps, resets int
}

// snapshot is a point and, once they are known, the two after it. Marks hold
// snapshots; because the later points are stored by value, an old mark keeps no
// chain of samples alive. The second one is needed by marks made while a reading
// was under way: the first may then lie before the mark, the second cannot.
type snapshot struct {
	point
	next [2]point         // next[i] is valid when done[i] is closed
	done [2]chan struct{} // closed when next[i] is there
}

func newSnapshot(p point) *snapshot {
	return &snapshot{point: p, done: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
}

// input is one counter with the file it is read from.
type input struct {
	counter
	label, path string
	value       uint64 // scratch of a round
	err         error  // scratch of a round
	lost        error  // the last round's error, for troubles
}

type trouble struct {
	text     string
	readable bool
}

// sampler reads the counters in one goroutine and publishes snapshots.
type sampler struct {
	files    sysfs
	now      func() int64
	base     int64 // period asked for, ns
	longest  int64 // never slower than this, ns
	boundary string
	n        int  // counters
	manual   bool // tests: no goroutine

	latest atomic.Pointer[snapshot]
	before *snapshot    // the one before latest
	period atomic.Int64 // ns now

	costs [8]int64 // ns that the last readings took
	round int

	kick    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu     sync.Mutex // guards inputs between reading rounds and troubles()
	inputs []*input
}

func startSampler(o Options, zones []*zone) *sampler {
	s := &sampler{
		files: o.files, now: o.now, base: int64(o.Period), n: len(zones), manual: o.manual,
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.longest = int64(o.Period) * slowest
	at := s.now()
	packages, memory := 0, false
	for _, z := range zones {
		in := &input{label: z.label, path: z.file()}
		in.max, in.capW, in.stale = z.max, o.MaxWatts, int64(o.Stale)
		in.anchor(z.value, at)
		s.inputs = append(s.inputs, in)
		s.longest = min(s.longest, int64(in.wrapTime())/2)
		if z.pkg {
			packages++
		} else {
			memory = true
		}
	}
	s.boundary = "CPU package"
	if packages > 1 {
		s.boundary = fmt.Sprintf("%d CPU packages", packages)
	}
	if memory {
		s.boundary += " and memory"
	}
	s.boundary += ", all processes"
	s.period.Store(min(s.base, s.longest))
	s.latest.Store(newSnapshot(point{at: at}))
	if s.manual {
		close(s.stopped)
	} else {
		go s.run()
	}
	return s
}

// run is the one goroutine.
func (s *sampler) run() {
	defer close(s.stopped)
	t := time.NewTimer(time.Duration(s.period.Load()))
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			s.sample()
			return
		case <-s.kick:
		case <-t.C:
		}
		s.sample()
		t.Reset(time.Duration(s.period.Load()))
	}
}

// sample reads every counter once and publishes the sum.
func (s *sampler) sample() {
	t0 := s.now()
	for _, in := range s.inputs {
		in.value, in.err = readValue(s.files, in.path)
	}
	t1 := s.now()
	p := point{at: t0 + (t1-t0)/2}
	prev := s.latest.Load()
	if p.at <= prev.at {
		return // two readings within one tick of the clock
	}
	s.mu.Lock()
	for _, in := range s.inputs {
		if in.lost = in.err; in.err == nil {
			in.feed(in.value, p.at)
		}
		p.uj += in.uj
		p.covered += in.covered
		p.rejected += in.rejected
		p.wraps += in.wraps
		p.resets += in.resets
	}
	s.mu.Unlock()
	s.adapt(t1 - t0)
	// The new snapshot first: a mark made between the two steps holds the old one
	// and is served by its next point.
	s.latest.Store(newSnapshot(p))
	prev.next[0] = p
	close(prev.done[0])
	if s.before != nil {
		s.before.next[1] = p
		close(s.before.done[1])
	}
	s.before = prev
}

// adapt stretches the period when reading is slow, so that it takes at most one
// part in readShare of the sampler's time, within the limit that wraps set. The
// least of the last readings counts: a single one may have been held up by the
// work that is being measured.
func (s *sampler) adapt(cost int64) {
	s.costs[s.round%len(s.costs)] = cost
	s.round++
	s.period.Store(min(max(s.base, slices.Min(s.costs[:])*readShare), s.longest))
}

// edge is the sum at a mark, interpolated in its sample interval.
type edge struct {
	point
	slack   float64 // µJ by which uj may be off because power may vary in between
	sampled bool    // a sample after the mark exists
}

// edge resolves a mark. It is a function of the mark alone once a sample after
// the mark exists, so neighbouring windows add up to the microjoule.
func (s *sampler) edge(k Mark) edge {
	e := edge{point: k.snap.point}
	if !s.await(k.snap.done[0]) {
		return e
	}
	n := k.snap.next[0]
	if k.at > n.at {
		e.point = n
		if !s.await(k.snap.done[1]) {
			return e
		}
		n = k.snap.next[1]
	}
	e.sampled = true
	span, part := n.at-e.at, k.at-e.at
	part = min(max(part, 0), span)
	d := n.uj - e.uj
	f := float64(part) / float64(span)
	e.uj += scale(d, part, span)
	e.covered += scale(n.covered-e.covered, part, span)
	e.slack = math.Max(f, 1-f) * float64(d)
	if part == 0 || part == span {
		e.slack = 0 // the mark lies on a sample
	}
	return e
}

// await asks for a sample and waits until done is closed; false when the sample
// does not come.
func (s *sampler) await(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	if s.manual {
		s.sample()
	} else {
		select {
		case s.kick <- struct{}{}:
		default: // one is on its way
		}
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-s.stopped:
	case <-t.C:
	}
	select { // it may have come at the same time
	case <-done:
		return true
	default:
		return false
	}
}

// scale is ⌊d·part/span⌋ for 0 ≤ part ≤ span and d ≥ 0, without overflow.
func scale(d, part, span int64) int64 {
	hi, lo := bits.Mul64(uint64(d), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(span)) // hi < span because part ≤ span and d < 2⁶³
	return int64(q)
}

// troubles is what is wrong with each counter now, by path.
func (s *sampler) troubles() map[string]trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[string]trouble{}
	for _, in := range s.inputs {
		switch d := in.standing(); {
		case in.lost != nil:
			m[in.path] = trouble{text: in.label + " " + describe(in.lost)}
		case d > 0:
			m[in.path] = trouble{text: fmt.Sprintf("%s stands still for %v", in.label, d.Round(time.Second)), readable: true}
		}
	}
	return m
}

// trouble is the same in one line.
func (s *sampler) trouble() string {
	var out []string
	m := s.troubles()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k].text)
	}
	return strings.Join(out, "; ")
}

// close takes a last sample and ends the goroutine.
func (s *sampler) close() error {
	if s.manual {
		s.sample()
		return nil
	}
	s.once.Do(func() { close(s.stop) })
	select {
	case <-s.stopped:
		return nil
	case <-time.After(closePatience):
		return fmt.Errorf("energy: the sampler hangs in reading %s", s.inputs[0].path)
	}
}
