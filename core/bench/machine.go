package bench

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"pare/core/device/cpu"
)

// Machine is what this machine's processors do, measured: the best of several
// turns, as an estimate should start from what the machine can do.
type Machine struct {
	CPUs      int     // used together
	One       float64 // GFLOP/s of a product of 1024×1024×1024 in float32 on one CPU
	All       float64 // on all of them
	Bandwidth float64 // GB/s read and written by all CPUs that copy memory
}

// copied is the memory that each CPU copies in a turn of the bandwidth, in bytes:
// more than caches hold.
const copied = 64 << 20

// MeasureMachine takes the best of rounds turns of a window each.
func MeasureMachine(window time.Duration, rounds int) (Machine, error) {
	m := Machine{CPUs: runtime.GOMAXPROCS(0)}
	for _, t := range []struct {
		threads int
		to      *float64
	}{{1, &m.One}, {m.CPUs, &m.All}} {
		c := gemmContenders(1024, 1024, 1024, t.threads)[0]
		for range rounds {
			s, err := c.run(window)
			if err != nil {
				return m, err
			}
			*t.to = max(*t.to, c.work/s/1e9)
		}
	}
	from, to := make([][]byte, m.CPUs), make([][]byte, m.CPUs)
	for i := range from {
		from[i], to[i] = slices.Repeat([]byte{1}, copied), make([]byte, copied)
	}
	for range rounds + 1 {
		start := time.Now()
		n := 0
		for ; n == 0 || time.Since(start) < window; n++ {
			var all sync.WaitGroup
			for i := range from {
				all.Go(func() { copy(to[i], from[i]) })
			}
			all.Wait()
		}
		m.Bandwidth = max(m.Bandwidth, 2*copied*float64(n)*float64(m.CPUs)/time.Since(start).Seconds()/1e9)
	}
	return m, nil
}

// busyCPUs keeps n CPUs busy with products until stop is closed; of a part of a CPU in turns
// of 20 ms.
func busyCPUs(n float64, stop <-chan struct{}) {
	const turn = 20 * time.Millisecond
	var all sync.WaitGroup
	for ; n > 0; n-- {
		work := time.Duration(min(n, 1) * float64(turn)) // of each turn
		all.Go(func() {
			const size = 256
			x := make([]float32, 3*size*size)
			mat := func(i int) cpu.Matrix[float32] {
				return cpu.Matrix[float32]{Data: x[i*size*size : (i+1)*size*size], Stride: size}
			}
			for begin := time.Now(); ; {
				select {
				case <-stop:
					return
				default:
					cpu.Gemm(1, size, size, size, 1, mat(0), mat(1), 0, mat(2)) //nolint:errcheck // the sizes fit
				}
				if spent := time.Since(begin); work < turn && spent >= work {
					time.Sleep(turn - spent)
					begin = time.Now()
				}
			}
		})
	}
	all.Wait()
}
