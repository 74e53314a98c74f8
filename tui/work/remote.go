package work

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"pare/sessions"
	"pare/tui/theme"
)

// Terminal is one that is not the program's own: that of a watcher from afar.
type Terminal struct {
	In   io.Reader
	Out  io.Writer
	W, H int
	// Resized gives new sizes; it may be nil.
	Resized <-chan Size
	// Env is the terminal's environment, KEY=value. Nothing of the program's is used.
	Env []string
}

// Size is that of a terminal, in cells.
type Size struct{ W, H int }

// Bounds of a terminal from afar: a frame takes memory and time by its cells.
const (
	mostW = 500
	mostH = 200
)

func (s Size) bounded() Size { return Size{min(max(s.W, 1), mostW), min(max(s.H, 1), mostH)} }

// Watch shows a session on a terminal of somebody else's until they leave or ctx ends. It
// changes nothing: neither the run, nor other sessions, nor a file of this machine (but for the
// index of a long log, see sessions.Present).
func Watch(ctx context.Context, o Options, s *sessions.Session, t Terminal) error {
	o.ReadOnly, o.remote = true, true
	src, err := o.follows(s)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // only read from
	return watchFrom(ctx, o, src, t)
}

// watchFrom shows what src tells.
func watchFrom(ctx context.Context, o Options, src source, t Terminal) error {
	getenv := func(key string) string {
		for _, kv := range t.Env {
			if v, ok := strings.CutPrefix(kv, key+"="); ok {
				return v
			}
		}
		return ""
	}
	mode, ascii := theme.FromEnv(theme.Auto, false, getenv)
	d := newDesk(o, mode, ascii)
	d.follow(src)
	out := &counted{Writer: t.Out}
	d.frames = &frames{to: out}
	d.cost.since, d.cost.bytes = time.Now(), out.n.Load
	size := Size{t.W, t.H}.bounded()
	p, end := newProgram(ctx, d,
		tea.WithContext(ctx), tea.WithInput(t.In), tea.WithOutput(d.frames), tea.WithEnvironment(t.Env), tea.WithColorProfile(colorprofile.Env(t.Env)),
		tea.WithWindowSize(size.W, size.H), tea.WithoutSignalHandler())
	defer end()
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case s, ok := <-t.Resized:
				if !ok {
					return
				}
				s = s.bounded()
				p.Send(tea.WindowSizeMsg{Width: s.W, Height: s.H})
			case <-over:
				return
			}
		}
	}()
	_, err := p.Run()
	switch {
	case errors.Is(err, tea.ErrProgramPanic): // its text and stack are on stderr
		return ErrPanic
	case err != nil && (ctx.Err() != nil || errors.Is(err, tea.ErrProgramKilled)):
		return nil // they hung up
	}
	return err
}

// ErrPanic says that a screen ended by a fault of its own.
var ErrPanic = errors.New("the screen failed")

// counted counts what is written.
type counted struct {
	io.Writer
	n atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n.Add(int64(n))
	return n, err
}
