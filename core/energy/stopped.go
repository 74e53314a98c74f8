package energy

// doubt is a value of a counter that moved by less than power says. Either power is off, and
// the counter moves on, or the counter stopped some time ago: then what it moved by is not
// that of the time until now, and must neither count as such nor teach power its scale.
type doubt struct {
	v      uint64
	at     int64   // ns: when it was read; 0: nothing is doubted
	part   float64 // of what power saw
	before int64   // ns: when the counter had moved last
}

// doubts takes a value that is not believed yet, or is by now known to be a counter's that has
// stopped. What it leaves is fed as any other.
func (g *shaped) doubts(v uint64, at int64) bool {
	x := g.doubt
	switch {
	case x.at == 0:
		part, short := g.short(v, at)
		if short {
			g.doubt, g.readAt = doubt{v, at, part, g.movedAt}, at
		}
		return short
	case v == x.v && at-x.at < g.slack: // read again before it could move
		return true
	}
	g.doubt = doubt{}
	if v != x.v || g.movedAt != x.before {
		return false
	}
	g.stopped(x, at)
	return true
}

// short reports whether a value lacks more of what power saw, all of the time since the counter
// moved, than power may be off and an old value may lack; and which part it has.
func (g *shaped) short(v uint64, at int64) (part float64, short bool) {
	from := g.movedAt
	if v <= g.last || g.blind || g.ahead.uj <= 0 || g.ahead.covered < at-from || !g.plausible(v-g.last, at-from) {
		return 0, false
	}
	has, all := float64(v-g.last), float64(g.ahead.uj)
	old := float64(g.lag) * float64(max(g.point.last, g.point.second)) / 1e9
	return has / all, all-has > g.mistrust()*all+2*old
}

// stopped takes a value as that of when the counter stopped: where power had come to as much.
// What power told since then stays told.
func (g *shaped) stopped(x doubt, at int64) {
	was := g.tally
	g.counter.feed(x.v, x.before+int64(x.part*float64(x.at-x.before)))
	g.counter.feed(x.v, at)
	g.base.uj, g.base.covered = g.base.uj+g.uj-was.uj, g.base.covered+g.covered-was.covered
	g.whole(x.before) // power saw all of it
	g.blind, g.readAt, g.ahead, g.old = true, at, tally{}, 0
	g.reads += 2
	g.tell()
}
