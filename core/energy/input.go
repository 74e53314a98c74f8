package energy

// input is one gauge with what it is read from.
type input struct {
	gauge
	label string                 // "package-0", "GPU 0"
	path  string                 // file, or what names it in Status.Path
	tier  Tier                   // of its joules
	ram   bool                   // these are the memory's
	lag   int64                  // ns by which what is read may be old
	band  float64                // ± % of all its joules: of a model
	read  func() (uint64, error) // µJ of a counter, µW of power
	watts func() (uint64, error) // µW: of a shaped counter, in between
	way   *course                // of that power, where the driver notes it; else nil
	value uint64                 // the value to start from; scratch of a round
	found int64                  // ns: when that was read
	err   error                  // scratch of a round
	left  bool                   // scratch of a round: the counter was not read
	lit   bool                   // scratch of a round: power was read
	power uint64                 // scratch of a round: what it said
	lost  error                  // the last reading's error, for troubles
	good  int64                  // ns: when it last gave a figure
	mute  int                    // rounds since
}

// take reads what is due, without telling the gauge yet: the inputs of a part are read one
// right after the other.
func (in *input) take(now func() int64, sharp bool) {
	g, ok := in.gauge.(*shaped)
	if !ok {
		in.value, in.err = in.read()
		return
	}
	if in.way != nil {
		in.way.fresh, in.way.spent = nil, 0
	}
	if in.lit = g.shapes(); in.lit {
		if in.way != nil {
			in.way.collect(now)
		}
		v, err := in.watts()
		in.power, in.lit = v, err == nil
	}
	t := now()
	if in.left = !g.wants(t, sharp, in.lit); !in.left {
		in.value, in.err = in.read()
		g.cost(now() - t)
	}
}

// give tells the gauge what was read, as of at; before is when the sample before was taken.
func (in *input) give(at, before int64) {
	in.mute++
	in.hand(at, before)
	if in.good == at {
		in.mute = 0
	}
}

func (in *input) hand(at, before int64) {
	g, ok := in.gauge.(*shaped)
	if ok {
		if in.lit && in.way != nil {
			in.follow(g, at)
		}
		if in.lit && g.power(in.power, at) {
			in.good = at
		}
		if in.left {
			return
		}
	}
	if in.lost = in.err; in.err != nil {
		if ok {
			g.failed(at)
		}
		return
	}
	was := in.total().rejected
	if in.feed(in.value, at); in.total().rejected == was {
		in.good = at
	}
	if c := in.counter(); c != nil {
		c.whole(before)
	}
}

// counter is the hardware counter within the gauge; nil for power.
func (in *input) counter() *counter {
	switch g := in.gauge.(type) {
	case *counter:
		return g
	case *shaped:
		return &g.counter
	}
	return nil
}
