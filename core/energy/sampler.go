package energy

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sort"
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
	// patience is how long a caller waits for a fresh sample, in so many turns: of a time in
	// which the whole process stood still only one turn is lost.
	patience      = 50 * time.Millisecond
	patienceTurns = 5
	// closePatience is how long close waits for a reading that hangs.
	closePatience = 2 * time.Second
)

// point is the sum over all inputs at one time, and each of them.
type point struct {
	at int64 // ns
	tally
	each []tally // in the order of the inputs; nil when there is one
}

// snapshot is a point and, once they are known, the two readings after it: each the points
// that it told of, the last one its own. Marks hold snapshots; because the later points are
// stored by value, an old mark keeps no chain of samples alive. The second one is needed by
// marks made while a reading was under way: the first may then lie before the mark, the
// second cannot.
type snapshot struct {
	point
	next [2][]point       // next[i] is valid when done[i] is closed
	done [2]chan struct{} // closed when next[i] is there
}

func newSnapshot(p point) *snapshot {
	return &snapshot{point: p, done: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
}

type trouble struct {
	text     string
	readable bool
}

// sampler reads the inputs of one part of the meter in one goroutine and
// publishes snapshots. Each part has its own, so that a source that hangs takes
// no other with it.
type sampler struct {
	now      func() int64
	base     int64 // period asked for, ns
	longest  int64 // never slower than this, ns
	boundary string
	n        int          // inputs
	lag      int64        // the largest of the inputs, ns
	old      int64        // the same of those that do not reckon with it themselves
	shapes   bool         // there are shaped counters among the inputs
	most     float64      // the inputs are never above it together, W
	band     float64      // the widest of the inputs, ± %
	manual   bool         // tests: no goroutine
	clock    func() int64 // tests: CPU time of this thread, ns
	spent    atomic.Int64 // what readings took by it, ns
	rounds   atomic.Int64 // these readings
	points   atomic.Int64 // told

	latest atomic.Pointer[snapshot]
	before *snapshot    // the one before latest
	period atomic.Int64 // ns now

	costs [8]int64 // ns that the last readings took
	round int

	kick    chan struct{}
	sharp   atomic.Bool // the kick is of an edge: seldom read counters are read, too, unless they just were
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	mu     sync.Mutex // guards inputs between reading rounds and troubles()
	inputs []*input
}

// startSampler starts on inputs that hold the value they were found with. It reads
// them once itself: finding other sources may have taken a while.
func startSampler(o Options, boundary string, inputs []*input) *sampler {
	s := &sampler{
		now: o.now, base: int64(o.Period), n: len(inputs), manual: o.manual, clock: o.threadCPU, boundary: boundary, inputs: inputs,
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.longest = int64(o.Period) * slowest
	at := s.now()
	among := int64(0)
	for _, in := range inputs {
		if _, ok := in.gauge.(*shaped); ok {
			among++
		}
	}
	for _, in := range inputs {
		if g, ok := in.gauge.(*shaped); ok {
			g.among, s.shapes = among, true
		}
		in.anchor(in.value, in.found)
		in.good = in.found
		at = min(at, in.found)
		s.longest = min(s.longest, int64(in.every()))
		s.lag, s.band = max(s.lag, in.lag), max(s.band, in.band)
		if _, ok := in.gauge.(*shaped); !ok {
			s.old = max(s.old, in.lag)
		}
		s.most += in.most()
	}
	s.period.Store(min(s.base, s.longest))
	p := point{at: at}
	if len(inputs) > 1 {
		p.each = make([]tally, len(inputs))
	}
	s.latest.Store(newSnapshot(p))
	s.sample()
	if s.manual {
		close(s.stopped)
	} else {
		go s.run()
	}
	return s
}

// shortest is the least window that can be measured, ns, from Edge to Edge: those
// are sampled, however long reading is put off in between.
func (s *sampler) shortest() int64 { return 2 * max(min(s.base, s.longest), s.lag) }

// tier is the worst of the inputs.
func (s *sampler) tier() Tier {
	t := TierNone
	for _, in := range s.inputs {
		t = t.Worse(in.tier)
	}
	return t
}

// run is the one goroutine.
func (s *sampler) run() {
	defer close(s.stopped)
	t := time.NewTimer(time.Duration(s.period.Load()))
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			s.read(true)
			return
		case <-s.kick:
		case <-t.C:
		}
		s.timed(s.sharp.Swap(false))
		t.Reset(time.Duration(s.period.Load()))
	}
}

// wake asks for a reading now.
func (s *sampler) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // one is on its way
	}
}

