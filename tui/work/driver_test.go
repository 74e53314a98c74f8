package work

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/theme"
)

// push lets the story go on and the fake run log what is new in it.
func (f *fake) push(s *story, add func(*story)) {
	n := len(s.es)
	add(s)
	f.mu.Lock()
	f.log = append(f.log, s.es[n:]...)
	f.mu.Unlock()
}

// TestWholeWay drives a run through all five stages with the keyboard.
func TestWholeWay(t *testing.T) {
	s := newStory().start("B")
	d, f := watching(t, 120, 40, s)
	see := func(what ...string) {
		t.Helper()
		got := bare(d.Render())
		for _, w := range what {
			if !strings.Contains(got, w) {
				t.Fatalf("%q is not on the screen:\n%s", w, got)
			}
		}
	}
	push := func(add func(*story)) { t.Helper(); f.push(s, add); sample(d) }

	push(func(s *story) { s.wait(event.Baseline, "ready to train the dense model") })
	see("waiting for you: ready to train the dense model", "enter train", "2 configure – needs the dense accuracy")
	key(d, "enter")
	push(func(s *story) { s.baseline("B") })
	see("● running", "epoch 6 of 6", "validation accuracy", "J per epoch", "B · counter", "epoch 6, step 600: 0.884")

	push(func(s *story) {
		s.add(&event.StageChange{Stage: event.Baseline, State: "done", Evidence: "88.4 %"},
			&event.LastPoints{Text: "the last 2 points cost 54 % of the baseline's joules"},
			&event.StageChange{Stage: event.Configure, State: "started"})
		s.wait(event.Configure, "choose method, pattern, target and floor")
	})
	see("recipe", "target zeros", "ledger, predicted", "what to expect", "enter sparsify with this")
	key(d, "enter")
	push(func(s *story) { s.configured("B") })
	if got := f.commands(); got != "next, configure, next" {
		t.Fatalf("sent %q", got)
	}
	push(func(s *story) { s.sparsify(4, "B") })
	see("3 sparsify ●", "4 validate – needs a checkpoint at 90 % zeros", "dense 0.884", "floor 0.864", "the last 2 points cost 54 %")

	key(d, "space")
	see("pausing at the next step")
	push(func(s *story) { s.add(&event.Paused{Stage: event.Sparsify, Step: 400, Why: "person"}) })
	see("‖ paused", "space go on")
	key(d, "r", "down", "enter")
	push(func(s *story) {
		s.add(&event.Decision{Stage: event.Sparsify, Step: 400, Cmd: "rollback", Text: "s3-000300", By: "person"},
			&event.Resumed{Checkpoint: "s3-000300", Stage: event.Sparsify, Step: 300, Why: "rollback"},
			&event.Paused{Stage: event.Sparsify, Step: 300, Why: "rolled back to s3-000300"})
	})
	see("rolled back to s3-000300", "step 300", percent(d.run.kept["s3-000300"].maskShare()))
	if z := d.run.zeros(); z >= 0.9*(1-8.0/27) {
		t.Errorf("after the roll-back %g zeros are shown", z)
	}
	key(d, "space", "e", "9", "5", "enter")
	push(func(s *story) {
		s.add(&event.Continued{Stage: event.Sparsify, Step: 300}, &event.Decision{Stage: event.Sparsify, Step: 310, Cmd: "target", Value: 0.95, By: "person"})
	})
	see("needs a checkpoint at 95 % zeros")
	push(func(s *story) { s.sparsified("B").wait(event.Validate, "this will look at the test set") })
	see("enter look at the test set", "looks at the test set so far: 0")
	key(d, "enter")
	push(func(s *story) { s.validated("B") })
	key(d, "4")
	see("PASS 88.4 % against a floor of 86.7 %", "T-shirt/top", "look 1 at the test set")
	push(func(s *story) { s.wait(event.Deploy, "choose the formats to write") })
	key(d, "enter")
	see("5 deploy")
	push(func(s *story) { s.deployed() })
	see("✓ done", "lenet-300-100.packed.safetensors", "125 kB", "6.0× less CPU time", "no gain here", "pare report brisk-heron", "ledger, test set")
	if d.exit != 0 {
		t.Errorf("exit %d", d.exit)
	}
	want := "next, configure, next, pause, rollback s3-000300, go, target 0.95, next, next"
	if got := f.commands(); got != want {
		t.Errorf("sent     %q\nexpected %q", got, want)
	}
}

