package sessions

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pare/core/event"
)

// samples has one body of every flat kind and some of the others, with the
// zero value and with every field set.
func bodies() []event.Body {
	uj, cover := int64(-7), 0.75
	full := event.Joules{UJ: &uj, Tier: "B", Source: "rapl package+dram", Band: 2.5, Coverage: &cover, Rejected: 1, Wraps: 2, Resets: 3}
	return []event.Body{
		&event.Metric{}, &event.Metric{Stage: 3, Epoch: 2, Step: 1 << 60, Loss: -1e-300, Acc: 0.1, LR: 1e21, StepCPU: 12345678901234567, Energy: full},
		&event.Eval{}, &event.Eval{Split: "val", Correct: -3, N: 10, Lo: 0.25}, &event.EpochCost{Energy: full}, &event.EpochCost{MACs: 8, Skipped: 7}, &event.StageCost{}, &event.StageChange{Stage: 1, State: "waiting"},
		&event.StageChange{Stage: 2, State: "done", Evidence: "88.1 %, \"quoted\""}, &event.Checkpoint{Name: "c", Good: true}, &event.Dropped{Name: "c"},
		&event.Decision{Cmd: "target", Value: 0.9, By: "person"}, &event.Decision{Cmd: "rollback", Text: "c"}, &event.Floor{Back: "x"}, &event.Warning{Text: "t"},
		&event.Warning{Text: "<&>", Fix: "4×1"}, &event.Paused{Why: "person"}, &event.Continued{Step: -1}, &event.Resumed{Checkpoint: "c", Seq: 3, Why: "crash"},
		&event.Started{Format: 1}, &event.Done{Exit: 3}, &event.Plan{Layers: []event.RunsAs{{Name: "a"}}}, &event.Ledger{}, &event.LastPoints{Points: []float64{1}},
	}
}

// agree checks that the decoder says of a line what event.Decode says.
func agree(t interface{ Fatalf(string, ...any) }, d *decoder, line []byte) {
	got, err := d.line(line)
	want, werr := event.Decode(line)
	if (err == nil) != (werr == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s\n got %+v %+v, %v\nwant %+v %+v, %v", line, got, got.Body, err, want, want.Body, werr)
	}
}

// TestDecodeQuick: flat events are read in one pass, and the outcome is
// event.Decode's.
func TestDecodeQuick(t *testing.T) {
	var d decoder
	for i, b := range bodies() {
		line, err := event.Encode(event.Event{Seq: int64(i), At: time.Unix(1767225600, 123456789).UTC(), Body: b, Prev: "0123456789abcdef"})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, &d, line)
		plain := !bytes.ContainsAny(line, "\\×") && !bytes.Contains(line, []byte("1152921504606846976")) // 2^60 takes the slow way
		if _, ok := d.quick(line); ok != (flat[b.Kind()] != nil && plain) {
			t.Errorf("quick = %v for %s", ok, line)
		}
		agree(t, &d, line[:len(line)-1])
		agree(t, &d, append(line[:len(line):len(line)], '}'))
		agree(t, &d, append([]byte(" "), line...))
		agree(t, &d, bytes.Replace(line, []byte(`"body":{`), []byte(`"body":{"x":1,`), 1))
		agree(t, &d, bytes.Replace(line, []byte(`"step":`), []byte(`"step":0`), 1))
		agree(t, &d, bytes.ReplaceAll(line, []byte(`:0,`), []byte(`:-0,`)))
		agree(t, &d, bytes.ReplaceAll(line, []byte(`:0,`), []byte(`:1e3,`)))
		agree(t, &d, bytes.ReplaceAll(line, []byte(`:0,`), []byte(`:0x1,`)))
		agree(t, &d, bytes.ReplaceAll(line, []byte(`:0,`), []byte(`:null,`)))
		agree(t, &d, bytes.ReplaceAll(line, []byte(`"kind":"`), []byte(`"kind":"x`)))
	}
	if flat["metric"] == nil || flat["eval"] == nil || flat["model"] != nil {
		t.Errorf("flat kinds: %v", flat)
	}
}

// TestDecodeMutated: lines with any change are still read as event.Decode reads
// them.
func TestDecodeMutated(t *testing.T) {
	var lines [][]byte
	for _, b := range bodies() {
		line, err := event.Encode(event.Event{Seq: 4, At: time.Unix(5, 6).UTC(), Body: b, Prev: "00"})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	bits := strings.Split(`{ } [ ] " : , \ 0 1 - + . e E null true false "seq": "step": "prev": "kind": {} "" \u0041 é`, " ")
	rapid.Check(t, func(t *rapid.T) {
		var d decoder
		line := append([]byte{}, rapid.SampledFrom(lines).Draw(t, "line")...)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(line)).Draw(t, "at")
			cut := min(rapid.IntRange(0, 3).Draw(t, "cut"), len(line)-at)
			line = append(append(append([]byte{}, line[:at]...), rapid.SampledFrom(bits).Draw(t, "bit")...), line[at+cut:]...)
		}
		agree(t, &d, line)
	})
}

func FuzzLine(f *testing.F) {
	for _, b := range bodies() {
		line, err := event.Encode(event.Event{Seq: 4, At: time.Unix(5, 6).UTC(), Body: b, Prev: "00"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	var d decoder
	f.Fuzz(func(t *testing.T, line []byte) {
		agree(t, &d, line)
		startedFormat(line)
	})
}

// FuzzLog: no file makes a reader panic or loop, and reader, skimmer and writer
// agree on what is damage.
func FuzzLog(f *testing.F) {
	(&fullDisk{room: 1 << 40, quick: true}).install(f)
	s := newSession(f, "", 100)
	write(f, s, sample()...)
	whole, err := os.ReadFile(logOf(s))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-40])
	f.Add(append(append([]byte{}, whole...), "\x00\n\n{}"...))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(logOf(s), b, 0o644); err != nil {
			t.Fatal(err)
		}
		seqs, err := read(t, s)
		for i, q := range seqs {
			if q != int64(i+1) {
				t.Fatalf("events %v", seqs)
			}
		}
		s.Summary()
		n := 0
		j, jerr := openJournal(s, func(event.Event) { n++ })
		if (err == nil) != (jerr == nil) || n != len(seqs) {
			t.Fatalf("the reader has %d events, %v; the writer %d, %v", len(seqs), err, n, jerr)
		}
		if jerr == nil {
			j.close()
		}
		os.Remove(s.Dir + "/events.torn-1")
	})
}

func BenchmarkLine(b *testing.B) {
	s := benchLog(b, 1)
	line, err := os.ReadFile(logOf(s))
	if err != nil {
		b.Fatal(err)
	}
	line = bytes.TrimSpace(line)
	b.Run("quick", func(b *testing.B) {
		var d decoder
		for b.Loop() {
			if _, err := d.line(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("event", func(b *testing.B) {
		for b.Loop() {
			if _, err := event.Decode(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("link", func(b *testing.B) {
		for b.Loop() {
			link(line)
		}
	})
}
