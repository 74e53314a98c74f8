package work

import (
	"context"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/tui/chart"
	"pare/tui/theme"
)

// effect is a piece of work that takes time. It runs elsewhere; what it returns
// comes back to handle, nil is dropped.
type effect func(ctx context.Context) any

// page is what the screen is about.
type page uint8

const (
	pagePick page = iota
	pageSetup
	pageRun
	pageShelf   // all sessions
	pageCompare // some of them side by side
)

// overlay is what asks for the keys before the page does.
type overlay uint8

const (
	overNone    overlay = iota
	overHelp            // the list of keys
	overStop            // detach, stop or cancel?
	overTarget          // a new target is typed
	overRoll            // a checkpoint is chosen
	overPath            // a path is typed, in the picker
	overEdit            // a number is typed into a form
	overHW              // the hardware is chosen from a list
	overFilter          // words are typed that sessions must hold
	overDelete          // delete for good?
	overPoint           // a checkpoint is chosen to branch from
	overChange          // changes of a recipe are typed
	overTeach           // the stage in plain words
	overPalette         // commands by their words
	overLayer           // the layers over the steps, one in detail
	overWrong           // what is wrong in the test set
	overTour            // a stop of the tour
)

// desk is the workbench without a terminal.
type desk struct {
	o     Options
	mode  theme.Mode
	ascii bool
	th    *theme.Theme
	w, h  int
	now   time.Time
	// homeDir shortens paths; "" does not.
	homeDir string
	// opened is when the screen came up: a run that ends later ended under our
	// eyes, and its exit code is ours.
	opened time.Time
	dirty  bool // what Render returned last is no longer true
	rev    int  // counts changes of more than the newest metric
	// late: a change is not counted yet, as the last one, at touched, is too near.
	late    bool
	touched time.Time
	hold    bool // the log is being read up to its end: draw afterwards
	kept    [paneNone + 1]kept
	quit    bool
	exit    int

	sleep func(context.Context, time.Duration) bool // tests do not wait
	shell func() string                             // why no shell would have the terminal: noShell

	page   page
	over   overlay
	pick   picker
	paths  paths // that go on with what is typed
	setup  form
	drafts map[picked]form // set-ups that were left
	conf   form            // of the configure stage
	// presetAt is the way to begin that was chosen; ownFields is the form before it.
	presetAt  int
	ownFields []field
	predict   predictor
	hw        hardware
	run       *watch
	shelf     shelf
	compare   compare
	look      look
	input     input
	roll      int // checkpoint marked in overRoll

	rollOn   event.Checkpoint // the same
	rollLost bool             // another one was marked and is gone

	mouse  bool
	frames *frames // what draws; nil: Bubble Tea
	cost   account
	frugal frugal
	kept0  layout // as it was loaded
	cmd    int    // marked in overPalette
	words  bool   // the glossary instead of the stage, in overTeach
	scroll int    // of the help, and of lists
	toast  toast

	tourAt    int  // stops that have been shown
	tourHolds bool // the run was paused for one

	autoNext bool // pass the first wait: the set-up was the decision
	goOn     bool // a recipe was sent; when it has been taken, enter the next stage
	busy     string
}

// look is what the person chose to see of a run.
type look struct {
	stage  event.Stage // 0 follows the run
	win    chart.Window
	cursor *float64
	log    bool
	view   int // of the charts, see viewBill
	point  point
	// perplexity stands where accuracy does, of a language model.
	perplexity bool
	ema        float64
	tab        int
	layer      int    // first one shown, where not all fit
	at         int    // the layer in detail
	sift       string // words that the layers and metrics shown hold
}

// input is a line of text being typed.
type input struct {
	text string
	err  string
}

// toast is the line that tells the newest thing that went wrong or was asked.
// It goes with the next key, or after a while.
type toast struct {
	text  string
	tok   theme.Token
	until time.Time
	soon  bool // tells what was asked for; gone when it has happened, or the run stands otherwise
}

