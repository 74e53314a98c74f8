package work

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/chart"
	"pare/tui/theme"
)

// replayPeriod is how often a replay is looked at: it is watched for its motion.
const replayPeriod = 100 * time.Millisecond

// slowPeriod is that of a thin line.
const slowPeriod = time.Second

// replay is a source that shows again what was recorded. Nothing can be sent to it.
type replay struct {
	r   *sessions.Replay
	now func() time.Time // nil is time.Now; tests have their own
}

var errReplay = errors.New("this is a replay: nothing can be changed; `pare attach` is for runs that go on")

func (p *replay) ID() string                               { return p.r.Session().ID }
func (p *replay) Send(context.Context, core.Command) error { return errReplay }
func (p *replay) Alive() bool                              { return true } // what it shows has not ended yet
func (p *replay) Problem(context.Context) string           { return "" }
func (p *replay) Watching() string                         { return "" }
func (p *replay) Start() error                             { return errReplay }
func (p *replay) Recipe() (*core.Recipe, error)            { return p.r.Session().Recipe() }
func (p *replay) Close() error                             { return p.r.Close() }
func (p *replay) Next(max int) ([]event.Event, error)      { es, _, err := p.NextOf(max); return es, err }

// NextOf is Next with the count of seeks the events belong to.
func (p *replay) NextOf(max int) ([]event.Event, int, error) { return p.r.Next(p.time(), max) }

func (p *replay) time() time.Time {
	if p.now != nil {
		return p.now()
	}
	return time.Now()
}

func (d *desk) replaying() bool { return d.run != nil && d.run.replay != nil }

// Replay shows a session again. Nothing of it is changed.
func Replay(o Options, r *sessions.Replay) error {
	_, err := show(o, &replay{r: r})
	return err
}

// rewind begins the fold anew, after a seek; what was chosen to be seen stays.
func (d *desk) rewind(gen int) {
	old := d.run
	d.run = &watch{src: old.src, replay: old.replay, kept: map[string]inForce{}, recipe: old.recipe, gen: gen, stand: old.stand, listed: old.listed}
	d.look.stage, d.look.win, d.look.cursor = 0, chart.Window{}, nil
	d.toast = toast{}
	d.touch()
}

// clock is the time by which the run goes: of a replay, the recorded one.
func (d *desk) clock() time.Time {
	if d.replaying() {
		return d.run.stand.At
	}
	return d.now
}

// period is how often the log is sampled.
func (d *desk) period() time.Duration {
	switch {
	case d.o.Slow:
		return slowPeriod
	case d.replaying():
		return replayPeriod
	}
	p := period
	if d.o.Hz > 0 {
		p = time.Second / time.Duration(d.o.Hz)
	}
	return p * d.frugal.times(d.now, d.cost.cpu, d.run.cores())
}

// tickReplay draws the replay's own clock.
func (d *desk) tickReplay() {
	s := d.run.replay.Stand()
	was := d.run.stand
	if s != was {
		d.dirty = true
	}
	if s.Ended != was.Ended || s.Paused != was.Paused || s.Speed != was.Speed {
		d.touch()
	}
	if s.Ended && !d.run.stand.Ended {
		d.toast = toast{} // of what was passed on the way
	}
	d.run.stand = s
}

func (d *desk) holdReplay() {
	r := d.run.replay
	r.Pause(d.run.src.(*replay).time(), !r.Stand().Paused)
	d.tickReplay()
}

func (d *desk) canHold() string {
	if d.run.stand.Ended {
		return "the replay is over: press 1 to see it again"
	}
	return ""
}

func holdText(d *desk) string {
	if d.run.stand.Paused {
		return "go on"
	}
	return "pause"
}

// pace changes the speed by a factor.
func (d *desk) pace(by float64) {
	x := min(max(d.run.replay.Stand().Speed*by, sessions.MinSpeed), sessions.MaxSpeed)
	if err := d.run.replay.SetSpeed(x); err != nil {
		d.warn(theme.Bad, err.Error())
	}
	d.tickReplay()
}

// seek goes to where a stage begins.
func (d *desk) seek(s event.Stage) {
	if s = min(max(s, event.Baseline), event.Deploy); d.run.replay == nil {
		return
	}
	if err := d.run.replay.Seek(s); err != nil {
		d.say(theme.Warn, err.Error())
	}
	d.tickReplay()
}

// speedText prints a speed: ×20.
func speedText(x float64) string { return "×" + strconv.FormatFloat(x, 'g', 4, 64) }

// replayBadge is what stands where a live run has its status.
func (d *desk) replayBadge() (word, glyph string, tok theme.Token) {
	s := d.run.stand
	switch {
	case s.Ended:
		return "replay, at its end", d.th.G.Check, theme.Warn
	case s.Paused:
		return "replay " + speedText(s.Speed) + ", paused", d.th.G.Paused, theme.Warn
	}
	return "replay " + speedText(s.Speed), d.th.G.Arrow, theme.Warn
}

// replaySaying is what the bar says of a replay: always that it is one.
func (d *desk) replaySaying() (saying, bool) {
	s := d.run.stand
	word, why := d.run.status()
	when := "recorded " + s.Begun.Local().Format("2006-01-02 15:04")
	switch {
	case d.run.damage != "":
		return saying{"replay:", theme.Warn, d.run.damage, theme.Bad}, true
	case s.Ended && d.run.st.Done != nil:
		return saying{"replay, at its end:", theme.Warn, d.th.Clean(d.run.st.Done.Text) + "; " + when, 0}, true
	case s.Ended:
		return saying{"replay, at its end:", theme.Warn, "the record stops here; " + when, 0}, true
	case s.Paused:
		return saying{"replay, paused:", theme.Warn, "space goes on; " + when, 0}, true
	case word == statusWaiting:
		return saying{"replay:", theme.Warn, "here the run waited for a person: " + why, 0}, true
	case word == statusPaused:
		return saying{"replay:", theme.Warn, "here the run was paused: " + d.run.st.PausedFor(), 0}, true
	}
	return saying{}, false
}

// replayBar is how far the replay is, in the run's time.
func (d *desk) replayBar(w int) string {
	th, s := d.th, d.run.stand
	share := 0.0
	if s.Long > 0 {
		share = float64(s.Past) / float64(s.Long)
	}
	clock := fmt.Sprintf("%s of %s", chart.Duration(s.Past), chart.Duration(s.Long))
	label := " " + th.Paint(theme.Warn, "replay") + " " + clock + "  "
	n := w - theme.Width(th.Tr(label)) - 1
	if n < 10 {
		return th.Fit(label+speedText(s.Speed), w)
	}
	if n >= 60 {
		tail := "  recorded " + s.Begun.Local().Format("2006-01-02 15:04")
		return th.Fit(label+chart.Bar(th, share, n-theme.Width(tail))+th.Paint(theme.Dim, tail), w)
	}
	return th.Fit(label+chart.Bar(th, share, n), w)
}
