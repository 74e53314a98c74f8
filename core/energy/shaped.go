package energy

import (
	"math"
	"slices"
	"time"
)

const (
	// counterShare is the largest share of a core that reading a machine's costly counters may
	// take, one part in counterShare; power is read in between. With what is left of it (shapeShare)
	// both stay below one part in readShare.
	counterShare, shapeShare = 5000, 2000
	// edgeShare is the same of the readings that edges ask for in between, those of short
	// epochs say: what power may be off by until then is little beside the counter's age.
	edgeShare = 100
	// learnFrom is the least stretch between two readings of the counter whose joules are
	// held against those of the power: the counter's own steps blur shorter ones.
	learnFrom = 5 * time.Second
	// powerError is by how much power may be off until it has been held against the
	// counter, a share: NVIDIA gives ±5 % (nvidia-smi's manual).
	powerError = 0.05
	// reach is how many times the spacing of its readings a counter may be late before
	// power no longer stands for it.
	reach = 2
)

// shaped is a counter that costs much to read (NVML's: 4 ms of CPU time a call), with a
// power that costs little. The counter tells how many joules, and is read seldom; power
// tells when they were spent in between. What power added is given back as soon as the
// counter is read, so that its error never adds up; what was told already never falls.
//
// Power stands only for a counter that was seen to move at its last reading. After one
// that failed, was impossible or stood still, and where power itself says nothing for
// lossAfter, the counter is read alone, every lossAfter and at every edge. One that moved by
// less than power says is read again before it is believed (see doubt).
type shaped struct {
	counter
	watts integrator
	lag   int64 // ns by which what is read may be old

	among  int64    // counters of this machine that are read like it, it included
	costs  [8]int64 // ns that its last readings took
	round  int
	readAt int64 // ns: last try
	blind  bool  // power does not stand for it

	ahead   tally     // by power since movedAt
	scale   float64   // of power's joules, learned from the counter's
	old     float64   // µJ that the counter's last value may lack because it was old
	offs    []float64 // |power's joules − the counter's| / the counter's, of the last stretches; with what old values may add
	told    tally     // what total says: never falls
	base    tally     // the same when the counter last moved
	powerAt int64     // ns: last valid power
	bright  bool      // the last power was valid
	point   pointed   // the power when it was last told
	doubt   doubt     // a value that is not believed yet
}

// pointed is power (µW) at a point and what was covered until then.
type pointed struct{ last, second, at, covered int64 }

func (g *shaped) anchor(v uint64, at int64) {
	g.counter.anchor(v, at)
	g.scale, g.readAt, g.powerAt, g.slack = 1, at, at, max(g.slack, int64(updateSlack))
	g.among = max(g.among, 1)
	g.unseen = int64(powerEvery) // samples in between hold none of the counter's joules
}

// shapes says whether power stands for the counter: it is wanted, and the counter moved.
func (g *shaped) shapes() bool { return !g.blind && g.spacing() > int64(powerEvery) }

// wants says whether the counter is to be read now, at an edge (sharp) or not, or power
// will do; lit says that power was just read.
func (g *shaped) wants(now int64, sharp, lit bool) bool {
	since := now - g.readAt
	switch {
	case g.doubt.at > 0:
		return now-max(g.doubt.at, g.readAt) >= g.slack
	case sharp:
		return !lit || since >= min(g.spacing(), median(g.costs)*edgeShare*g.among)
	case g.blind || now-g.powerAt > int64(lossAfter) && !(lit && g.bright):
		return since >= min(int64(lossAfter), g.spacing())
	}
	return since >= g.spacing()
}

// spacing is how far apart readings of the counter are, ns.
func (g *shaped) spacing() int64 {
	return min(median(g.costs)*counterShare*g.among, int64(20*time.Second)*min(g.among, 3))
}

// cost takes in how long a reading of the counter took, ns.
func (g *shaped) cost(ns int64) {
	if g.round == 0 {
		for i := range g.costs {
			g.costs[i] = ns
		}
	}
	g.costs[g.round%len(g.costs)] = ns
	g.round++
}

