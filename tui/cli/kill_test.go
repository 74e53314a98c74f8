//go:build unix

package cli

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// TestKill9 kills runs with SIGKILL at random moments, resumes them and compares
// the final weights with those of a run that was never stopped. PARE_KILLS sets
// how many kills there are (8 by default, so that CI stays short).
func TestKill9(t *testing.T) {
	kills := 8
	if s := os.Getenv("PARE_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	if testing.Short() {
		kills = 2
	}
	root := endingRoot(t)
	recipe := func() *core.Recipe {
		r := core.DefaultRecipe()
		r.Auto = true
		r.Model.Name, r.Data.Name = "mlp", "iris"
		r.Train.Epochs, r.Prune.Epochs, r.Prune.Target, r.Floor.Points = 60, 60, 0.6, 40
		r.Train.Optimizer, r.Train.LR = "momentum", 0.05
		return r
	}
	whole, took := finish(t, root, recipe(), 0, nil)
	if whole == "" {
		t.Fatal("the run that was not killed has no final weights")
	}
	rng := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))
	const perSession = 4
	for done := 0; done < kills; {
		n := min(perSession, kills-done)
		got, _ := finish(t, root, recipe(), n, func() time.Duration {
			return time.Duration(rng.Int64N(int64(took) * 2 / 3))
		})
		done += n
		if got != whole {
			t.Fatalf("after %d kills the final weights are %s, want %s", n, got, whole)
		}
	}
	t.Logf("%d kills within runs of %v each: equal final weights %s", kills, took, whole)
}

// finish runs a recipe to its end, killed n times on the way, and returns the
// hash of the final weights and how long it took.
func finish(t *testing.T, root string, r *core.Recipe, n int, wait func() time.Duration) (string, time.Duration) {
	t.Helper()
	begin := time.Now()
	s, err := sessions.Create(root, r)
	if err != nil {
		t.Fatal(err)
	}
	for ; n > 0; n-- {
		if err := s.Start(); err != nil {
			if st, e := s.State(); e == nil && st.Done != nil {
				break // it was quicker than the killer
			}
			t.Fatal(err)
		}
		time.Sleep(wait())
		if pid, alive := s.Alive(); alive {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		waitFor(t, "the end of a killed run", func() bool { _, alive := s.Alive(); return !alive })
	}
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	if st.Done == nil {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "the end of the run of session "+s.ID, func() bool {
		if st, err = s.State(); err != nil {
			t.Fatal(err)
		}
		if st.Status == event.StatusFailed {
			t.Fatalf("the run failed: %s", st.Why)
		}
		return st.Done != nil
	})
	return st.Done.Weights, time.Since(begin)
}
