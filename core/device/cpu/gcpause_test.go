package cpu_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// collect makes garbage and collects it, over and over, until stop.
func collect(stop *atomic.Bool) {
	var keep [64][]byte
	for i := 0; !stop.Load(); i++ {
		keep[i%64] = make([]byte, 64<<10)
		if i%4 == 0 {
			runtime.GC()
		}
	}
}

// BenchmarkGCPause trains while another goroutine collects garbage without a
// break: no assembly call may hold the collector up. The promise is p99.9 under
// 200 µs. "go" is the control: loops of plain Go, which stop at once. Read both,
// for some seconds (-benchtime 5s), on a machine with a processor to spare: a
// thread that the system has put aside cannot stop either, and then the control
// shows milliseconds, too.
func BenchmarkGCPause(b *testing.B) {
	vision := func(name string, in zoo.Input) func() *graph.Model {
		return func() *graph.Model {
			m, _, err := zoo.New(name, 1, in, 10)
			if err != nil {
				b.Fatal(err)
			}
			return m
		}
	}
	for _, c := range []struct {
		name  string
		model func() *graph.Model // nil for the control
		batch int
		f     tensor.Format
		zeros float64
	}{
		{"go", nil, 0, tensor.Dense, 0},
		{"784-1024-1024-10/dense", func() *graph.Model { return mlp(784, 1024, 1024, 10) }, 256, tensor.Dense, 0},
		{"784-1024-1024-10/1x1", func() *graph.Model { return mlp(784, 1024, 1024, 10) }, 256, tensor.Single, 0.5},
		{"784-1024-1024-10/4x1", func() *graph.Model { return mlp(784, 1024, 1024, 10) }, 256, tensor.Block4, 0.5},
		{"lenet-5", vision("lenet-5", zoo.Input{C: 1, H: 28, W: 28}), 64, tensor.Dense, 0},
		{"resnet-8", vision("resnet-8", zoo.Input{C: 3, H: 32, W: 32}), 64, tensor.Dense, 0},
		{"resnet-8/4x1", vision("resnet-8", zoo.Input{C: 3, H: 32, W: 32}), 64, tensor.Block4, 0.5},
		{"64-50000", func() *graph.Model { return mlp(64, 50000) }, 256, tensor.Dense, 0},
		{"20000-2000/16x1", func() *graph.Model { return mlp(20000, 2000, 10) }, 64, tensor.Block16, 0.5},
		{"maxpool-16x112x112", func() *graph.Model {
			n := &graph.Net{M: graph.New("pool", 3, 112, 112)}
			x := n.Pool("pool", "maxpool", n.Op("relu", "relu", n.Conv("conv", 0, 16, 1, 1, 0, 1, true)), 2, 2)
			n.Linear("out", n.Op("flat", "flatten", n.Op("mean", "globalavgpool", x)), 10)
			return n.M
		}, 32, tensor.Dense, 0},
		{"conv-1024x1x256/16x1", func() *graph.Model {
			n := &graph.Net{M: graph.New("wide", 1024, 1, 256)}
			x := n.Op("mean", "globalavgpool", n.Op("relu", "relu", n.Conv("conv", 0, 32, 1, 1, 0, 1, true)))
			n.Linear("out", n.Op("flat", "flatten", x), 10)
			return n.M
		}, 16, tensor.Block16, 0.3},
		{"50000-64", func() *graph.Model { return mlp(50000, 64, 10) }, 64, tensor.Dense, 0},
	} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads%d", c.name, threads), func(b *testing.B) {
				work := func() { spin(threads, 1<<22) }
				if c.model != nil {
					s := newStepper(b, c.model(), c.batch, threads, c.f, c.zeros)
					work = func() { s.run(b) }
				}
				work()
				benchPauses(b, work)
			})
		}
	}
}

// benchPauses reports the pauses during b.N times of work.
func benchPauses(b *testing.B, work func()) {
	var stop atomic.Bool
	var wg sync.WaitGroup
	before := devicetest.ReadPauses()
	wg.Go(func() { collect(&stop) })
	b.ResetTimer()
	for range b.N {
		work()
	}
	b.StopTimer()
	stop.Store(true)
	wg.Wait()
	p := devicetest.ReadPauses().Minus(before)
	b.ReportMetric(float64(p.Count(0)), "pauses")
	if p.Count(0) == 0 {
		return
	}
	for q, unit := range map[float64]string{0.5: "p50-µs", 0.99: "p99-µs", 0.999: "p99.9-µs", 1: "max-µs"} {
		b.ReportMetric(p.Quantile(q), unit)
	}
}

// spin keeps goroutines busy.
func spin(goroutines, n int) {
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			x := uint32(1)
			for range n {
				x = x*1664525 + 1013904223
			}
			sink.Add(x)
		})
	}
	wg.Wait()
}

var sink atomic.Uint32
