package sessions

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
)

// killAndResume starts the run of s, kills its process n times at random
// moments within span after each start, resumes it each time, lets it
// end, and returns what its log then says. The log must be whole and every
// checkpoint it still names must have its hash.
func killAndResume(t *testing.T, s *Session, n int, span time.Duration) *event.State {
	t.Helper()
	kills := 0
	for {
		if err := s.Start(); err != nil {
			if st := mustState(t, s); st.Done != nil {
				break // it ended before the last kill
			}
			t.Fatalf("start after %d kills: %v", kills, err)
		}
		if kills == n {
			ended(t, s)
			break
		}
		if kills == 0 { // the first surely hits a run that has something to go on from
			await(t, "a checkpoint", func() bool { st := mustState(t, s); return len(st.Checkpoints) > 0 || st.Done != nil })
		} else {
			u := rand.Float64()
			time.Sleep(time.Duration(u * u * u * float64(span))) // often early, where a run computes most
		}
		if pid, alive := s.Alive(); alive {
			p, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Kill(); err != nil {
				t.Logf("kill: %v", err) // it ended by itself
			}
		}
		kills++
		ended(t, s)
	}
	st := mustState(t, s)
	if st.Done == nil {
		b, _ := os.ReadFile(filepath.Join(s.Dir, stderrFile))
		t.Fatalf("after %d kills the run did not end: status %q %q\n%s", kills, st.Status, st.Why, b)
	}
	for _, c := range st.Checkpoints {
		if _, err := verifyFile(s.Dir, c.Name, c.SHA); err != nil {
			t.Errorf("checkpoint %s: %v", c.Name, err)
		}
	}
	t.Logf("%d kills, %d resumes, %d events", kills, st.Resumes, st.Seq)
	return st
}

// TestKillAndResume: kill -9 at any moment, then resume, ends in the same bits
// as a run that was never stopped.
func TestKillAndResume(t *testing.T) {
	for _, mode := range []string{"", "same"} {
		t.Run("mode "+mode, func(t *testing.T) {
			t.Parallel()
			n, steps := 8, 500
			if testing.Short() {
				n, steps = 3, 200
			}
			want := killAndResume(t, newSession(t, mode, steps), 0, 1).Done.Weights
			got := killAndResume(t, newSession(t, mode+" waits", steps), n, 200*time.Millisecond)
			if got.Done.Weights != want {
				t.Errorf("final weights %s, a run never stopped has %s", got.Done.Weights, want)
			}
			if got.Resumes == 0 {
				t.Error("no kill hit the run: the test shows nothing")
			}
		})
	}
}

// TestKillAndResumeCore is the same with the real run: all five stages of a
// small net. A run that was killed ends in the weights of one that was not.
// PARE_KILLS says how often to kill it, PARE_DEVICE where it runs (cuda, cuda:bf16).
func TestKillAndResumeCore(t *testing.T) {
	t.Setenv(envRunner, "core") // the processes started from here carry core's run
	n := 4
	if testing.Short() {
		n = 2
	}
	if k, err := strconv.Atoi(os.Getenv("PARE_KILLS")); err == nil {
		n = k
	}
	small := func() *Session {
		r := core.DefaultRecipe()
		r.Auto, r.Model.Name, r.Data.Name = true, "mlp", "iris"
		r.Train.Epochs, r.Train.Batch, r.Prune.Epochs, r.Prune.Target = 100, 8, 100, 0.5
		if d := os.Getenv("PARE_DEVICE"); d != "" {
			r.Hardware.Device = d
		}
		s, err := Create(t.TempDir(), r)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	begun := time.Now()
	want := killAndResume(t, small(), 0, 1)
	span := time.Since(begun)
	t.Setenv(envStands, "checkpoint") // for the first kill
	got := killAndResume(t, small(), n, span*2/3)
	if want.Done.Weights == "" || got.Done.Weights != want.Done.Weights {
		t.Errorf("final weights %s after kills, %s without", got.Done.Weights, want.Done.Weights)
	}
	if got.Resumes == 0 {
		t.Error("no kill hit the run: the test shows nothing")
	}
}
