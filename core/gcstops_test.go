package core

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"pare/core/event"
	"pare/core/plan/devicetest"
)

// BenchmarkRunGCStops is what the garbage collector does in runs as a person starts them,
// from the first step to the end of sparsify: its stops, their longest, and how many took over
// the design's 200 µs (p99.9 is the longest of up to a thousand); and the stops for other reasons,
// which are those that a collection between steps begins and ends with. core/device/cpu's GCPause
// collects without a break instead, to have many in the midst of kernels.
// "go" is the control: one goroutine works, rests and collects, in about the rhythm of a run.
func BenchmarkRunGCStops(b *testing.B) {
	b.Run("go", func(b *testing.B) {
		before := devicetest.ReadPauses()
		for range b.N {
			for begin := time.Now(); time.Since(begin) < 60*time.Millisecond; {
			}
			time.Sleep(300 * time.Microsecond)
			runtime.GC()
		}
		reportStops(b, devicetest.ReadPauses().Minus(before))
	})
	for _, model := range []string{"lenet-300-100", "lenet-5", "resnet-8"} {
		for threads := 1; threads <= 2; threads++ {
			b.Run(fmt.Sprintf("%s/threads%d", model, threads), func(b *testing.B) {
				r := DefaultRecipe()
				r.Auto = true
				r.Model.Name, r.Data.Name, r.Hardware.Threads = model, "fashion-mnist", threads
				r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 20, 20, 100
				r.Energy.IdleSeconds = new(float64)
				var while, other devicetest.Pauses
				for range b.N {
					st := &fromFirstStep{untilValidate: untilValidate{&MemStore{Dir: b.TempDir()}}}
					if _, err := Run(context.Background(), Config{Recipe: r, Store: st, Session: "bench"}); !errors.Is(err, errEnough) {
						b.Fatal(err)
					}
					while = while.Plus(devicetest.ReadPauses().Minus(st.before))
					other = other.Plus(devicetest.ReadOtherPauses().Minus(st.other))
				}
				reportStops(b, while)
				b.ReportMetric(float64(other.Count(0)), "other-stops")
				b.ReportMetric(float64(other.Count(200)), "other-over-200-µs")
				b.ReportMetric(other.Quantile(0.999), "other-p99.9-µs")
			})
		}
	}
}

func reportStops(b *testing.B, p devicetest.Pauses) {
	b.ReportMetric(float64(p.Count(0)), "stops")
	b.ReportMetric(float64(p.Count(200)), "over-200-µs")
	b.ReportMetric(p.Quantile(0.5), "p50-µs")
	b.ReportMetric(p.Quantile(0.999), "p99.9-µs")
}

// fromFirstStep notes the collector's stops before the first step.
type fromFirstStep struct {
	untilValidate
	began         bool
	before, other devicetest.Pauses
}

func (s *fromFirstStep) Emit(b event.Body) (int64, error) {
	if _, ok := b.(*event.Metric); ok && !s.began {
		s.began, s.before, s.other = true, devicetest.ReadPauses(), devicetest.ReadOtherPauses()
	}
	return s.untilValidate.Emit(b)
}
