package energy

import (
	"fmt"
	"time"
)

const (
	// lossAfter is how long a source may say nothing before it is called lost. What is
	// shorter is bridged, or made up for by a counter that went on.
	lossAfter = time.Second
	// hangAfter is the same for a sampler whose reading does not return.
	hangAfter = 5 * time.Second
)

// Lost is a source of the meter's figure that gives nothing now.
type Lost struct {
	Name string        // "rapl package-0", "GPU 0", "battery", "wall meter FILE"
	Why  string        // "vanished", "stands still", "does not answer"
	For  time.Duration // how long it has said nothing
}

// Lost are the sources in use that have given nothing for a second or more, or for two of
// their periods where those are longer. It takes no reading of its own and may be called
// in every step of a run.
func (m *Meter) Lost() []Lost {
	if m.wall != nil {
		return m.wall.lost(m.now())
	}
	var out []Lost
	for _, p := range m.chosen() {
		out = append(out, p.lostInputs(m.now())...)
	}
	return out
}

func (p *part) lostInputs(now int64) []Lost {
	p.mu.Lock()
	defer p.mu.Unlock()
	read := p.latest.Load().at // what was not read since may well be there: the sampler is late
	silent := time.Duration(now - read)
	after := max(lossAfter, 2*time.Duration(p.period.Load())) // slow sources are read once a second
	var out []Lost
	for _, in := range p.inputs {
		l := Lost{Name: in.label}
		if p.name != "gpu" && in.label != p.source {
			l.Name = p.source + " " + in.label
		}
		switch stood := in.standing(); {
		case silent >= hangAfter:
			l.Why, l.For = "does not answer", silent
		case in.lost != nil:
			l.Why, l.For = describe(in.lost), time.Duration(read-in.good)
		case stood > 0:
			l.Why, l.For = "stands still", stood
		default: // values that are no figure
			l.Why, l.For = "gives impossible values", time.Duration(read-in.good)
		}
		once := in.lost != nil && in.mute < 2 && silent < hangAfter // a reading that fails may be a hiccup
		if l.For >= after && !once {
			out = append(out, l)
		}
	}
	return out
}

// lost says that the file has not gone on for as long as makes a hole in it.
func (w *wallPart) lost(now int64) []Lost {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.start.Add(time.Duration(now)).UnixNano()
	last := func() int64 { return w.log.at[len(w.log.at)-1] }
	hole := max(int64(wallGap), wallGaps*w.log.period)
	if end-last() <= hole {
		return nil
	}
	w.fault = ""
	if err := w.reload(); err != nil {
		w.fault = err.Error()
	}
	if end-last() <= hole {
		return nil
	}
	why := w.fault
	if why == "" {
		why = fmt.Sprintf("has no row after %s", time.Unix(0, last()).UTC().Format(time.RFC3339))
	}
	return []Lost{{Name: w.source(), Why: why, For: time.Duration(end - last())}}
}
