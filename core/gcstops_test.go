package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/metrics"
	"testing"
)

// BenchmarkRunGCStops is what the garbage collector does in a run as a person starts it: its
// cycles, and how long the runtime waited until all goroutines stood (the design wants p99.9
// under 200 µs; of fewer than a thousand stops that is the longest). core/device/cpu's
// GCPause collects without a break instead, to have many. Say -benchtime 1x.
func BenchmarkRunGCStops(b *testing.B) {
	for _, model := range []string{"lenet-300-100", "lenet-5", "resnet-8"} {
		for threads := 1; threads <= 2; threads++ {
			b.Run(fmt.Sprintf("%s/threads%d", model, threads), func(b *testing.B) {
				r := DefaultRecipe()
				r.Auto = true
				r.Model.Name, r.Data.Name, r.Hardware.Threads = model, "fashion-mnist", threads
				r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 20, 20, 100
				r.Energy.IdleSeconds = new(float64)
				before := readStops()
				for range b.N {
					st := &MemStore{Dir: b.TempDir()}
					if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{st}, Session: "bench"}); !errors.Is(err, errEnough) {
						b.Fatal(err)
					}
				}
				n, p999 := readStops().since(before, 0.999)
				b.ReportMetric(float64(n), "stops")
				b.ReportMetric(p999, "p99.9-µs")
			})
		}
	}
}

// stops are the collector's waits, counts by bucket of runtime/metrics.
type stops struct {
	counts  []uint64
	buckets []float64 // bounds in seconds
}

func readStops() stops {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return stops{append([]uint64(nil), h.Counts...), append([]float64(nil), h.Buckets...)}
}

// since counts those after q and says a quantile in µs, the upper bound of its bucket.
func (p stops) since(q stops, quantile float64) (n uint64, us float64) {
	for i := range p.counts {
		n += p.counts[i] - q.counts[i]
	}
	rank, sum := uint64(math.Ceil(quantile*float64(n))), uint64(0)
	for i := range p.counts {
		if sum += p.counts[i] - q.counts[i]; n > 0 && sum >= rank {
			return n, 1e6 * min(p.buckets[i+1], math.MaxFloat64/1e6)
		}
	}
	return n, math.NaN()
}
