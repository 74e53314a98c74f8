package work

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core/event"
	"pare/sessions"
)

func init() { time.Local = time.UTC } // screens tell when something was recorded

// onDisk is a session whose log tells a story.
func onDisk(t testing.TB, root string, s *story) *sessions.Session {
	t.Helper()
	x, err := sessions.Create(root, testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "brisk-heron")
	if _, err := os.Stat(dir); err == nil {
		dir = filepath.Join(root, "calm-wren")
	}
	if err := os.Rename(x.Dir, dir); err != nil && x.Dir != dir {
		t.Fatal(err)
	}
	var log []byte
	prev := ""
	for _, e := range s.es {
		e.Prev = prev
		line, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256(line)
		prev = hex.EncodeToString(h[:8])
		log = append(append(log, line...), '\n')
	}
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), log, 0o644); err != nil {
		t.Fatal(err)
	}
	x, err = sessions.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// replayed is a desk on a replay, with the hand that moves its clock.
func replayed(t *testing.T, w, h int, s *story, speed float64) (d *desk, after func(time.Duration)) {
	t.Helper()
	r, err := onDisk(t, t.TempDir(), s).Replay(speed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() }) //nolint:errcheck // only read from
	now := begun
	d = testDesk(t, w, h, 3, false)
	d.follow(&replay{r: r, now: func() time.Time { return now }})
	work(d, d.begin())
	return d, func(by time.Duration) {
		now, d.now = now.Add(by), d.now.Add(by)
		sample(d)
	}
}

func whole() *story {
	return newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor").
		configured("B").sparsified("B").validated("B").deployed()
}

// TestReplayOnTheScreen: the same screens as the run had, at its pace, and it is
// always said that this is a replay.
func TestReplayOnTheScreen(t *testing.T) {
	d, after := replayed(t, 120, 40, whole(), 10)
	key(d, "3")
	after(0)
	after(500 * time.Millisecond) // five seconds of the run
	if a, b := len(d.run.st.Curves[event.Sparsify].Acc), 7; a != b {
		t.Fatalf("%d epochs, want %d", a, b)
	}
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}, {40, 12}} {
		d.resize(z[0], z[1])
		golden(t, fmt.Sprintf("replay-%dx%d", z[0], z[1]), bare(d.Render()))
	}
	d.resize(80, 24)
	key(d, "?")
	golden(t, "replay-help-80x24", bare(d.Render()))
	sees(t, d, "!not now", "!go back to a checkpoint", "!the run goes on")
	key(d, "esc")
	key(d, "space")
	for w := 24; w <= 200; w += 9 {
		for h := 1; h <= 60; h++ {
			d.resize(w, h)
			fits(t, d, "replay")
			if !strings.Contains(bare(d.Render()), "replay") {
				t.Fatalf("%d×%d does not say that it is a replay:\n%s", w, h, bare(d.Render()))
			}
		}
	}
	d.resize(80, 24)
	after(time.Hour)
	sees(t, d, "replay ×10, paused", "space goes on", "recorded 2026-11-23 10:00", "!pause the run")
	key(d, "space", "+")
	sees(t, d, "replay ×20")
	key(d, "-", "-")
	sees(t, d, "replay ×5")
	after(time.Hour)
	after(time.Hour)
	sees(t, d, "replay, at its end", "PASS 88.4 %")
	key(d, "space")
	sees(t, d, "press 1 to see it again")
	key(d, "1")
	after(0)
	sees(t, d, "1 baseline ●", "!88.4 %")
	if got := d.title(); got != "pare replay brisk-heron" {
		t.Errorf("title %q", got)
	}
}

// TestReplayTouchesNothing: no key sends a command or opens a form.
func TestReplayTouchesNothing(t *testing.T) {
	d, after := replayed(t, 80, 24, whole(), 1)
	key(d, "2")
	after(0)
	after(300 * time.Millisecond)
	sees(t, d, "here the run waited for a person")
	for _, n := range names {
		d.page = pageRun
		key(d, n)
		d.quit = false
		if d.page == pageShelf { // the list of sessions may be looked at
			key(d, "esc")
		}
		if d.formOpen() || d.over != overNone && d.over != overHelp && d.over != overTeach && d.over != overPalette && d.over != overFilter {
			t.Fatalf("%s opens something", n)
		}
		d.over = overNone
	}
	key(d, "esc", "r", "e", "x", "R", "enter")
	sees(t, d, "!roll back", "!target")
}

// TestReplaySeeksAcrossTheUnreached: a stage the run never began is told so.
func TestReplaySeeksAcrossTheUnreached(t *testing.T) {
	d, after := replayed(t, 80, 24, newStory().start("B").baseline("B"), 1)
	key(d, "4")
	after(0)
	sees(t, d, "the run never began stage 4, validate", "1 baseline")
}

// TestReplayKeys: each key of the footer does something.
func TestReplayKeys(t *testing.T) {
	d, after := replayed(t, 120, 40, whole(), 1)
	key(d, "3")
	after(2 * time.Second)
	for _, b := range d.valid() {
		for _, k := range b.keys {
			before := bare(d.Render())
			key(d, k)
			after(0)
			if bare(d.Render()) == before && !d.quit && k != "3" && k != "y" { // its toast goes with the clock
				t.Errorf("%s shows nothing new", k)
			}
			d.quit, d.over = false, overNone
			key(d, "3")
			after(2 * time.Second)
		}
	}
}

func writeText(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