func newDesk(o Options, mode theme.Mode, ascii bool) *desk {
	d := &desk{o: o, mode: mode, ascii: ascii, now: time.Now(), rev: 1, w: 80, h: 24, sleep: sleep, shell: noShell}
	d.opened = d.now
	d.background(true)
	if d.o.Recipe == nil {
		d.o.Recipe = core.DefaultRecipe()
		d.o.Recipe.Train.Epochs = 15
	}
	return d
}

// touch tells that more has changed than the newest metric.
func (d *desk) touch() {
	d.dirty, d.late, d.touched = true, false, d.now
	d.rev++
}

// touchLater tells of a new point of a curve. A screen that looks at the run more often
// than a reader sees draws its charts no more often for that.
func (d *desk) touchLater() {
	if d.o.Hz <= DefaultHz || d.replaying() || d.now.Sub(d.touched) >= period {
		d.touch()
		return
	}
	d.dirty, d.late = true, true
}

// begin is the work to do when the screen opens.
func (d *desk) begin() []effect {
	if d.run != nil {
		return d.watchOn()
	}
	d.pick = newPicker(d.o.Recipe)
	if d.o.Shelf {
		return d.openShelf()
	}
	if d.o.Picked {
		return append(d.toSetup(), d.listSessions())
	}
	return []effect{d.listSessions()}
}

// background tells what the terminal's ground is like.
func (d *desk) background(dark bool) {
	if t := theme.New(d.mode, dark, d.ascii); d.th == nil || t.Mode != d.th.Mode {
		d.th = t
		d.touch()
	}
}

func (d *desk) resize(w, h int) {
	d.w, d.h = max(w, 0), max(h, 0)
	d.touch()
}

// title is the terminal's window title.
func (d *desk) title() string {
	if d.run == nil {
		return "pare"
	}
	if d.replaying() {
		return "pare replay " + d.th.Clean(d.run.src.ID())
	}
	return "pare " + d.th.Clean(d.run.src.ID())
}

// say shows a toast for a few seconds.
func (d *desk) say(tok theme.Token, text string) {
	d.toast = toast{text: text, tok: tok, until: d.now.Add(toastFor)}
	d.touch()
}

// promise shows what was asked of the run until it has happened.
func (d *desk) promise(text string) {
	d.say(theme.Dim, text)
	d.toast.soon = true
}

// warn shows what went wrong, for longer.
func (d *desk) warn(tok theme.Token, text string) {
	d.say(tok, text)
	d.toast.until = d.now.Add(warnFor)
}

const (
	toastFor = 6 * time.Second
	warnFor  = time.Minute
)

// stage is the stage that is looked at.
func (d *desk) stage() event.Stage {
	if d.look.stage != 0 {
		return d.look.stage
	}
	if d.run == nil || d.run.st.Stage < event.Baseline {
		return event.Baseline
	}
	return d.run.st.Stage
}

// now is an effect that is its own answer.
func now(m any) effect { return func(context.Context) any { return m } }

// handle takes the answer of an effect.
func (d *desk) handle(m any) []effect {
	if l, ok := m.(logMsg); ok {
		return d.onLog(l)
	}
	d.touch()
	switch m := m.(type) {
	case sentMsg:
		d.onSent(m)
	case resumedMsg:
		return d.onResumed(m)
	case recipeMsg:
		return d.onRecipe(m)
	case createdMsg:
		return d.onCreated(m)
	case openedMsg:
		return d.onOpened(m)
	case sessionsMsg:
		d.pick.sessions = m.list
		d.pick.keepInside()
		d.onShelf(m.list)
	case removedMsg:
		return d.onRemoved(m)
	case exportedMsg:
		d.onExported(m)
	case pointsMsg:
		d.onPoints(m)
	case seatMsg:
		d.onSeat(m)
	case weightsMsg:
		d.onWeights(m)
	case *paths:
		d.onPaths(m)
	case herePointsMsg:
		d.onHerePoints(m)
	case branchedMsg:
		return d.onBranched(m)
	case comparedMsg:
		d.onCompared(m)
	case presetMsg:
		d.onPreset(m)
	case engineMsg:
		return d.onEngine(m)
	case predictedMsg:
		return d.onPredicted(m)
	case gainsMsg:
		d.onGains(m)
	}
	return nil
}

// sleep waits and reports whether it may go on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
