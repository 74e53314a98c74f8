package devicetest

import (
	"math"
	"runtime/metrics"
)

// Pauses is how long the runtime waited for goroutines to stop, as counts over the buckets
// of runtime/metrics (/sched/pauses/stopping).
type Pauses struct {
	counts  []uint64
	buckets []float64 // bounds in seconds, one more than counts
}

// ReadPauses are those for the garbage collector in the process so far.
func ReadPauses() Pauses {
	return readPauses("/sched/pauses/stopping/gc:seconds")
}

// ReadOtherPauses are those for other reasons, such as a new GOMAXPROCS.
func ReadOtherPauses() Pauses { return readPauses("/sched/pauses/stopping/other:seconds") }

func readPauses(name string) Pauses {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	return Pauses{append([]uint64(nil), h.Counts...), append([]float64(nil), h.Buckets...)}
}

// Minus are the pauses of p that came after q was read.
func (p Pauses) Minus(q Pauses) Pauses {
	d := Pauses{make([]uint64, len(p.counts)), p.buckets}
	for i := range p.counts {
		d.counts[i] = p.counts[i] - q.counts[i]
	}
	return d
}

// Plus are the pauses of both.
func (p Pauses) Plus(q Pauses) Pauses {
	if p.counts == nil {
		return q
	}
	d := Pauses{make([]uint64, len(p.counts)), p.buckets}
	for i := range p.counts {
		d.counts[i] = p.counts[i] + q.counts[i]
	}
	return d
}

// Count is how many pauses may have been longer than µs: those of every bucket that ends
// above. The buckets are about a quarter wide.
func (p Pauses) Count(µs float64) (n uint64) {
	for i, c := range p.counts {
		if 1e6*p.buckets[i+1] > µs {
			n += c
		}
	}
	return n
}

// Quantile is an upper bound of the q quantile in µs, NaN without a pause.
func (p Pauses) Quantile(q float64) float64 {
	rank, sum := uint64(math.Ceil(q*float64(p.Count(0)))), uint64(0)
	for i, c := range p.counts {
		if sum += c; c > 0 && sum >= rank {
			return 1e6 * p.buckets[i+1]
		}
	}
	return math.NaN()
}
