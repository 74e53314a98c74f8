package sessions

import (
	"os"
	"path/filepath"
	"testing"

	"pare/core"
	"pare/core/event"
)

// TestIdleOnResume: a run that goes on keeps the idle power of its beginning, unless
// it is asked for anew.
func TestIdleOnResume(t *testing.T) {
	t.Setenv(envRunner, "core")
	r := core.DefaultRecipe()
	r.Auto, r.Model.Name, r.Data.Name, r.Train.Epochs = true, "mlp", "iris", 100000
	short := 0.3
	r.Energy.IdleSeconds = &short
	s, err := Create(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	idles := func() (n int) {
		if err := s.each(func(e event.Event) {
			if _, ok := e.Body.(*event.Idle); ok {
				n++
			}
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, want := range []int{1, 1, 2} {
		s.IdleAnew = i == 2
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		epochs := len(mustState(t, s).Epochs)
		await(t, "an epoch", func() bool { return len(mustState(t, s).Epochs) > epochs })
		if err := s.Send(t.Context(), core.Command{Cmd: core.CmdStop}); err != nil {
			t.Fatal(err)
		}
		ended(t, s)
		if n := idles(); n != want {
			t.Errorf("start %d: the idle power was looked at %d times, want %d", i+1, n, want)
		}
	}
}

// TestWallIsAbsolute: the run has its own working directory.
func TestWallIsAbsolute(t *testing.T) {
	r := core.DefaultRecipe()
	r.Energy.Wall = "plug.csv"
	s, err := Create(t.TempDir(), r)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(here, "plug.csv")
	if got, err := s.Recipe(); err != nil || got.Energy.Wall != want {
		t.Errorf("recipe: %q, %v", got.Energy.Wall, err)
	}
	t.Setenv("PARE_WALL", "plug.csv")
	env, err := s.env()
	if n := len(env); err != nil || env[n-1] != "PARE_WALL="+want {
		t.Errorf("environment: %q, %v", env[n-1], err)
	}
}
