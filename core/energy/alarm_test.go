package energy

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// alarms are both ways to be woken.
func alarms() map[string]func() alarm {
	return map[string]func() alarm{"of the runtime": newClockAlarm, "of the system": newAlarm}
}

func TestAlarm(t *testing.T) {
	for name, open := range alarms() {
		t.Run(name, func(t *testing.T) {
			a := open()
			defer a.stop()
			a.every(20 * time.Millisecond)
			t0 := time.Now()
			for range 10 {
				a.wait()
			}
			// The first period may be a quarter as long; the system may be late, never early.
			if d := time.Since(t0); d < 183*time.Millisecond {
				t.Errorf("ten periods of 20 ms took %v", d)
			}
			a.every(time.Hour)
			a.ring()
			a.wait() // returns, or the test hangs
			a.ring()
			a.ring()
			a.wait()
			woke := make(chan struct{})
			go func() {
				a.wait()
				close(woke)
			}()
			select {
			case <-woke:
				t.Error("two rings before a wait end two waits")
			case <-time.After(20 * time.Millisecond):
			}
			a.ring()
			<-woke
			a.every(5 * time.Millisecond) // rung or not, it goes on with the new period
			a.wait()
			a.wait()
		})
	}
}

// However rings and changes of the period fall together: no ring is lost.
func TestAlarmLosesNoRing(t *testing.T) {
	for name, open := range alarms() {
		t.Run(name, func(t *testing.T) {
			a := open()
			defer a.stop()
			a.every(time.Hour)
			var asked, served atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := 0; ; i++ {
					a.wait()
					n := asked.Load()
					served.Store(n)
					if n < 0 {
						return
					}
					if i%2 == 0 {
						a.every(time.Hour + time.Duration(i))
					}
				}
			}()
			for i := range int64(2000) {
				asked.Store(i + 1)
				a.ring()
				for n := 0; served.Load() <= i; n++ {
					runtime.Gosched()
					if n > 100 {
						time.Sleep(time.Millisecond)
					}
					if n > 10_000 {
						t.Fatalf("ring %d was lost", i)
					}
				}
			}
			asked.Store(-1)
			a.ring()
			<-done
		})
	}
}

// Rings may come after the end: a meter is closed while somebody still marks.
func TestAlarmRungAfterTheEnd(t *testing.T) {
	for name, open := range alarms() {
		t.Run(name, func(t *testing.T) {
			a := open()
			a.every(time.Millisecond)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 1000 {
						a.ring()
					}
				})
			}
			a.wait()
			a.stop()
			all.Wait()
			a.ring()
		})
	}
}

// BenchmarkAlarm: what a process takes that sleeps but for being woken ten times a second:
// CPU time, and how often a thread of it gave way (each a wake).
func BenchmarkAlarm(b *testing.B) {
	for name, open := range alarms() {
		b.Run(name, func(b *testing.B) {
			a := open()
			defer a.stop()
			a.every(100 * time.Millisecond)
			a.wait()
			cpu0, _ := cpuMicros()
			wakes0 := switches()
			t0 := time.Now()
			for range b.N {
				a.wait()
			}
			cpu1, _ := cpuMicros()
			n := float64(b.N)
			b.ReportMetric(float64(cpu1-cpu0)/n, "CPU-µs/tick")
			b.ReportMetric(float64(switches()-wakes0)/n, "wakes/tick")
			b.ReportMetric(n/time.Since(t0).Seconds(), "ticks/s")
		})
	}
}
