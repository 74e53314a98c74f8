package sessions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
)

// timed is a session whose events happened at the given seconds.
func timed(t *testing.T, at []float64, bodies ...event.Body) (*Session, time.Time) {
	t.Helper()
	s, err := Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var log []byte
	prev := ""
	for i, b := range bodies {
		e := event.Event{Seq: int64(i + 1), At: begun.Add(time.Duration(at[i] * float64(time.Second))), Body: b, Prev: prev}
		line, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		prev = link(line)
		log = append(append(log, line...), '\n')
	}
	if err := os.WriteFile(filepath.Join(s.Dir, logFile), log, 0o644); err != nil {
		t.Fatal(err)
	}
	return s, begun
}

func change(st event.Stage) *event.StageChange {
	return &event.StageChange{Stage: st, State: "started"}
}

func metric(step int64) *event.Metric { return &event.Metric{Stage: event.Baseline, Step: step} }

// TestReplayKeepsTime: events come out when they happened, times the speed; a
// night is cut short; a pause holds everything; the replay ends with the log.
func TestReplayKeepsTime(t *testing.T) {
	s, _ := timed(t, []float64{0, 1, 2, 12, 30000, 30001},
		&event.Started{Format: 1}, change(event.Baseline), metric(1), metric(2), change(event.Configure), metric(3))
	r, err := s.Replay(10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	now := time.Now()
	step := func(after time.Duration, want ...int64) {
		t.Helper()
		now = now.Add(after)
		es, gen, err := r.Next(now, 0)
		if err != nil || gen != 0 || len(es) != len(want) {
			t.Fatalf("after %v: %d events (%v), want %v", after, len(es), err, want)
		}
		for i, e := range es {
			if e.Seq != want[i] {
				t.Fatalf("event %d, want %d", e.Seq, want[i])
			}
		}
	}
	step(0, 1)
	step(50 * time.Millisecond)
	step(50*time.Millisecond, 2)
	r.Pause(now, true)
	step(time.Hour)
	r.Pause(now, false)
	step(100*time.Millisecond, 3)
	step(900 * time.Millisecond)
	step(100*time.Millisecond, 4)
	step(0)
	step(longestLull - time.Millisecond) // of the night
	step(2*time.Millisecond, 5)
	if c := r.Stand().Cut; c < 29900*time.Second || c > 29988*time.Second {
		t.Errorf("cut %v", c)
	}
	if err := r.SetSpeed(100); err != nil {
		t.Fatal(err)
	}
	step(10*time.Millisecond, 6)
	if st := r.Stand(); !st.Ended || st.Past != st.Long || st.Long != 30001*time.Second {
		t.Errorf("%+v", st)
	}
}

// TestReplaySeeks: by stage, back and forth; what stands before is given out at
// once, from the beginning, under a new count.
func TestReplaySeeks(t *testing.T) {
	s, _ := timed(t, []float64{0, 1, 2, 3, 4},
		&event.Started{Format: 1}, change(event.Baseline), metric(1), change(event.Configure), metric(3))
	r, err := s.Replay(1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	now := time.Now()
	if es, _, _ := r.Next(now, 0); len(es) != 1 {
		t.Fatalf("%d events", len(es))
	}
	r.Pause(now, true)
	for i, c := range []struct {
		to   event.Stage
		want int
	}{{event.Configure, 4}, {event.Baseline, 2}, {event.Configure, 4}} {
		if err := r.Seek(c.to); err != nil {
			t.Fatal(err)
		}
		es, gen, err := r.Next(now, 0)
		if err != nil || gen != i+1 || len(es) != c.want || es[0].Seq != 1 {
			t.Fatalf("seek %v: %d events of seek %d: %v", c.to, len(es), gen, err)
		}
	}
	if err := r.Seek(event.Deploy); err == nil || !strings.Contains(err.Error(), "never began stage 5") {
		t.Errorf("%v", err)
	}
	for _, x := range []float64{0, -1, 1e9} {
		if r.SetSpeed(x) == nil {
			t.Errorf("speed %g was taken", x)
		}
	}
}

// TestReplayOfNothing: a session without a log says so.
func TestReplayOfNothing(t *testing.T) {
	s, err := Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replay(1); err == nil || !strings.Contains(err.Error(), "nothing has happened") {
		t.Errorf("%v", err)
	}
}
