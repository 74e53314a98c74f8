package work

import (
	"errors"
	"fmt"
	"io"
	"os"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/theme"
)

// Options of the workbench.
type Options struct {
	Root    string       // folder of the sessions
	Recipe  *core.Recipe // what the set-up begins with; nil is the default
	Shelf   bool         // begin with the list of sessions
	Picked  bool         // model and data are chosen: skip the picker
	Epochs  bool         // the recipe's epochs were asked for: no set-up changes them
	Version string       // of the program
	// ExportTo is the folder that exports are written into; "" is the one pare was
	// started in.
	ExportTo string
	Tour     bool   // stops that say what one sees
	ReadOnly bool   // watch, change nothing
	Slow     bool   // for a thin line: drawn once a second, without colours
	Hz       int    // looks at the run a second, 1 to MostHz; 0 is DefaultHz
	Layout   string // file that keeps how charts are shown; "" is in the user's configuration
	CopyTo   string // file of the last copy; "" is in the user's cache
	Theme    string // auto, dark, light, mono; "" is auto

	remote bool // of somebody on another machine: nothing here is for them but the run
}

// Open shows the picker and the set-up, creates a session, starts its run and
// follows it. exit is the run's exit code when it ended while the screen was
// open, else 0.
func Open(o Options) (exit int, err error) { return show(o, nil) }

// Attach follows a session. Leaving does not stop the run. exit is as for Open.
func Attach(o Options, s *sessions.Session) (exit int, err error) {
	src, err := o.follows(s)
	if err != nil {
		return core.ExitError, err
	}
	return show(o, src)
}

func show(o Options, src source) (int, error) {
	mode := theme.Auto
	if o.Theme != "" {
		var err error
		if mode, err = theme.ParseMode(o.Theme); err != nil {
			return core.ExitUsage, err
		}
	}
	mode, ascii := theme.FromEnv(mode, os.Getenv("TERM") == "linux", os.Getenv)
	if o.Slow && (o.Theme == "" || o.Theme == "auto") {
		mode = theme.Mono
	}
	d := newDesk(o, mode, ascii)
	d.loadLayout()
	d.homeDir, _ = os.UserHomeDir() // without one, paths stay long
	if src != nil {
		d.follow(src)
	}
	err := runScreen(d, meter(d))
	_ = d.saveLayout() // what is lost is how the charts were shown
	if d.run != nil {
		defer d.run.src.Close() //nolint:errcheck // only read from
		if d.run.damage == "" {
			farewell(os.Stdout, d)
		} else if err == nil {
			err = errors.New(d.run.damage)
		}
	}
	if err != nil {
		return core.ExitError, err
	}
	return d.exit, nil
}

// farewell is what is left on the terminal: which session, how it stands, and
// the way back.
func farewell(w io.Writer, d *desk) {
	id, st := d.run.src.ID(), &d.run.st
	if d.replaying() {
		fmt.Fprintf(w, "session %s was replayed; nothing was changed. `pare report %s` writes it to a file\n", id, id)
		return
	}
	status, _ := d.run.status()
	line := fmt.Sprintf("session %s: %s", id, status)
	if st.Stage >= event.Baseline {
		line += fmt.Sprintf(", stage %d %s", st.Stage, st.Stage)
	}
	if st.Stage >= event.Sparsify {
		line += ", " + percent(d.run.zeros()) + " zeros"
	}
	fmt.Fprintln(w, line)
	switch {
	case st.Done != nil && st.Verdict != nil:
		fmt.Fprintln(w, d.th.Clean(st.Verdict.Text))
		if o := st.Outcome(); o != "" {
			fmt.Fprintln(w, d.th.Clean(o))
		}
		fmt.Fprintf(w, "`pare attach %s` shows it again, `pare report %s` writes it to a file\n", id, id)
	case st.Done != nil:
		fmt.Fprintln(w, d.th.Clean(st.Done.Text))
	case status == statusDead, status == statusStopped, status == statusFailed:
		if n := len(st.Failures); status == statusFailed && n > 0 {
			fmt.Fprintln(w, d.th.Clean(withFix(st.Failures[n-1].Text, st.Failures[n-1].Fix)))
		}
		if d.run.wrongRecipe() {
			fmt.Fprintf(w, "`pare sessions show %s --recipe` prints its recipe: change it and `pare run` it\n", id)
			return
		}
		if status == statusStopped {
			fmt.Fprintln(w, d.th.Clean(stoppedText(st)))
		}
		fmt.Fprintf(w, "`pare sessions resume %s` goes on from its last checkpoint\n", id)
	default:
		fmt.Fprintf(w, "it goes on without this screen; `pare attach %s` comes back to it\n", id)
		if why, fix := sessions.EndsAtLogout(); why != "" {
			fmt.Fprintf(w, "but not after this login: %s: %s\n", why, fix)
		}
	}
}