func (k inForce) maskShare() float64 { return float64(k.mask.Zeros) / float64(k.mask.Of) }

// TestAutoBeginsByItself: who filled in the set-up is not asked again.
func TestAutoBeginsByItself(t *testing.T) {
	s := newStory().start("B").wait(event.Baseline, "ready")
	d := testDesk(t, 80, 24, theme.Mono, false)
	f := &fake{id: "x", log: s.es, alive: true, recipe: testRecipe()}
	work(d, d.handle(createdMsg{src: f}))
	if got := f.commands(); got != "next" {
		t.Errorf("sent %q", got)
	}
}

func TestDeadRunIsResumed(t *testing.T) {
	s := newStory().start("B").baseline("B")
	d, f := watching(t, 80, 24, s)
	f.alive = false
	for range 3 {
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	got := bare(d.Render())
	for _, w := range []string{"✗ dead", "process is gone"} {
		if !strings.Contains(got, w) {
			t.Fatalf("%q is not on the screen:\n%s", w, got)
		}
	}
	if key(d, "space"); len(f.sent) != 0 {
		t.Error("a dead run was sent a command")
	}
	key(d, "R")
	if f.starts != 1 {
		t.Fatalf("started %d times", f.starts)
	}
	d.now = d.now.Add(2 * time.Second)
	sample(d)
	if got := bare(d.Render()); strings.Contains(got, "dead") {
		t.Errorf("still dead:\n%s", got)
	}
}

func TestStatusOfAnEndedRun(t *testing.T) {
	for _, c := range []struct {
		add  event.Body
		want string
		exit int
	}{
		{&event.Paused{Stage: event.Baseline, Why: "stopped"}, "‖ stopped", 0},
		{&event.Failure{Text: "bad data", Fix: "give other data"}, "✗ failed", 0},
		{&event.Done{Exit: 3, Text: "verdict FAIL"}, "✓ done", 3},
		{&event.Done{Exit: core.ExitBudget, Text: "the budget of 15 J is spent: 16 J B"}, "■ budget spent", core.ExitBudget},
		{&event.Done{Exit: core.ExitTarget, Text: "target of 90.0 % zeros missed: ended by the budget at 0.0 %"}, "■ target missed", core.ExitTarget},
	} {
		d, f := watching(t, 80, 24, newStory().start("B").baseline("B").add(c.add))
		f.alive = false
		for range 3 {
			d.now = d.now.Add(2 * time.Second)
			sample(d)
		}
		if got := bare(d.Render()); !strings.Contains(got, c.want) {
			t.Errorf("%T: no %q on\n%s", c.add, c.want, got)
		}
		if d.exit != c.exit {
			t.Errorf("%T: exit %d, want %d", c.add, d.exit, c.exit)
		}
	}
	// A run that had ended before the screen came up is not ours to report.
	s := newStory().start("B").add(&event.Done{Exit: 3, Text: "verdict FAIL"})
	d := testDesk(t, 80, 24, theme.Mono, false)
	d.opened = begun.Add(time.Hour)
	d.follow(&fake{id: "x", log: s.es, recipe: testRecipe()})
	work(d, d.begin())
	if d.exit != 0 {
		t.Errorf("exit %d for a run that had ended", d.exit)
	}
}

// A run that its budget ended says so: not done, and not the warning of before.
func TestBudgetSpentIsShown(t *testing.T) {
	d, f := watching(t, 80, 24, newStory().start("B").baseline("B").add(&event.Budget{Unit: "J", Limit: 15, Spent: 14.1, Finish: 33, Tier: "E", Band: 70}))
	happens := func(b event.Body) {
		e := newStory().add(b).es[0]
		e.Seq = f.log[len(f.log)-1].Seq + 1
		f.log = append(f.log, e)
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	happens(&event.Warning{Text: "80 % of the budget is spent; when it is spent: stop"})
	if got := bare(d.Render()); !strings.Contains(got, "80 % of the budget is spent") {
		t.Errorf("no warning on\n%s", got)
	}
	happens(&event.Done{Exit: core.ExitBudget, Text: "the next epoch would exceed the budget of 15.0 J: 14.1 J E ±70 % spent"})
	got := bare(d.Render())
	for _, want := range []string{"■ budget spent", "done: the next epoch would exceed the budget of 15.0 J", "│ budget  "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on\n%s", want, got)
		}
	}
	if strings.Contains(got, "✓ done") || strings.Contains(got, "80 % of the budget") {
		t.Errorf("the warning, or done, on\n%s", got)
	}
}

func TestFullDiskIsShown(t *testing.T) {
	d, f := watching(t, 80, 24, newStory().start("B").baseline("B"))
	f.problem = "no space left on the disk"
	for range 8 {
		d.now = d.now.Add(2 * time.Second)
		sample(d)
	}
	if got := bare(d.Render()); !strings.Contains(got, "no space left on the disk") {
		t.Errorf("not told:\n%s", got)
	}
}

func TestDamagedLog(t *testing.T) {
	d, f := watching(t, 80, 24, newStory().start("B").baseline("B"))
	f.damage = errors.New("session brisk-heron: line 17 is damaged")
	sample(d)
	key(d, "tab")
	if got := bare(d.Render()); !strings.Contains(got, "line 17 is damaged") || d.quit {
		t.Errorf("not told:\n%s", got)
	}
	d, f = watching(t, 80, 24, newStory())
	f.damage = errors.New("session brisk-heron was written by a newer pare")
	sample(d)
	if !d.quit || d.run.damage == "" {
		t.Error("a log of which nothing can be read keeps the screen open")
	}
}

// TestLongLog: a long log is read in pieces, and drawn once it is there.
func TestLongLog(t *testing.T) {
	s := newStory().start("B")
	for e := 1; e <= 3000; e++ {
		s.epoch(event.Baseline, e, 3000, 0.8, 0, 1e6, "B")
	}
	d := testDesk(t, 80, 24, theme.Mono, false)
	d.follow(&fake{id: "x", log: s.es, alive: true, recipe: testRecipe()})
	pieces := 0
	for todo := d.watchOn(); !d.run.caught; pieces++ {
		m, ok := todo[0](t.Context()).(logMsg)
		if !ok {
			t.Fatal("no log")
		}
		more := d.handle(m)
		if d.hold == d.run.caught {
			t.Fatalf("piece %d: hold %v, read to the end %v", pieces, d.hold, d.run.caught)
		}
		todo = more[len(more)-1:]
	}
	if want := len(s.es)/budget + 1; pieces != want {
		t.Errorf("%d pieces, want %d", pieces, want)
	}
	if d.run.metric.Epoch != 3000 {
		t.Errorf("epoch %d", d.run.metric.Epoch)
	}
	fits(t, d, "long")
}

func TestFarewell(t *testing.T) {
	for _, c := range []struct {
		s    *story
		want []string
	}{
		{newStory().start("B").baseline("B"), []string{"session brisk-heron: running, stage 1 baseline", "`pare attach brisk-heron` comes back"}},
		{newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").deployed(), []string{"PASS", "done", "`pare report brisk-heron`"}},
		{newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").missed(), []string{"PASS", "target of 95.0 % zeros not reached", "`pare report brisk-heron`"}},
		{newStory().start("B").add(&event.Failure{Text: "bad data", Fix: "other data"}), []string{"failed", "bad data: other data", "pare sessions resume brisk-heron"}},
	} {
		d, _ := watching(t, 80, 24, c.s)
		var b strings.Builder
		farewell(&b, d)
		for _, w := range c.want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("no %q in %q", w, b.String())
			}
		}
		if n := strings.Count(b.String(), "\n"); n < 2 || n > 3+strings.Count(b.String(), "target of") {
			t.Errorf("%d lines: %q", n, b.String())
		}
	}
}

// TestPickerToSession goes from the picker to a session on disk. The run's
// process itself is the sessions package's matter: here a session made before
// is opened from the list.
func TestPickerToSession(t *testing.T) {
	d := testDesk(t, 80, 24, theme.Mono, false)
	r := core.DefaultRecipe()
	s, err := sessions.Create(d.o.Root, r)
	if err != nil {
		t.Fatal(err)
	}
	work(d, d.begin())
	if !strings.Contains(bare(d.Render()), s.ID) {
		t.Fatalf("session %s is not listed:\n%s", s.ID, bare(d.Render()))
	}
	key(d, "shift+tab")
	if d.pick.on != listSessions {
		t.Fatalf("list %d has the keys", d.pick.on)
	}
	work(d, d.press("enter", ""))
	if d.page != pageRun || d.run.src.ID() != s.ID {
		t.Fatalf("page %d", d.page)
	}
	if err := d.run.src.Close(); err != nil {
		t.Error(err)
	}
}

func TestPickerRefusesWhatDoesNotFit(t *testing.T) {
	d := testDesk(t, 120, 30, theme.Mono, false)
	work(d, d.begin())
	key(d, "down", "enter")         // lenet-5
	key(d, "down", "down", "enter") // on iris
	got := bare(d.Render())
	if d.page != pagePick || !strings.Contains(got, "lenet-5 does not fit") {
		t.Errorf("page %d:\n%s", d.page, got)
	}
	key(d, "/")
	for _, r := range "nowhere.csv" {
		key(d, string(r))
	}
	key(d, "enter")
	if got := bare(d.Render()); !strings.Contains(got, "nowhere.csv") || d.over != overPath {
		t.Errorf("a missing file:\n%s", got)
	}
}

// TestPickerRefusesRowsForLanguageModels: before anything runs, with the reason.
func TestPickerRefusesRowsForLanguageModels(t *testing.T) {
	csv := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(csv, []byte("a,b,label\n1,2,x\n3,4,y\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := testDesk(t, 120, 30, theme.Mono, false)
	d.o.Recipe = withModel(core.DefaultRecipe(), core.ModelSpec{Name: "gpt-nano"})
	work(d, d.begin())
	for !strings.Contains(bare(d.Render()), "> gpt-nano") {
		key(d, "down")
	}
	key(d, "enter", "/")
	d.paste(csv)
	key(d, "enter")
	if got := bare(d.Render()); d.over != overPath || !strings.Contains(got, "gpt-nano is a language model") {
		t.Errorf("rows for a language model, page %d:\n%s", d.page, got)
	}
	d = testDesk(t, 120, 30, theme.Mono, false) // a model in a folder is chosen before its data are
	work(d, d.begin())
	key(d, "/")
	d.paste("../../core/model/hf/testdata/hf-llama")
	key(d, "enter")
	if got := bare(d.Render()); d.pick.on != listData || d.over != overNone {
		t.Fatalf("a folder with a language model is not taken:\n%s", got)
	}
	key(d, "/")
	d.paste(csv)
	key(d, "enter")
	if got := bare(d.Render()); !strings.Contains(got, "is a language model: it learns which token follows") {
		t.Errorf("rows for a language model in a folder:\n%s", got)
	}
}

func TestSetupRecipe(t *testing.T) {
	d := testDesk(t, 120, 30, theme.Mono, false)
	work(d, d.begin())
	key(d, "enter", "enter")
	key(d, "2", "0", "enter", "down", "down", "right", "right", "right", "down", "down", "8", "0", "enter")
	r := d.setupRecipe()
	if r.Train.Epochs != 20 || r.Train.Optimizer != "adam" || r.Train.LR != 0.001 || r.Prune.Target != 0.8 {
		t.Errorf("recipe %+v %+v", r.Train, r.Prune)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if r.Auto {
		t.Error("the workbench's run waits for the person")
	}
}

// screen is a terminal for the whole program.
type screen struct {
	mu  sync.Mutex
	em  *vt.Emulator
	raw strings.Builder
}

func newScreen(w, h int) *screen {
	s := &screen{em: vt.NewEmulator(w, h)}
	go io.Copy(io.Discard, s.em) //nolint:errcheck // its answers to queries
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.Write(p)
	return s.em.Write(p)
}

// close ends the reader of its answers. Emulator.Close would race with it.
func (s *screen) close(t *testing.T) {
	t.Helper()
	if err := s.em.InputPipe().(io.Closer).Close(); err != nil {
		t.Error(err)
	}
}

func (s *screen) has(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.em.String(), what)
}

func (s *screen) wait(t *testing.T, what string) {
	t.Helper()
	for range 6000 { // a minute, on a machine that may be busy
		if s.has(what) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("%q does not appear on\n%s", what, s.em.String())
}

func options(in io.Reader, out io.Writer, w, h int) []tea.ProgramOption {
	return []tea.ProgramOption{
		tea.WithInput(in), tea.WithOutput(out), tea.WithWindowSize(w, h), tea.WithEnvironment([]string{"TERM=xterm-256color"}),
		tea.WithColorProfile(colorprofile.TrueColor), tea.WithoutSignalHandler(),
	}
}

// TestProgram runs the real program on a terminal in memory: keys as bytes in,
// the final screen out, and no goroutine left behind.
func TestProgram(t *testing.T) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt) // its own goroutine stays for good
	signal.Stop(c)
	before := runtime.NumGoroutine()
	s := newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B")
	d := newDesk(Options{}, theme.Dark, false)
	f := &fake{id: "brisk-heron", log: s.es, alive: true, recipe: testRecipe()}
	d.follow(f)
	scr := newScreen(100, 30)
	in, keys := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- runScreen(d, options(in, scr, 100, 30)...) }()
	scr.wait(t, "3 sparsify ●")
	scr.wait(t, "e target")
	fmt.Fprint(keys, " ")
	scr.wait(t, "pausing at the next step")
	f.push(s, func(s *story) { s.add(&event.Paused{Stage: event.Sparsify, Step: 300, Why: "person"}) })
	scr.wait(t, "paused")
	fmt.Fprint(keys, "?")
	scr.wait(t, "go back to a checkpoint")
	fmt.Fprint(keys, "?")
	scr.wait(t, "validation accuracy")
	fmt.Fprint(keys, "q")
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("q does not leave")
	}
	keys.Close()
	scr.close(t)
	if got := f.commands(); got != "pause" {
		t.Errorf("sent %q", got)
	}
	for range 3000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

// broken is a run whose log panics, elsewhere or when it is folded.
type broken struct {
	fake
	nilBody bool
}

func (b *broken) Next(int) ([]event.Event, error) {
	if b.nilBody { // cannot come from a log; stands for any bug in what is drawn
		return []event.Event{{Seq: 1, Body: (*event.Metric)(nil)}}, nil
	}
	panic("a bug in the screen")
}

// TestPanicRestoresTheTerminal: a bug in the screen ends the screen, gives the
// terminal back and leaves the run alone.
func TestPanicRestoresTheTerminal(t *testing.T) {
	for _, nilBody := range []bool{false, true} {
		d := newDesk(Options{}, theme.Dark, false)
		b := &broken{fake{id: "x", alive: true, recipe: testRecipe()}, nilBody}
		d.follow(b)
		scr := newScreen(80, 24)
		in, keys := io.Pipe()
		err := runScreen(d, options(in, scr, 80, 24)...)
		keys.Close()
		if err == nil || !strings.Contains(err.Error(), "the run is not touched") {
			t.Errorf("error %v", err)
		}
		scr.mu.Lock()
		raw := scr.raw.String()
		scr.mu.Unlock()
		if on, off := strings.LastIndex(raw, "\x1b[?1049h"), strings.LastIndex(raw, "\x1b[?1049l"); on >= 0 && off < on {
			t.Error("the alternate screen was not left")
		}
		if hide, show := strings.LastIndex(raw, "\x1b[?25l"), strings.LastIndex(raw, "\x1b[?25h"); hide >= 0 && show < hide {
			t.Error("the cursor stays hidden")
		}
		if len(b.sent) > 0 {
			t.Errorf("the run was sent %v", b.sent)
		}
	}
}

// TestOnlyThreeFilesKnowTheTerminal keeps Bubble Tea in app.go, remote.go and keys.go.
func TestOnlyThreeFilesKnowTheTerminal(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b := readFile(t, f)
		if strings.Contains(b, `"charm.land/bubbletea`) && f != "app.go" && f != "remote.go" && f != "keys.go" && !strings.HasSuffix(f, "_test.go") {
			t.Errorf("%s imports Bubble Tea", f)
		}
	}
}
