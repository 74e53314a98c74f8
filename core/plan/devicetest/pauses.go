package devicetest

import (
	"math"
	"runtime/metrics"
)

// Pauses is how long the garbage collector waited for goroutines to stop, as counts over
// the buckets of runtime/metrics (/sched/pauses/stopping/gc).
type Pauses struct {
	counts  []uint64
	buckets []float64 // bounds in seconds
}

// ReadPauses are those of the process so far.
func ReadPauses() Pauses {
	s := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return Pauses{append([]uint64(nil), h.Counts...), append([]float64(nil), h.Buckets...)}
}

// Since is the number of pauses after q, and their quantiles in µs, none without a pause:
// upper bounds, the buckets are about a quarter wide.
func (p Pauses) Since(q Pauses, quantiles ...float64) (n uint64, us []float64) {
	for i := range p.counts {
		n += p.counts[i] - q.counts[i]
	}
	if n == 0 {
		return 0, nil
	}
	for _, x := range quantiles {
		rank, sum := uint64(math.Ceil(x*float64(n))), uint64(0)
		for i := range p.counts {
			if sum += p.counts[i] - q.counts[i]; sum >= rank {
				top := p.buckets[i+1]
				if math.IsInf(top, 1) {
					top = p.buckets[i]
				}
				us = append(us, 1e6*top)
				break
			}
		}
	}
	return n, us
}
