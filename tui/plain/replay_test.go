package plain

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
)

// TestReplayPrints: the lines of the log come again, between two that say what
// they are.
func TestReplayPrints(t *testing.T) {
	s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	line, err := event.Encode(event.Event{Seq: 1, At: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Body: &event.Started{Format: 1, Session: "x", Model: "m", Data: "d"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "events.jsonl"), append(line, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, asJSON := range []bool{false, true} {
		r, err := s.Replay(20)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		code, err := Replay(context.Background(), r, &b, Options{JSON: asJSON})
		r.Close() //nolint:errcheck // only read from
		if code != 0 || err != nil {
			t.Fatal(code, err)
		}
		got := b.String()
		if asJSON {
			if got != string(line)+"\n" {
				t.Errorf("%q", got)
			}
			continue
		}
		if !strings.HasPrefix(got, "replay of session "+s.ID) || !strings.Contains(got, "\nsession x: m on d") || !strings.HasSuffix(got, "end of the replay: 0s of the run's time\n") {
			t.Errorf("%q", got)
		}
	}
}
