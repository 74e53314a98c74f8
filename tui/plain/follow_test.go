package plain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// TestFollowStoppedOnFullDisk: a run that was stopped while the disk was full
// could not log it; run.json says so, and it did not die.
func TestFollowStoppedOnFullDisk(t *testing.T) {
	for why, want := range map[string]int{"stop": core.ExitInterrupted, "": core.ExitError} {
		s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
		if err != nil {
			t.Fatal(err)
		}
		log := written(t, &event.Started{Format: event.Version}, &event.Paused{Why: "no space left on the disk"})
		run := map[string]any{"pid": 1, "begun": time.Now(), "why": why}
		if why != "" {
			run["ended"] = time.Now()
		}
		info, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"events.jsonl": log, "run.json": info} {
			if err := os.WriteFile(filepath.Join(s.Dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		code, err := Follow(t.Context(), s, io.Discard, Options{})
		if code != want || (err == nil) != (want == core.ExitInterrupted) {
			t.Errorf("why %q: exit %d, %v; want %d", why, code, err, want)
		}
		if st := s.Summary().Status; (st == sessions.Stopped) != (why == "stop") {
			t.Errorf("why %q: status %s", why, st)
		}
	}
}

// written is a log of bodies.
func written(t *testing.T, bodies ...event.Body) (log []byte) {
	t.Helper()
	prev := ""
	for i, b := range bodies {
		l, err := event.Encode(event.Event{Seq: int64(i + 1), At: time.Now(), Body: b, Prev: prev})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(l)
		prev = hex.EncodeToString(sum[:8])
		log = append(append(log, l...), '\n')
	}
	return log
}
