package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/tensor"
	"pare/sessions/tied"
)

// The test binary is also the program a session starts: with the verb it is
// the run's process, carrying the fake run below (or core's, when the variable
// says so).
const (
	envRunner  = "PARE_TEST_RUNNER" // core = the real run
	envStands  = "PARE_TEST_STANDS" // where the real run's first process stands still: see standsAt
	envSockets = "PARE_TEST_SOCKETS"
	envLock    = "PARE_TEST_LOCK" // hold the lock of this session until stdin ends
)

func TestMain(m *testing.M) {
	if d := os.Getenv(envSockets); d != "" {
		socketDir = func() string { return d }
	}
	if os.Getenv(envRunner) != "core" {
		runner = fakeRun
	} else if at := standsAt[os.Getenv(envStands)]; at != nil {
		runner = func(ctx context.Context, c core.Config) (int, error) {
			if c.Resume == nil {
				c.Store = standing{c.Store, at}
			}
			return core.Run(ctx, c)
		}
	}
	answerLimit = 3 * time.Minute // a machine may stand still
	tied.Hold()
	if len(os.Args) == 3 && os.Args[1] == Verb {
		os.Exit(Main(os.Args[2], "test"))
	}
	if d := os.Getenv(envLock); d != "" {
		os.Exit(holdLock(d))
	}
	dir, err := os.MkdirTemp("/tmp", "ps") // short: sockets live in it
	if err != nil {
		dir = os.TempDir()
	}
	if err := tied.Begin(); err != nil {
		panic(err)
	}
	sockets := dir + "/s"
	socketDir = func() string { return sockets }
	os.Setenv(envSockets, sockets)
	os.Setenv("XDG_CACHE_HOME", dir+"/c")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// standing is the store of a run that stands still for good once an event of its log asks
// for it: whoever is to kill the run there cannot come too late.
type standing struct {
	core.Store
	at func(event.Body) bool
}

func (s standing) Emit(b event.Body) (int64, error) {
	seq, err := s.Store.Emit(b)
	if err == nil && s.at(b) {
		select {}
	}
	return seq, err
}

// standsAt are the values of envStands.
var standsAt = map[string]func(event.Body) bool{
	"started":    func(b event.Body) bool { _, ok := b.(*event.Started); return ok },
	"checkpoint": func(b event.Body) bool { c, ok := b.(*event.Checkpoint); return ok && c.Step > 0 },
	"zeros":      func(b event.Body) bool { c, ok := b.(*event.Checkpoint); return ok && c.Zeros > 0 },
}

// forever is the steps of a run that goes on until it is told to end.
const forever = 10_000_000

// waitsAt is the step at which a run that waits does: the checkpoints of steps 0 to 60 are there.
const waitsAt = 70

// fakeLoop is the loop state of the fake run.
type fakeLoop struct {
	Step int64  `json:"step"`
	Rand uint64 `json:"rand"`
}

// fakeRun is a run that computes nothing useful but is as picky as a real one:
// its final weights follow from every step taken since the beginning. Its recipe
// steers it: Train.Epochs = steps/100, Name = words of what goes wrong.
func fakeRun(ctx context.Context, c core.Config) (int, error) {
	f := &fake{c: c, steps: int64(c.Recipe.Train.Epochs) * 100}
	for _, w := range strings.Fields(c.Recipe.Name) {
		switch w {
		case "panic", "fail", "same", "fast", "recipe":
			f.mode = w
		case "waits": // its first process does, at waitsAt, for a command or its end
			f.waits = c.Resume == nil
		default:
			return core.ExitError, fmt.Errorf("fake run does not know %q", w)
		}
	}
	code, err := f.run(ctx)
	if errors.Is(err, errFakeStop) {
		return core.ExitInterrupted, nil
	}
	return code, err
}

// errFakeStop is a stop that the log could not take any more.
var errFakeStop = errors.New("stopped while the disk was full")

type fake struct {
	c     core.Config
	mode  string
	steps int64
	loop  fakeLoop
	m     *graph.Model
	state []float32
	kept  []string
	hold  bool
	waits bool
}

func fakeModel() *graph.Model {
	n := graph.Net{M: graph.New("fake", 5, 1, 1)}
	v := n.Linear("a", 0, 4)
	v = n.Op("r", "relu", v)
	n.Linear("b", v, 3)
	for i := range n.M.Params {
		p := &n.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
	}
	return n.M
}

func (f *fake) emit(b event.Body) error {
	for {
		_, err := f.c.Store.Emit(b)
		if !errors.Is(err, core.ErrFull) {
			return err
		}
		if err := f.waitForSpace(); err != nil {
			return err
		}
	}
}

func (f *fake) waitForSpace() error {
	select {
	case k := <-f.c.Commands:
		if k.Cmd == core.CmdStop {
			return errFakeStop
		}
	case <-time.After(10 * time.Millisecond):
	}
	return nil
}

func (f *fake) run(ctx context.Context) (int, error) {
	f.m = fakeModel()
	f.state = make([]float32, f.m.Params[0].Shape.Len())
	if f.mode == "recipe" {
		f.c.Recipe.Data.Mean = []float64{0.25}
	}
	if err := f.emit(&event.Started{Format: event.Version, Session: f.c.Session, Pare: f.c.Version, Model: "fake", Data: "none", Recipe: f.c.Recipe.Hash(), Pid: os.Getpid()}); err != nil {
		return 1, err
	}
	if r := f.c.Resume; r != nil && r.Checkpoint != "" {
		if err := f.load(r.Checkpoint); err != nil {
			return 1, err
		}
		if err := f.emit(&event.Resumed{Checkpoint: r.Checkpoint, Seq: r.Seq, Stage: event.Baseline, Step: f.loop.Step, Why: r.Why}); err != nil {
			return 1, err
		}
	}
	if err := f.emit(&event.StageChange{Stage: event.Baseline, State: "started"}); err != nil {
		return 1, err
	}
	switch f.mode {
	case "panic":
		var m map[string]int
		m["x"] = 1 //nolint:staticcheck // meant to panic
	case "fail":
		err := errors.New("the data is\nnot there")
		if e := f.emit(&event.Failure{Text: err.Error(), Fix: "bring it"}); e != nil {
			return 1, e
		}
		return 1, err
	}
	for f.loop.Step < f.steps {
		if f.loop.Step%20 == 0 {
			if err := f.save(); err != nil {
				return 1, err
			}
		}
		stop, err := f.obey(ctx)
		for f.waits && f.loop.Step == waitsAt && !stop && err == nil {
			time.Sleep(time.Millisecond)
			stop, err = f.obey(ctx)
		}
		if stop || err != nil {
			return core.ExitInterrupted, err
		}
		f.step()
		if err := f.emit(&event.Metric{Stage: event.Baseline, Step: f.loop.Step, Steps: f.steps, Loss: float64(f.m.Params[0].Data[0])}); err != nil {
			return 1, err
		}
		if f.mode != "fast" {
			time.Sleep(300 * time.Microsecond)
		}
	}
	return 0, f.emit(&event.Done{Text: "verdict PASS", Weights: f.m.WeightHash()})
}

// step mixes all weights, the state and the step number.
func (f *fake) step() {
	f.loop.Step++
	r := rand.New(rand.NewPCG(f.loop.Rand, uint64(f.loop.Step)))
	for i := range f.m.Params {
		d := f.m.Params[i].Data
		for j := range d {
			d[j] = 0.9*d[j] + r.Float32() - f.state[(j+i)%len(f.state)]
		}
	}
	for j := range f.state {
		f.state[j] = 0.5*f.state[j] + 0.1*f.m.Params[0].Data[j]
	}
	if f.loop.Step%50 == 0 { // a mask
		p := &f.m.Params[0]
		if p.Mask == nil {
			p.Mask = tensor.NewMask(p.Shape.Len())
		}
		p.Mask.Drop(int(f.loop.Step/50) % p.Mask.N)
		p.Mask.Apply(p.Data)
	}
	f.loop.Rand = f.loop.Rand*6364136223846793005 + 1442695040888963407
}

func (f *fake) save() error {
	name := fmt.Sprintf("s1-%06d", f.loop.Step)
	if f.mode == "same" { // one name over and over
		name = "last"
	}
	l, err := json.Marshal(f.loop)
	if err != nil {
		return err
	}
	c := &core.Checkpoint{Model: f.m, State: [][][]float32{{f.state, nil, nil, nil}}, Loop: l}
	var sha string
	var n int64
	for {
		sha, n, err = f.c.Store.Save(name, c)
		if !errors.Is(err, core.ErrFull) {
			break
		}
		if err := f.waitForSpace(); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := f.emit(&event.Checkpoint{Name: name, Stage: event.Baseline, Step: f.loop.Step, SHA: sha, Bytes: n, Acc: -1, Good: true}); err != nil {
		return err
	}
	if f.mode == "same" {
		return nil
	}
	f.kept = append(f.kept, name)
	for len(f.kept) > 4 {
		if err := f.emit(&event.Dropped{Name: f.kept[0]}); err != nil {
			return err
		}
		if err := f.c.Store.Drop(f.kept[0]); err != nil {
			return err
		}
		f.kept = f.kept[1:]
	}
	return nil
}

func (f *fake) load(name string) error {
	c, err := f.c.Store.Load(name)
	if err != nil {
		return err
	}
	f.m, f.state = c.Model, c.State[0][0]
	return json.Unmarshal(c.Loop, &f.loop)
}

// obey takes commands; stop ends the run.
func (f *fake) obey(ctx context.Context) (stop bool, err error) {
	for {
		var c core.Command
		select {
		case c = <-f.c.Commands:
		case <-ctx.Done():
			return true, nil
		default:
			if !f.hold {
				return false, nil
			}
			time.Sleep(time.Millisecond)
			continue
		}
		switch c.Cmd {
		case core.CmdStop:
			if err := f.save(); err != nil {
				return true, err
			}
			return true, f.emit(&event.Paused{Stage: event.Baseline, Step: f.loop.Step, Why: "stopped", By: c.Text})
		case core.CmdPause:
			f.hold = true
			err = f.emit(&event.Paused{Stage: event.Baseline, Step: f.loop.Step, Why: "person"})
		case core.CmdGo:
			f.hold = false
			err = f.emit(&event.Continued{Stage: event.Baseline, Step: f.loop.Step})
		case core.CmdRollback:
			if err = f.emit(&event.Decision{Stage: event.Baseline, Step: f.loop.Step, Cmd: c.Cmd, Text: c.Text, By: "person"}); err == nil {
				if err = f.load(c.Text); err == nil {
					err = f.emit(&event.Resumed{Checkpoint: c.Text, Stage: event.Baseline, Step: f.loop.Step, Why: "rollback"})
				}
			}
		default:
			err = f.emit(&event.Decision{Stage: event.Baseline, Step: f.loop.Step, Cmd: c.Cmd, Value: c.Value, Text: c.Text, By: "person"})
		}
		if err != nil {
			return true, err
		}
	}
}

// newSession makes a session of the fake run.
func newSession(t testing.TB, mode string, steps int) *Session {
	t.Helper()
	r := core.DefaultRecipe()
	r.Name, r.Auto, r.Train.Epochs = mode, true, steps/100
	s, err := Create(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what a failed test leaves
		if pid, alive := s.Alive(); alive && pid > 1 && pid != os.Getpid() {
			if p, err := os.FindProcess(pid); err == nil && p.Kill() == nil {
				await(t, "the end of a killed run", func() bool { _, alive := s.Alive(); return !alive })
			}
		}
	})
	return s
}

// await polls until ok or the test fails.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// ended waits until no process carries the run.
func ended(t testing.TB, s *Session) {
	t.Helper()
	await(t, "the run's end", func() bool { _, alive := s.Alive(); return !alive })
}

func mustState(t testing.TB, s *Session) *event.State {
	t.Helper()
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	return st
}
