package work

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/theme"
)

// longRun is a session of n events on disk, of a run of some epochs a hundred metrics long,
// whose process is gone.
func longRun(t testing.TB, n int) *sessions.Session {
	t.Helper()
	s, err := sessions.Create(t.TempDir(), core.DefaultRecipe())
	if err != nil {
		t.Fatal(err)
	}
	st := newStory().start("B").baselineDone("B").configured("B")
	epochs := n / 100
	var buf bytes.Buffer
	prev, seq := "", int64(0)
	write := func(e event.Event) {
		seq++
		e.Seq, e.Prev = seq, prev
		line, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:8])
		buf.Write(append(line, '\n'))
	}
	for _, e := range st.es {
		write(e)
	}
	at := st.at
	for e := 1; e <= epochs; e++ {
		acc, zeros := 0.8+0.08*math.Sin(float64(e)/500), 0.9*float64(e)/float64(epochs)
		for k := int64(1); k <= 98 && seq < int64(n)-2; k++ {
			at = at.Add(100 * time.Millisecond)
			step := int64(e-1)*98 + k
			write(event.Event{At: at, Body: &event.Metric{Stage: event.Sparsify, Epoch: e, Epochs: epochs, Step: step, Steps: int64(epochs) * 98, Loss: 1/float64(e) + 0.01*float64(k%7), Acc: acc, LR: 0.1, Zeros: zeros, CPUUS: step * 1800, WallUS: step * 1000, StepCPU: 1800, StepWall: 1000, Energy: uj(step*21, "B")}})
		}
		step := int64(e) * 98
		write(event.Event{At: at, Body: &event.EpochCost{Stage: event.Sparsify, Epoch: e, Step: step, Steps: 98, CPUUS: 176400 - step/100, WallUS: 98000, Energy: uj(2058000, "B"), Zeros: zeros}})
		write(event.Event{At: at, Body: &event.Eval{Stage: event.Sparsify, Epoch: e, Step: step, Split: "val", Correct: int(acc * 1500), N: 1500, Lo: acc - 0.01, Hi: acc + 0.01, Zeros: zeros}})
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "events.jsonl"), buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// attached opens the session as the screen does and reads up to the present.
func attached(t testing.TB, s *sessions.Session) *desk {
	t.Helper()
	src, err := openSession(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	d := testDesk(t, 120, 40, theme.Mono, false)
	d.follow(src)
	for range 1_000_000 {
		if d.run.caught {
			return d
		}
		m := d.read(0)(context.Background())
		d.handle(m)
	}
	t.Fatal("it never comes to the end of the log")
	return nil
}

// TestAttachWithIndex: a long session shows the same with an index as without one.
func TestAttachWithIndex(t *testing.T) {
	s := longRun(t, 12_000)
	lines := attached(t, s)
	want := bare(lines.Render())
	lines.run.src.Close() // the index is left now
	if _, err := os.Stat(filepath.Join(s.Dir, "events.index")); err != nil {
		t.Fatal(err)
	}
	d := attached(t, s)
	if got := bare(d.Render()); got != want {
		t.Errorf("with an index:\n%s\nwithout:\n%s", got, want)
	}
	if len(d.run.st.Curves[event.Sparsify].Loss) < 11_000 || !reflect.DeepEqual(d.run.metric, lines.run.metric) {
		t.Errorf("%d points of the loss; last metric %+v", len(d.run.st.Curves[event.Sparsify].Loss), d.run.metric)
	}
}

// BenchmarkMillion is a session of a million events on the screen: attach until the present
// is drawn, with a warm index; then a key and its frame, in each view.
func BenchmarkMillion(b *testing.B) {
	s := longRun(b, 1_000_000)
	if _, err := s.State(); err != nil { // leaves the index
		b.Fatal(err)
	}
	b.Run("attach", func(b *testing.B) {
		for b.Loop() {
			if attached(b, s).Render() == "" {
				b.Fatal("nothing drawn")
			}
		}
	})
	d := attached(b, s)
	for _, view := range []int{0, 1, 2} {
		b.Run(fmt.Sprintf("keys/view%d", view), func(b *testing.B) {
			i := 0
			for b.Loop() {
				key(d, []string{"left", "+", "right", "-", "left", "0"}[i%6])
				i++
				if d.Render() == "" {
					b.Fatal("nothing drawn")
				}
			}
		})
		key(d, "v")
	}
}
