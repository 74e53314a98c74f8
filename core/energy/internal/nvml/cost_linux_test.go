//go:build !static && (amd64 || arm64)

package nvml

import (
	"encoding/binary"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// TestCallsCost asks a real card what each call costs that comes ten times a second, with
// everything asleep in between: by the clock on the wall, of the calling thread and of the
// process (with waking up). And how often what the calls tell is new.
func TestCallsCost(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of sleep")
	}
	api, err := Open()
	if err != nil {
		t.Skipf("no NVML here: %v", err)
	}
	defer api.Close()
	dev, err := api.ByIndex(0)
	if err != nil {
		t.Skip(err)
	}
	h := dev.(*device).h
	lib, _, err := loadLibrary(libraryNames()[0])
	if err != nil {
		t.Skip(err)
	}
	fields, samples := symbol(lib, "nvmlDeviceGetFieldValues"), symbol(lib, "nvmlDeviceGetSamples")
	buf := make([]fieldValue, 3)
	many := func(ids ...Field) func() error {
		return func() error {
			for i, id := range ids {
				buf[i] = fieldValue{id: uint32(id)}
			}
			r, _, _ := purego.SyscallN(fields, uintptr(h), uintptr(len(ids)), uintptr(unsafe.Pointer(&buf[0])))
			for i := range ids {
				if err := buf[i].ret.err(); err != nil {
					return err
				}
			}
			return Return(int32(r)).err()
		}
	}
	got := make([]sample, 256)
	var last uint64
	count, kind := uint32(0), uint32(0)
	newest := func(which uintptr) func() error {
		return func() error {
			count = uint32(len(got))
			r, _, _ := purego.SyscallN(samples, uintptr(h), which, uintptr(last), uintptr(unsafe.Pointer(&kind)), uintptr(unsafe.Pointer(&count)), uintptr(unsafe.Pointer(&got[0])))
			if err := Return(int32(r)).err(); err != nil {
				count = 0
				return err
			}
			if count > 0 {
				last = got[count-1].at
			}
			return nil
		}
	}
	field := func(f Field) func() error { return func() error { _, err := dev.Field(f, GPU); return err } }
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, c := range []struct {
		what  string
		every time.Duration
		call  func() error
	}{
		{"nothing", 100 * time.Millisecond, func() error { return nil }},
		{"field 186, as Field asks", 100 * time.Millisecond, field(PowerInstant)},
		{"field 186", 100 * time.Millisecond, many(PowerInstant)},
		{"field 186, twice a second", 500 * time.Millisecond, many(PowerInstant)},
		{"field 185", 100 * time.Millisecond, many(PowerAverage)},
		{"field 185, twice a second", 500 * time.Millisecond, many(PowerAverage)},
		{"fields 185, 186", 100 * time.Millisecond, many(PowerAverage, PowerInstant)},
		{"fields 83, 186", 100 * time.Millisecond, many(TotalEnergy, PowerInstant)},
		{"nvmlDeviceGetPowerUsage", 100 * time.Millisecond, func() error { _, err := dev.Power(); return err }},
		{"energy counter", 100 * time.Millisecond, func() error { _, err := dev.Energy(); return err }},
		{"samples of power", 100 * time.Millisecond, newest(0)},
		{"samples of power, once a second", time.Second, newest(0)},
	} {
		n := int(4 * time.Second / c.every)
		var wall, thread, first int64
		var fails int
		var why error
		cpu0 := rusage()
		for i := range n {
			time.Sleep(c.every)
			w, th := time.Now(), threadNS()
			if err := c.call(); err != nil {
				fails, why = fails+1, err
			}
			thread += threadNS() - th
			wall += int64(time.Since(w))
			if i == 0 {
				first = thread
			}
		}
		t.Logf("%-34s %7.1f µs wall, %7.1f µs of the thread (the first %.0f), %7.1f µs of the process, %.3f %% of a core; %d of %d failed (%v)", c.what,
			float64(wall)/1e3/float64(n), float64(thread)/1e3/float64(n), float64(first)/1e3, float64(rusage()-cpu0)/float64(n),
			100*float64(rusage()-cpu0)/float64(c.every.Microseconds()*int64(n)), fails, n, why)
	}
	if count > 0 {
		for i := 1; i < int(count) && i < 12; i++ {
			t.Logf("sample %d: %d µs after the one before, %d mW (type %d)", i, got[i].at-got[i-1].at, binary.NativeEndian.Uint32(got[i].value[:]), kind)
		}
		t.Logf("%d samples a second, the newest %d µs old", count, uint64(time.Now().UnixMicro())-last)
	}
	for _, f := range []Field{PowerInstant, PowerAverage, TotalEnergy} {
		var steps []float64
		var was int64
		var moved time.Time
		call := many(f)
		for t0 := time.Now(); time.Since(t0) < 3*time.Second; time.Sleep(3 * time.Millisecond) {
			if call() != nil {
				break
			}
			if v, _ := buf[0].number(); v != was {
				if !moved.IsZero() {
					steps = append(steps, float64(time.Since(moved).Microseconds())/1e3)
				}
				was, moved = v, time.Now()
			}
		}
		slices.Sort(steps)
		if n := len(steps); n > 0 {
			t.Logf("field %d moves every %.0f ms (median of %d; %.0f to %.0f), told %d µs before now, latency %d µs", f, steps[n/2], n, steps[0], steps[n-1], time.Now().UnixMicro()-buf[0].at, buf[0].latency)
		}
	}
}

func threadNS() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return ts.Nano()
}

// rusage is the CPU time of the process, µs.
func rusage() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000
}