// timed reads, and where tests ask for it counts what that takes of its thread.
func (s *sampler) timed(sharp bool) {
	if s.clock == nil {
		s.read(sharp)
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	from := s.clock()
	s.read(sharp)
	s.spent.Add(s.clock() - from)
	s.rounds.Add(1)
}

// sample is a reading like any other.
func (s *sampler) sample() { s.read(false) }

// read reads every input once and publishes the sum. What is costly to read is left out
// unless it is due: sooner where the reading is to be sharp.
func (s *sampler) read(sharp bool) {
	t0 := s.now()
	for _, in := range s.inputs {
		in.take(s.now, sharp)
	}
	t1 := s.now()
	p := point{at: t0 + (t1-t0)/2}
	prev := s.latest.Load()
	if p.at <= prev.at {
		return // two readings within one tick of the clock
	}
	s.mu.Lock()
	told := s.passed(prev.at, p.at)
	for _, in := range s.inputs {
		in.give(p.at, prev.at)
	}
	p = s.sum(p.at)
	told = append(told, p)
	s.adapt(t1 - t0)
	s.mu.Unlock()
	s.points.Add(int64(len(told)))
	// The new snapshot first: a mark made between the two steps holds the old one
	// and is served by its next point.
	s.latest.Store(newSnapshot(p))
	prev.next[0] = told
	close(prev.done[0])
	if s.before != nil {
		s.before.next[1] = told
		close(s.before.done[1])
	}
	s.before = prev
}

// sum is what all inputs have told up to now.
func (s *sampler) sum(at int64) point {
	p := point{at: at}
	if s.n > 1 {
		p.each = make([]tally, s.n)
	}
	for i, in := range s.inputs {
		t := in.total()
		p.add(t)
		if p.each != nil {
			p.each[i] = t
		}
	}
	return p
}

// adapt takes in what a reading cost, ns, without what collecting did, which has its own time.
// It stretches the period when reading is slow, so that it takes at most one
// part in readShare of the sampler's time, within the limit that wraps set. The
// least of the last readings counts: a single one may have been held up by the
// work that is being measured.
func (s *sampler) adapt(cost int64) {
	for _, in := range s.inputs {
		if in.way != nil {
			cost -= in.way.spent
		}
	}
	s.costs[s.round%len(s.costs)] = cost
	s.round++
	least := slices.Min(s.costs[:]) * readShare
	if s.shapes {
		least = median(s.costs) * shapeShare
	}
	if rest := s.rest(); rest > 0 {
		s.period.Store(rest)
		return
	}
	s.period.Store(min(max(s.base, least), s.longest))
}

// median of what readings took.
func median(costs [8]int64) int64 {
	slices.Sort(costs[:])
	return costs[len(costs)/2]
}

// edge is the sum at a mark, interpolated in its sample interval.
type edge struct {
	point
	slack   float64 // µJ by which uj may be off because power may vary in between
	power   float64 // W, mean between the samples around the mark; 0 where it is not known
	sampled bool    // a sample after the mark exists
}

// edge resolves a mark that holds snapshot sn and was made at time at. It is a
// function of the mark alone once a sample after the mark exists (while a counter is
// lost, once it is back), so neighbouring windows add up to the microjoule.
func (s *sampler) edge(sn *snapshot, at int64) edge {
	e := edge{point: sn.point}
	if !s.await(sn.done[0]) {
		return e
	}
	told := sn.next[0]
	if last := told[len(told)-1]; at > last.at {
		e.point = last
		if !s.await(sn.done[1]) {
			return e
		}
		told = sn.next[1]
	}
	k := sort.Search(len(told)-1, func(k int) bool { return told[k].at >= at })
	n := told[k]
	if k > 0 {
		e.point = told[k-1]
	}
	e.sampled = true
	from, span, part := e.point, n.at-e.at, at-e.at
	part = min(max(part, 0), span)
	d := n.uj - e.uj
	e.tally = from.toward(n.tally, part, span)
	if from.each != nil {
		// Each is rounded down by itself; the sum is the sum of the parts.
		e.each, e.uj = make([]tally, s.n), 0
		for i, t := range from.each {
			e.each[i] = t.toward(n.each[i], part, span)
			e.uj += e.each[i].uj
		}
	}
	e.slack, e.power = apart(d, part, span, s.most), float64(d)/float64(span)*1000
	if n.reads == from.reads {
		e.slack += math.Sqrt(3 * max(0, n.rough-from.rough)) // power jumped here, on either side of the mark
	}
	s.bridge(&e, at)
	return e
}

// bridge puts right an edge that lies where a counter went on unseen: the samples
// there hold what was read before, the one after it holds everything at once.
func (s *sampler) bridge(e *edge, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, in := range s.inputs {
		c := in.counter()
		if c == nil {
			continue
		}
		g, ok := c.within(at)
		if !ok {
			continue
		}
		t, slack := g.at(at, c.most())
		if e.each == nil {
			e.uj, e.covered, e.slack = t.uj, t.covered, slack
			continue
		}
		e.slack += slack
		e.uj += t.uj - e.each[i].uj
		e.covered += t.covered - e.each[i].covered
		e.each[i].uj, e.each[i].covered = t.uj, t.covered
	}
}

// ask wants a sample soon, unless the latest is about as fresh as a new one would be:
// period/readShare is no less than what reading takes. The one before the mark alone,
// however near, does not do: the next may be a period away.
func (s *sampler) ask() {
	if s.manual || s.now()-s.latest.Load().at < s.period.Load()/readShare {
		return
	}
	s.sharp.Store(true)
	s.wake()
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
		s.wake()
	}
	t := time.NewTicker(patience / patienceTurns)
	defer t.Stop()
	for range patienceTurns {
		select {
		case <-done:
			return true
		case <-s.stopped:
		case <-t.C:
			continue
		}
		break
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
		s.read(true)
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
