package work

import (
	"context"
	"time"

	"pare/tui/theme"
)

// The driver's seat between screens: a watcher asks, the driver gives it or keeps it.

// seater is a source with a seat that goes from screen to screen.
type seater interface {
	Ask(ctx context.Context) error
	Asking() bool
	Asked() string // who asks this screen for the seat
	Refused() bool // once, that it is kept
	Answer(ctx context.Context, give bool) error
}

func (s *session) Ask(ctx context.Context) error               { return s.p.Ask(ctx) }
func (s *session) Asking() bool                                { return s.p.Asking() }
func (s *session) Asked() string                               { return s.p.Asked() }
func (s *session) Refused() bool                               { return s.p.Refused() }
func (s *session) Answer(ctx context.Context, give bool) error { return s.p.Answer(ctx, give) }

// seat is the seat of the run's source; nil where it has none, or this screen only watches.
func (d *desk) seat() seater {
	if d.bound() != "" || d.run == nil || d.replaying() {
		return nil
	}
	s, _ := d.run.src.(seater)
	return s
}

func (d *desk) canAsk() string {
	switch s := d.seat(); {
	case d.bound() != "":
		return d.bound()
	case d.run.watches == "" || d.run.over():
		return "nobody else drives"
	case s == nil:
		return "there is no seat to ask for"
	case d.run.asking:
		return "the driver has been asked; its answer is awaited"
	}
	return ""
}

// askSeat asks the driver.
func (d *desk) askSeat() []effect {
	s := d.seat()
	d.run.asking = true
	d.say(0, "the driver is asked for the seat …")
	return []effect{func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return seatMsg{s.Ask(ctx)}
	}}
}

func (d *desk) canAnswer() string {
	if d.run.asked == "" {
		return "nobody asks for the seat"
	}
	return ""
}

func (d *desk) answerSeat(give bool) []effect {
	s := d.seat()
	d.run.asked = ""
	if give {
		d.say(0, "handed over: this screen watches")
	}
	return []effect{func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return seatMsg{s.Answer(ctx, give)}
	}}
}

// seatMsg tells whether a word about the seat has come through.
type seatMsg struct{ err error }

func (d *desk) onSeat(m seatMsg) {
	if m.err != nil {
		d.warn(theme.Bad, m.err.Error())
	}
	if d.run != nil {
		d.run.asking = d.run.asking && m.err == nil
		d.run.checked = time.Time{} // the next sample looks at the seat
	}
}

// seated takes in how the seat stands, as of the last look.
func (d *desk) seated(asked string, asking, refused bool) {
	if d.run.asking != asking {
		d.run.asking = asking
		d.touch()
	}
	if refused {
		d.warn(theme.Warn, "the driver keeps the seat")
	}
	if asked != d.run.asked {
		d.run.asked = asked
		d.touch()
	}
}
