package core

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pare/core/plan/devicetest"
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
				before := devicetest.ReadPauses()
				for range b.N {
					st := &MemStore{Dir: b.TempDir()}
					if _, err := Run(context.Background(), Config{Recipe: r, Store: untilValidate{st}, Session: "bench"}); !errors.Is(err, errEnough) {
						b.Fatal(err)
					}
				}
				n, us := devicetest.ReadPauses().Since(before, 0.999)
				b.ReportMetric(float64(n), "stops")
				if n > 0 {
					b.ReportMetric(us[0], "p99.9-µs")
				}
			})
		}
	}
}
