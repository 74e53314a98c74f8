package sessions

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pare/core/event"
)

// write appends bodies through a journal of its own.
func write(t testing.TB, s *Session, bodies ...event.Body) {
	t.Helper()
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if _, err := j.append(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
}

// sample is a short log with long and short lines.
func sample() []event.Body {
	return []event.Body{
		&event.Started{Format: event.Version, Model: "m", Data: "d"},
		&event.Metric{Stage: event.Baseline, Step: 1, Loss: 0.5},
		&event.Decision{Stage: event.Baseline, Step: 2, Cmd: "configure", Text: strings.Repeat("key = \"ünï<&>\"\n", 2), By: "person"},
		&event.Checkpoint{Name: "c", Step: 2, SHA: "00"},
		&event.Continued{Step: 3},
	}
}

func read(t testing.TB, s *Session) (seqs []int64, err error) {
	t.Helper()
	tl, err := s.Tail()
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	for {
		es, err := tl.Next(2)
		for _, e := range es {
			seqs = append(seqs, e.Seq)
		}
		if err != nil || len(es) == 0 {
			return seqs, err
		}
	}
}

func upTo(n int) []int64 {
	var l []int64
	for i := range n {
		l = append(l, int64(i+1))
	}
	return l
}

func logOf(s *Session) string { return filepath.Join(s.Dir, logFile) }

// TestTornTail: a log cut at any byte reads up to the last whole line; opening
// it for writing keeps what was cut in events.torn-N and goes on with the
// chain.
func TestTornTail(t *testing.T) {
	(&fullDisk{room: 1 << 30, quick: true}).install(t)
	s := newSession(t, "", 100)
	write(t, s, sample()...)
	whole, err := os.ReadFile(logOf(s))
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(s.Dir, "events.torn-1")
	for n := range whole {
		if err := os.WriteFile(logOf(s), whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(whole[:n], []byte("\n"))
		if got, err := read(t, s); err != nil || !reflect.DeepEqual(got, upTo(lines)) {
			t.Fatalf("cut at %d: read %v, %v; want %d events", n, got, err, lines)
		}
		write(t, s, &event.Warning{Text: "on"})
		if got, err := read(t, s); err != nil || !reflect.DeepEqual(got, upTo(lines+1)) {
			t.Fatalf("cut at %d and repaired: read %v, %v; want %d events", n, got, err, lines+1)
		}
		tail := whole[bytes.LastIndexByte(whole[:n], '\n')+1 : n]
		kept, err := os.ReadFile(torn)
		if len(tail) == 0 {
			if !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("cut at %d: nothing was torn, but %s is there", n, torn)
			}
			continue
		}
		if err != nil || !bytes.Equal(kept, tail) {
			t.Fatalf("cut at %d: kept %q, %v; want %q", n, kept, err, tail)
		}
		if err := os.Remove(torn); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGarbledTail: what a crash of the machine may leave after the last good
// line, zeros or lines that are no events, is the torn end as well; a second one
// does not overwrite the first.
func TestGarbledTail(t *testing.T) {
	s := newSession(t, "", 100)
	write(t, s, sample()...)
	for i, tail := range []string{"\x00\x00\x00\x00", "{\"seq\":6\n", "\n", "x\ny\n\x00\n", "x\n{\"seq\":", strings.Repeat("z", readChunk+5) + "\n"} {
		before, err := read(t, s)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(logOf(s), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(tail); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if got, err := read(t, s); err != nil || len(got) != len(before) {
			t.Errorf("%.20q: read %d events, %v; want %d", tail, len(got), err, len(before))
		}
		if m := s.Summary(); m.Damage != "" {
			t.Errorf("%.20q: listed as damaged: %s", tail, m.Damage)
		}
		write(t, s, &event.Warning{Text: "on"})
		if got, err := read(t, s); err != nil || len(got) != len(before)+1 {
			t.Errorf("%.20q: read %d events, %v after the repair", tail, len(got), err)
		}
		kept, err := os.ReadFile(filepath.Join(s.Dir, fmt.Sprintf("events.torn-%d", i+1)))
		if err != nil || string(kept) != tail {
			t.Errorf("%.20q: kept %.20q, %v", tail, kept, err)
		}
	}
}

// TestTampered: any change of history is an error that names a line at or just
// after the change, and all before it is read.
func TestTampered(t *testing.T) {
	s := newSession(t, "", 100)
	write(t, s, sample()...)
	whole, err := os.ReadFile(logOf(s))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines = lines[:len(lines)-1]
	n := len(lines)
	check := func(name string, line int, log [][]byte) {
		t.Helper()
		if err := os.WriteFile(logOf(s), bytes.Join(log, nil), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, s)
		var d *DamageError
		if !errors.As(err, &d) || d.Line != line || d.Seq != int64(line-1) || len(got) != line-1 {
			t.Errorf("%s: read %v, %v; want damage at line %d", name, got, err, line)
			return
		}
		if st, err := s.State(); err == nil || st.Seq != int64(line-1) {
			t.Errorf("%s: State at %d, %v", name, st.Seq, err)
		}
		if _, err := openJournal(s, func(event.Event) {}); !errors.As(err, &d) {
			t.Errorf("%s: opened for writing: %v", name, err)
		}
		if now, _ := os.ReadFile(logOf(s)); !bytes.Equal(now, bytes.Join(log, nil)) {
			t.Errorf("%s: the damaged log was changed", name)
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), fmt.Sprintf("line %d", line)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	edit := func(i int, f func([]byte) []byte) [][]byte {
		l := append([][]byte{}, lines...)
		l[i] = f(append([]byte{}, l[i]...))
		return l
	}
	for i := 0; i < n-1; i++ {
		check(fmt.Sprintf("line %d's time changed", i+1), i+2, edit(i, func(b []byte) []byte {
			at := bytes.Index(b, []byte(`"at":"2`))
			b[at+9]++ // a year is still a year
			return b
		}))
		check(fmt.Sprintf("line %d garbled", i+1), i+1, edit(i, func(b []byte) []byte { b[0] = '?'; return b }))
		check(fmt.Sprintf("line %d taken out", i+1), i+1, append(append([][]byte{}, lines[:i]...), lines[i+1:]...))
		check(fmt.Sprintf("line %d twice", i+1), i+2, append(append(append([][]byte{}, lines[:i+1]...), lines[i]), lines[i+1:]...))
		swapped := append([][]byte{}, lines...)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		check(fmt.Sprintf("lines %d and %d swapped", i+1, i+2), i+1, swapped)
	}
	check("last line's link changed", n, edit(n-1, func(b []byte) []byte {
		b[len(b)-4] ^= 1 // a hex digit stays one, or becomes another letter
		return b
	}))
}

// TestNewer: a log of a newer format is refused in one clear line, even when
// its first line has a form that cannot be read.
func TestNewer(t *testing.T) {
	for _, line := range []string{
		fmt.Sprintf(`{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"started","body":{"format":%d,"session":"x"},"prev":""}`, event.Version+1),
		`{"seq":"one","at":0,"kind":"started","body":{"format":99,"session":["x"]},"links":[]}`,
	} {
		s := newSession(t, "", 100)
		if err := os.WriteFile(logOf(s), []byte(line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.State(); !errors.Is(err, ErrNewer) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), s.ID) {
			t.Errorf("State: %v", err)
		}
		if _, err := openStore(s); !errors.Is(err, ErrNewer) {
			t.Errorf("openStore: %v", err)
		}
		if m := s.Summary(); !strings.Contains(m.Damage, "newer pare") {
			t.Errorf("Summary: %+v", m)
		}
		if b, _ := os.ReadFile(logOf(s)); string(b) != line+"\n" {
			t.Error("the newer log was changed")
		}
	}
}

// TestTailLive: a reader beside a writer that writes in the smallest pieces
// sees every event once, in order, and nothing half.
func TestTailLive(t *testing.T) {
	s := newSession(t, "", 100)
	tl, err := s.Tail()
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	if es, err := tl.Next(0); err != nil || es != nil {
		t.Fatalf("without a log: %v, %v", es, err)
	}
	other := newSession(t, "", 100)
	write(t, other, sample()...)
	whole, err := os.ReadFile(logOf(other))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(logOf(s))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []int64
	for i, b := range whole {
		if _, err := f.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
		es, err := tl.Next(0)
		if err != nil {
			t.Fatalf("at byte %d: %v", i, err)
		}
		for _, e := range es {
			got = append(got, e.Seq)
		}
		if want := bytes.Count(whole[:i+1], []byte("\n")); len(got) != want {
			t.Fatalf("at byte %d: %d events, want %d", i, len(got), want)
		}
	}
	if !reflect.DeepEqual(got, upTo(len(sample()))) {
		t.Errorf("got %v", got)
	}
}

// TestTailAcrossRepair: a reader that stands before a torn end goes on with
// what the resumed run writes in its place.
func TestTailAcrossRepair(t *testing.T) {
	s := newSession(t, "", 100)
	write(t, s, sample()...)
	f, err := os.OpenFile(logOf(s), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("garbage\n{\"seq\":"); err != nil {
		t.Fatal(err)
	}
	tl, err := s.Tail()
	if err != nil {
		t.Fatal(err)
	}
	defer tl.Close()
	for range 3 {
		if _, err := tl.Next(0); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, &event.Resumed{Checkpoint: "c", Why: "crash"}, &event.Done{})
	es, err := tl.Next(0)
	if err != nil || len(es) != 2 || es[0].Seq != int64(len(sample())+1) {
		t.Errorf("got %v, %v", es, err)
	}
}

// TestLongLines: lines above the reader's chunk are read, lines above the limit
// are neither written nor read.
func TestLongLines(t *testing.T) {
	s := newSession(t, "", 100)
	big := &event.Warning{Text: strings.Repeat("x", 3*readChunk)}
	write(t, s, &event.Started{Format: event.Version}, big, &event.Continued{}, big)
	if got, err := read(t, s); err != nil || len(got) != 4 {
		t.Fatalf("read %v, %v", got, err)
	}
	if m := s.Summary(); m.Damage != "" {
		t.Error(m.Damage)
	}
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if _, err := j.append(&event.Warning{Text: strings.Repeat("x", maxLine)}); err == nil {
		t.Error("a line above the limit was written")
	}
	f, err := os.OpenFile(logOf(s), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat("y", maxLine+10)); err != nil {
		t.Fatal(err)
	}
	var d *DamageError
	if _, err := read(t, s); !errors.As(err, &d) || d.Line != 5 {
		t.Errorf("%v", err)
	}
}

// TestSyncedBeside: what is not synced at once is within about a second. Time is that of the
// test's own clock.
func TestSyncedBeside(t *testing.T) { synctest.Test(t, syncedBeside) }

func syncedBeside(t *testing.T) {
	s := newSession(t, "", 100)
	d := &fullDisk{room: 1 << 20}
	d.install(t)
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if _, err := j.append(&event.Metric{}); err != nil {
		t.Fatal(err)
	}
	if n := d.syncs.Load(); n != 0 {
		t.Errorf("%d syncs at once for a metric", n)
	}
	time.Sleep(2 * syncEvery)
	if n := d.syncs.Load(); n != 1 {
		t.Errorf("%d syncs beside the writer, want 1", n)
	}
	if _, err := j.append(&event.Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	if n := d.syncs.Load(); n != 2 {
		t.Errorf("%d syncs after a checkpoint, want 2", n)
	}
}

// benchLog is a log of n metrics.
func benchLog(b *testing.B, n int) *Session {
	s := newSession(b, "", 100)
	var buf bytes.Buffer
	prev := ""
	uj := int64(123456789)
	for i := 1; i <= n; i++ {
		e := event.Event{Seq: int64(i), At: time.Unix(1767225600, int64(i)*1e6).UTC(), Prev: prev, Body: &event.Metric{
			Stage: event.Sparsify, Epoch: 3, Epochs: 20, Step: int64(i), Steps: int64(n), Loss: 0.31415926535, Acc: 0.890625, LR: 0.01, Zeros: 0.8437,
			Target: 0.9, CPUUS: int64(i) * 1000, WallUS: int64(i) * 600, StepCPU: 812.25, StepWall: 433.5,
			Energy: event.Joules{UJ: &uj, Tier: "B", Source: "rapl package+dram", Band: 2},
		}}
		line, err := event.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		prev = link(line)
		buf.Write(append(line, '\n'))
	}
	if err := os.WriteFile(logOf(s), buf.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	return s
}

const benchEvents = 50000

func BenchmarkState(b *testing.B) {
	s := benchLog(b, benchEvents)
	for b.Loop() {
		if st, err := s.State(); err != nil || st.Seq != benchEvents {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSummary(b *testing.B) {
	s := benchLog(b, benchEvents)
	for b.Loop() {
		if m := s.Summary(); m.Damage != "" {
			b.Fatal(m.Damage)
		}
	}
	b.ReportMetric(float64(b.N)*benchEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkAppend(b *testing.B) {
	s := newSession(b, "", 100)
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		b.Fatal(err)
	}
	defer j.close()
	for b.Loop() {
		if _, err := j.append(&event.Metric{Loss: 0.5}); err != nil {
			b.Fatal(err)
		}
	}
}