// follow takes in a sample of µW at time at, which nobody is told before the next power.
func (g *shaped) follow(v uint64, at int64) (accepted bool) {
	if at < g.watts.lastAt {
		return false
	}
	was, from := g.watts.tally, g.watts.lastAt
	g.watts.feed(v, at)
	if g.watts.rejected > was.rejected {
		g.rejected++
		return false
	}
	since := at - g.movedAt
	if since <= 0 || since > reach*max(g.spacing(), int64(lossAfter)) {
		return true // noted before the counter was read, which holds it; or too late
	}
	part := min(1, float64(since)/float64(at-from))
	g.ahead.uj += int64(part * g.scale * float64(g.watts.uj-was.uj))
	g.ahead.covered += int64(math.Round(part * float64(g.watts.covered-was.covered)))
	return true
}

// power takes in a sample of µW at time at, and tells what it comes to.
func (g *shaped) power(v uint64, at int64) (accepted bool) {
	if g.bright = g.follow(v, at); !g.bright {
		return false
	}
	was := g.point
	g.powerAt, g.point = at, pointed{g.watts.last, was.last, at, g.watts.covered}
	if at-g.movedAt > reach*max(g.spacing(), int64(lossAfter)) {
		return true
	}
	if g.watts.covered > was.covered && was.at > 0 {
		// The jump came anywhere between the two points, and is seen late.
		jump := float64(g.watts.last-was.last) * (float64(at-was.at)/2 + float64(g.lag)) / 1e9
		g.ahead.rough += jump * jump
	}
	g.tell()
	return true
}

// feed takes the counter's value read at time at. Power read at the same time goes first.
func (g *shaped) feed(v uint64, at int64) {
	if g.doubts(v, at) {
		return
	}
	was, from, rejected, resets := g.uj, g.movedAt, g.rejected, g.resets
	g.readAt = at
	g.counter.feed(v, at)
	g.blind = g.movedAt == from && at-from >= g.slack || g.rejected > rejected || g.resets > resets
	if g.movedAt == from && !g.blind {
		return // read again before it could move
	}
	if d := g.uj - was; d > 0 && g.ahead.uj > 0 && g.ahead.covered >= at-from { // power saw all of it
		g.whole(from)
		if at-from >= int64(learnFrom) {
			off := math.Abs(float64(g.ahead.uj)/float64(d)-1) + 2*float64(g.lag)/float64(at-from)
			g.offs = append(g.offs[max(0, len(g.offs)-3):], off)
			g.scale *= 1 + (float64(d)/float64(g.ahead.uj)-1)/2
		}
	}
	span := max(at-from, 1)
	if g.powerAt == at { // a step of the counter in a short stretch is no power: that is known
		span += g.lag
	}
	g.old = float64(g.lag) * max(float64(g.uj-was)/float64(span), float64(max(g.point.last, g.point.second))/1e9)
	g.ahead = tally{}
	g.reads += 2
	g.tell()
	if n := len(g.gaps); n > 0 && g.gaps[n-1].from == from { // from what was told to what is
		g.gaps[n-1].before, g.gaps[n-1].after = g.base, g.told
	}
	if g.movedAt > from {
		g.base = g.told
	}
}

// failed says that the counter could not be read at time at.
func (g *shaped) failed(at int64) { g.readAt, g.blind = at, true }

// tell brings what is told up to what is known: the counter's joules and power's since.
func (g *shaped) tell() {
	t := g.tally
	t.uj += g.ahead.uj
	t.covered += g.ahead.covered
	t.off, t.rough = int64(g.mistrust()*float64(g.ahead.uj)+g.old), g.ahead.rough
	if over := g.told.uj - t.uj; over > 0 { // too much was told: stay there until it is true
		t.uj, t.over = g.told.uj, over
	}
	t.covered = max(t.covered, g.told.covered)
	g.told = t
}

// mistrust is by how much power may be off, a share.
func (g *shaped) mistrust() float64 {
	if len(g.offs) < 2 {
		return powerError
	}
	return slices.Max(g.offs)
}

func (g *shaped) total() tally { return g.told }

// every is how often the sampler must come by: well before power counts as lost. It comes
// every 100 ms unless power is costly to read, too.
func (g *shaped) every() time.Duration { return lossAfter / 2 }
