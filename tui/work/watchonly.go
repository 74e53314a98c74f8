package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"pare/core"
	"pare/sessions"
	"pare/tui/chart"
)

// watcher is a run on disk that is only looked at: it never takes the driver's
// seat, so that another screen keeps it or takes it at any time.
type watcher struct{ *session }

var errWatch = errors.New("this screen only watches: attach without --readonly to drive the run")

func (w watcher) Send(context.Context, core.Command) error { return errWatch }
func (w watcher) Start() error                             { return errWatch }
func (w watcher) Watching() string                         { return "" }

func (w watcher) Problem(ctx context.Context) string {
	l, err := w.s.Live(ctx)
	if err != nil {
		return ""
	}
	return l.Problem
}

// follows opens a session as the options say.
func (o *Options) follows(s *sessions.Session) (source, error) {
	src, err := openSession(s)
	if err != nil {
		return nil, err
	}
	if o.ReadOnly {
		return watcher{src}, nil
	}
	return src, nil
}

// bound says why nothing may be changed, "" if it may.
func (d *desk) bound() string {
	if d.o.ReadOnly {
		if d.o.remote {
			return "this screen only watches"
		}
		return "this screen only watches (--readonly)"
	}
	return ""
}

// canSessions says why the list of sessions is closed.
func (d *desk) canSessions() string {
	if d.o.remote {
		return "this screen watches one session"
	}
	return ""
}

// unless adds bound to a reason.
func unless(can func(*desk) string) func(*desk) string {
	return func(d *desk) string {
		if w := d.bound(); w != "" {
			return w
		}
		return can(d)
	}
}

// silent is how long a run that should be at work has said nothing; 0 while that is
// not worth telling. A long epoch of a large model is quiet too: it is no alarm.
func (d *desk) silent() time.Duration {
	if d.replaying() || d.run == nil || d.run.st.At.IsZero() {
		return 0
	}
	if s, _ := d.run.status(); s != statusRunning {
		return 0
	}
	if q := d.now.Sub(d.run.st.At); q >= quietFrom && q < 1000*time.Hour {
		return q.Truncate(time.Second)
	}
	return 0
}

// quietFrom is the silence that is told.
const quietFrom = 15 * time.Second

// quietText is that silence in words.
func (d *desk) quietText() string {
	if q := d.silent(); q > 0 {
		return "last word " + chart.Duration(q) + " ago"
	}
	return ""
}

// layout is what is kept of a screen from one time to the next, for one user.
type layout struct {
	Log  bool    `json:"log"`
	EMA  float64 `json:"ema"`
	View int     `json:"view"`
}

// layoutFile is where it is kept, "" when there is no place for it.
func (o *Options) layoutFile() string {
	if o.Layout != "" {
		return o.Layout
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "pare", "screen.json")
}

// loadLayout takes over what was kept; what cannot be read or makes no sense is
// left out.
func (d *desk) loadLayout() {
	f, err := os.Open(d.o.layoutFile())
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read from
	b, err := io.ReadAll(io.LimitReader(f, 1<<12))
	if err != nil {
		return
	}
	var l layout
	if json.Unmarshal(b, &l) != nil || !(l.EMA >= 0 && l.EMA < 1) || l.View < 0 || l.View >= viewCount {
		return
	}
	d.kept0 = l
	d.look.log, d.look.ema, d.look.view = l.Log, l.EMA, l.View
}

// saveLayout keeps how the charts are shown, if that has changed: written aside and
// renamed, so that two screens never mix.
func (d *desk) saveLayout() error {
	l := layout{d.look.log, d.look.ema, d.look.view}
	path := d.o.layoutFile()
	if l == d.kept0 || path == "" {
		return nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.tmp-%d", path, os.Getpid())
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp) // the first error is the one to tell
		return err
	}
	return nil
}
