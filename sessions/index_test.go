package sessions

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pare/core/event"
)

// longLog writes a log of n events as a run does: metrics, one epoch in fifty, a mask in a
// hundred, stages, a way back. Lines are those of the journal.
func longLog(t testing.TB, n int) *Session {
	t.Helper()
	s := newSession(t, "", 100)
	var buf bytes.Buffer
	prev, step := "", int64(0)
	uj := int64(123456789)
	j := event.Joules{UJ: &uj, Tier: "B", Source: "rapl package+dram", Band: 2}
	for i := 1; i <= n; i++ {
		step++
		var b event.Body
		switch {
		case i == 1:
			b = &event.Started{Format: 1, Model: "mlp", Data: "iris"}
		case i == 2:
			b = &event.StageChange{Stage: event.Baseline, State: "started"}
		case i == n/3:
			step, b = 0, &event.StageChange{Stage: event.Sparsify, State: "started"}
		case i == n/2:
			b = &event.Checkpoint{Name: "c", Stage: event.Sparsify, Step: step}
		case i == n/2+500:
			b, step = &event.Resumed{Checkpoint: "c", Stage: event.Sparsify, Step: step - 500, Why: "rollback"}, step-500
		case i%100 == 50:
			b = &event.Eval{Stage: stageAt(i, n), Epoch: i / 100, Step: step, Split: "val", Correct: 80 + i%20, N: 100, Lo: 0.7, Hi: 0.99, Loss: 0.3}
		case i%100 == 51:
			b = &event.EpochCost{Stage: stageAt(i, n), Epoch: i / 100, Step: step, Steps: 100, CPUUS: 1000, WallUS: 600, Energy: j}
		case i%1000 == 52:
			b = &event.Mask{Layers: []event.LayerMask{{Name: "fc1", Zeros: i, Of: 1 << 30}}}
		case i%1000 == 53:
			b = &event.Warning{Text: "4×1 \"blocks\"", Fix: "none"}
		default:
			b = &event.Metric{
				Stage: stageAt(i, n), Epoch: i / 100, Epochs: n / 100, Step: step, Steps: int64(n), Loss: math.Exp(-float64(i) / float64(n)), Acc: 0.890625, LR: 0.01,
				Zeros: float64(i/1000) / float64(n/1000+1), Target: 0.9, CPUUS: int64(i) * 1000, WallUS: int64(i) * 600, StepCPU: 812.25, StepWall: 433.5, Energy: j,
			}
		}
		line, err := event.Encode(event.Event{Seq: int64(i), At: time.Unix(1767225600, int64(i)*1e8).UTC(), Prev: prev, Body: b})
		if err != nil {
			t.Fatal(err)
		}
		prev = link(line)
		buf.Write(append(line, '\n'))
	}
	if err := os.WriteFile(logOf(s), buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

func stageAt(i, n int) event.Stage {
	if i < n/3 {
		return event.Baseline
	}
	return event.Sparsify
}

// smallBlocks makes blocks of n events.
func smallBlocks(t testing.TB, n int) {
	old := blockEvents
	blockEvents = n
	t.Cleanup(func() { blockEvents = old })
}

func indexOf(s *Session) string { return filepath.Join(s.Dir, indexFile) }

// byLines is the fold of the log, line by line.
func byLines(t testing.TB, s *Session) (*event.State, error) {
	st := new(event.State)
	err := s.each(func(e event.Event) { st.Apply(e) })
	return st, err
}

// TestIndexFoldsTheSame: the fold with an index is that without, to the bit, whoever made
// the index, and after the log has grown.
func TestIndexFoldsTheSame(t *testing.T) {
	smallBlocks(t, 300)
	s := longLog(t, 5000)
	same := func(what string) {
		t.Helper()
		want, err := byLines(t, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.State()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: another fold, %v:\n got %+v\nwant %+v", what, err, got.Metric, want.Metric)
		}
	}
	indexed := func() int64 {
		f, err := os.Open(logOf(s))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := readPast(s.Dir, f)
		if p == nil {
			return 0
		}
		return p.end().to
	}
	same("the first reader")
	if n := indexed(); n != 4800 {
		t.Fatalf("the first reader leaves an index of %d events, want 4800", n)
	}
	same("with the reader's index")

	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	m := &event.Metric{Stage: event.Sparsify} // used again and again
	for i := range 1000 {
		m.Step, m.Loss = int64(9000+i), 1/float64(i+1)
		if _, err := j.append(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if n := indexed(); n != 6000 {
		t.Fatalf("the run leaves an index of %d events, want 6000", n)
	}
	same("with the run's index")

	raw, err := os.ReadFile(indexOf(s))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(indexOf(s), raw[:len(raw)-100], 0o644); err != nil { // torn
		t.Fatal(err)
	}
	same("with a torn index")
	if n := indexed(); n != 6000 {
		t.Errorf("a reader mends a torn index up to %d events, want 6000", n)
	}
}

// TestIndexIsNotTrusted: with any byte of the index changed the fold is still the log's.
func TestIndexIsNotTrusted(t *testing.T) {
	smallBlocks(t, 100)
	s := longLog(t, 1000)
	want, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(indexOf(s))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := append([]byte{}, whole...)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			b[at] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
		if err := os.WriteFile(indexOf(s), b, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := s.State()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("another fold: %v", err)
		}
	})
	// An index of another log, and one of a log that was begun anew.
	if err := os.WriteFile(indexOf(s), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	other := longLog(t, 999)
	if err := os.WriteFile(indexOf(other), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := other.State()
	lines, _ := byLines(t, other)
	if err != nil || !reflect.DeepEqual(st, lines) {
		t.Errorf("with the index of another log: %v", err)
	}
}

// TestIndexHidesNoDamage: a log changed in its middle is told with an index too, by the
// state and by the screen's reader, as without one.
func TestIndexHidesNoDamage(t *testing.T) {
	smallBlocks(t, 100)
	s := longLog(t, 1000)
	if _, err := s.State(); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(indexOf(s))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(logOf(s))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(log, []byte(`"acc":0.890625`), []byte(`"acc":0.990625`), 1)
	if err := os.WriteFile(logOf(s), bad, 0o644); err != nil {
		t.Fatal(err)
	}
	want, werr := byLines(t, s)
	got, err := s.State()
	if werr == nil || err == nil || err.Error() != werr.Error() || !reflect.DeepEqual(got, want) {
		t.Errorf("the state: %v at event %d, want %v at %d", err, got.Seq, werr, want.Seq)
	}
	if err := os.WriteFile(indexOf(s), index, 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := s.Present()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	await(t, "the damage", func() bool { _, err = p.Next(0); return err != nil })
	if err.Error() != werr.Error() {
		t.Errorf("the screen's reader: %v, want %v", err, werr)
	}
	if err := os.WriteFile(logOf(s), log[:len(log)/2], 0o644); err != nil { // cut short
		t.Fatal(err)
	}
	if err := os.WriteFile(indexOf(s), index, 0o644); err != nil {
		t.Fatal(err)
	}
	want, _ = byLines(t, s)
	if got, err := s.State(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a log shorter than its index: %v", err)
	}
}

// TestIndexOfOthers: where a run is alive, or nothing can be written, no index is left,
// and a short log has none.
func TestIndexOfOthers(t *testing.T) {
	s := longLog(t, 500)
	if _, err := s.State(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(indexOf(s)); err == nil {
		t.Error("a short log has an index")
	}
	smallBlocks(t, 100)
	lock, err := s.takeLock(0, false)
	if err != nil {
		t.Fatal(err)
	}
	info := runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now()}
	if err := info.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.State(); err != nil {
		t.Fatal(err)
	}
	lock.Close()
	l, err := filepath.Glob(filepath.Join(s.Dir, "*index*"))
	if hidden, _ := filepath.Glob(filepath.Join(s.Dir, ".*index*")); err != nil || len(l)+len(hidden) > 0 {
		t.Errorf("a reader leaves %v %v beside a run", l, hidden)
	}
}

// FuzzIndex: no index makes a reader panic, loop, or fold anything but the log. The log is
// short and only read where something of the index is accepted: elsewhere the fold is that of
// its lines anyway, and thousands of inputs a second are tried.
func FuzzIndex(f *testing.F) {
	smallBlocks(f, 8)
	s := longLog(f, 60)
	want, err := s.State()
	if err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(indexOf(s))
	if err != nil {
		f.Fatal(err)
	}
	lock, err := s.takeLock(0, false) // so that no reader mends it
	if err != nil {
		f.Fatal(err)
	}
	defer lock.Close()
	info := runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now()}
	if err := info.write(s.Dir); err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(indexMagic))
	f.Add([]byte(strings.Repeat("\xff", 100)))
	for at := len(indexMagic); at < len(whole); { // blocks without their checksums
		n := int(binary.LittleEndian.Uint32(whole[at:]))
		f.Add(whole[at+8 : at+8+n])
		at += 8 + n
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		accepted := parseIndex(b).blocks
		for _, k := range accepted {
			k.events()
		}
		sealed := make([]byte, 8, 8+len(b)) // behind the checksum
		binary.LittleEndian.PutUint32(sealed, uint32(len(b)))
		binary.LittleEndian.PutUint32(sealed[4:], crc32.Checksum(b, castagnoli))
		for _, k := range parseIndex(append([]byte(indexMagic), append(sealed, b...)...)).blocks {
			k.events()
		}
		if k, ok := parseBlock(b); ok { // wherever it says it stands
			k.events()
		}
		if len(accepted) == 0 {
			return
		}
		if err := os.WriteFile(indexOf(s), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := s.State(); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("another fold: %v", err)
		}
	})
}

// BenchmarkMillion opens a session of a million events: its state, and the reader of the
// screen up to the log's end, with and without an index.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	s := longLog(b, n)
	b.Run("state/lines", func(b *testing.B) {
		for b.Loop() {
			if st, err := byLines(b, s); err != nil || st.Seq != n {
				b.Fatal(err)
			}
		}
	})
	if _, err := s.State(); err != nil {
		b.Fatal(err)
	}
	for name, fold := range map[string]bool{"read/index": false, "state/index": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if fold {
					if st, err := s.State(); err != nil || st.Seq != n {
						b.Fatal(err)
					}
					continue
				}
				t, err := s.Present()
				if err != nil {
					b.Fatal(err)
				}
				seq := int64(0)
				if err := t.each(func(e event.Event) { seq = e.Seq }); err != nil || seq != n {
					b.Fatal(err, seq)
				}
				t.Close()
			}
		})
	}
	st, err := os.Stat(indexOf(s))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("index: %.1f MB", float64(st.Size())/1e6)
	runtime.GC()
}
