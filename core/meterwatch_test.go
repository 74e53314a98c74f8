package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pare/core/energy"
	"pare/core/event"
)

// TestLossIsSaidOnce: one warning when a source is lost, one when it is back, none
// for a process that was stopped for a while.
func TestLossIsSaidOnce(t *testing.T) {
	var w meterWatch
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	look := func(lost ...energy.Lost) string {
		t.Helper()
		now = now.Add(time.Second)
		s := ""
		for _, x := range w.look(now, lost) {
			s += x.Text + "\n"
		}
		return s
	}
	pkg := func(s int) energy.Lost {
		return energy.Lost{Name: "rapl package-0", Why: "vanished", For: time.Duration(s) * time.Second}
	}
	card := energy.Lost{Name: "GPU 0", Why: "the GPU is lost", For: 3 * time.Second}
	if s := look(pkg(60)) + look(); s != "" { // the sampler had not read yet
		t.Errorf("one look is no loss: %q", s)
	}
	if s := look(pkg(1)); s != "" {
		t.Errorf("%q", s)
	}
	if s := look(pkg(2), card); s != "the energy source rapl package-0 was lost at 12:00:02 UTC: vanished; its joules are missing from the bill until it is back\n" {
		t.Errorf("%q", s)
	}
	if s := look(pkg(3), card); !strings.HasPrefix(s, "the energy source GPU 0 was lost") || strings.Count(s, "\n") != 1 {
		t.Errorf("%q", s)
	}
	if s := look(pkg(4), card) + look(pkg(5), card); s != "" {
		t.Errorf("said again: %q", s)
	}
	if s := look(card); s != "the energy source rapl package-0 is back at 12:00:08 UTC, after 6s\n" {
		t.Errorf("%q", s)
	}
	old := energy.Lost{Name: "wall meter w.csv", Why: "has no row after 2020", For: 48 * time.Hour}
	if s := look(card, old) + look(card, old); !strings.Contains(s, "w.csv was lost at 12:00:10 UTC on 29 January 2026: has no row") {
		t.Errorf("long ago: %q", s)
	}
	if s := look(pkg(1), card) + look(pkg(2), card); !strings.Contains(s, "package-0 was lost") {
		t.Errorf("the second loss: %q", s)
	}
}

// raplTree is a folder of RAPL zones whose package draws watts until stop is called.
func raplTree(t *testing.T, watts int64) (root string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("folder names with colons")
	}
	root = memoryDir(t)
	dir := filepath.Join(root, "intel-rapl:0")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	put := func(name, text string) error {
		aside := filepath.Join(root, "aside") // a reader sees the old value or the new one
		if err := os.WriteFile(aside, []byte(text+"\n"), 0o644); err != nil {
			return err
		}
		// The counter goes on while its folder is away, as hardware does: what is read
		// first when it is back is the value of now.
		if os.Rename(aside, filepath.Join(dir, name)) == nil {
			return nil
		}
		return os.Rename(aside, filepath.Join(root, "away", name))
	}
	energy := func() error { return put("energy_uj", fmt.Sprint(1000+watts*time.Since(begin).Microseconds())) }
	for _, err := range []error{put("name", "package-0"), put("max_energy_range_uj", "262143328850"), energy()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				energy() //nolint:errcheck // the folder is away for a while
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return root
}

// memoryDir is a folder in memory where there is one: a counter that is written a
// thousand times a second must not wait for a disk that others write to.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pare")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // in memory
	return dir
}

// untilValidate ends a run there: its comparisons take many seconds by a counter.
type untilValidate struct{ *MemStore }

var errEnough = errors.New("enough")

func (s untilValidate) Emit(b event.Body) (int64, error) {
	if c, ok := b.(*event.StageChange); ok && c.Stage == event.Validate {
		return 0, errEnough
	}
	return s.MemStore.Emit(b)
}

// TestMeterLostMidRun: the counter vanishes in the middle of the baseline. The run
// goes on, the log says when the counter went and when it came back, and the joules
// are those of the counter, never an estimate in its place.
func TestMeterLostMidRun(t *testing.T) { onItsOwnClock(t, meterLostMidRun) }

func meterLostMidRun(t *testing.T, _ *pacer) {
	root := raplTree(t, 40)
	t.Setenv("PARE_RAPL", root)
	t.Setenv("PARE_ENERGY", "rapl")
	defer func(d time.Duration) { lookEvery = d }(lookEvery)
	lookEvery = 50 * time.Millisecond
	var st MemStore
	var once, again sync.Once
	gone, away := filepath.Join(root, "intel-rapl:0"), filepath.Join(root, "away")
	lost := false
	st.On = func(e event.Event) {
		switch b := e.Body.(type) {
		case *event.Metric:
			once.Do(func() {
				if err := os.Rename(gone, away); err != nil {
					t.Error(err)
				}
				lost = true
			})
		case *event.Warning:
			if strings.Contains(b.Text, "was lost") {
				again.Do(func() {
					if err := os.Rename(away, gone); err != nil {
						t.Error(err)
					}
				})
			}
		case *event.EpochCost:
			if b.Stage == event.Baseline {
				time.Sleep(15 * time.Millisecond) // a baseline of some seconds
			}
		}
	}
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 250, 10
	r.Energy.IdleSeconds = new(float64) // 0: not measured
	_, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{&st}, Session: "test"})
	if !errors.Is(err, errEnough) || !lost {
		t.Fatalf("%v, lost %v", err, lost)
	}
	var said []string
	for _, w := range st.State.Warnings {
		if strings.Contains(w.Text, "energy source") {
			said = append(said, w.Text)
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], "rapl package-0 was lost at ") || !strings.Contains(said[0], "vanished") || !strings.Contains(said[1], "rapl package-0 is back at ") {
		t.Errorf("%q", said)
	}
	for s := event.Baseline; s <= event.Deploy; s++ {
		if j := st.State.Stages[s].Cost.Energy; j.UJ != nil && (j.Tier != "B" || j.Source != "rapl") {
			t.Errorf("%v: %+v", s, j)
		}
	}
	c := st.State.Stages[event.Baseline].Cost
	if c.Energy.UJ == nil || *c.Energy.UJ > 41*c.WallUS || *c.Energy.UJ < 39*c.WallUS {
		t.Errorf("baseline: %+v, 40 W for %d µs", c.Energy, c.WallUS)
	}
}
