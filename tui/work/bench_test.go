package work

import (
	"testing"
	"time"

	"pare/core/event"
	"pare/tui/theme"
)

// BenchmarkFrame is the cost of one sample with a new metric and the frame
// drawn for it, in a long run with both curves full.
func BenchmarkFrame(b *testing.B) {
	s := newStory().start("B").baselineDone("B").configured("B")
	for e := 1; e <= 300; e++ {
		s.epoch(event.Sparsify, e, 300, 0.88, 0.8, 2_000_000, "B")
	}
	s.mask(100, 0.8).plan(event.Sparsify, "4×1", "4×1", "dense")
	d, f := watching(b, 120, 40, s)
	d.th = theme.New(theme.Dark, true, false)
	last := s.es[len(s.es)-3]
	m := *s.es[len(s.es)-6].Body.(*event.Metric)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Step++
		f.log = append(f.log, event.Event{Seq: last.Seq + int64(i), At: last.At.Add(time.Duration(i) * 100 * time.Millisecond), Body: &m})
		es, _ := f.Next(budget)
		d.handle(logMsg{src: f, events: es})
		if !d.dirty {
			b.Fatal("a new metric must be drawn")
		}
		d.dirty = false
		if d.Render() == "" {
			b.Fatal("nothing drawn")
		}
	}
}

// BenchmarkIdle is the cost of a sample of a run that says nothing.
func BenchmarkIdle(b *testing.B) {
	d, f := watching(b, 120, 40, newStory().start("B").baselineDone("B").wait(event.Configure, "choose"))
	d.dirty = false
	b.ReportAllocs()
	for b.Loop() {
		d.handle(logMsg{src: f})
		if d.dirty {
			b.Fatal("an idle sample must not be drawn")
		}
	}
}
