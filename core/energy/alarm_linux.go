package energy

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fileAlarm is an alarm by a timerfd. A sampler is often the only thing that happens in a
// process: the work is on a card, or being waited for. There a timer of the runtime wakes
// four threads: the one that waits for it, early by the part of a millisecond that epoll
// cannot wait, the watchdog (sysmon), which sleeps until the next timer, and the one that takes
// over the waiting. A descriptor in the runtime's poller wakes one. (BenchmarkAlarm.)
//
// The periods lie on multiples of the period on the system's clock, so that several samplers
// wake the process up once.
type fileAlarm struct {
	file   *os.File
	raw    syscall.RawConn
	period atomic.Int64 // ns
	rung   atomic.Bool  // since the last wait began
}

// newAlarm falls back to the runtime's timers where the system gives no descriptor.
func newAlarm() alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newClockAlarm()
	}
	a := &fileAlarm{file: os.NewFile(uintptr(fd), "timerfd")}
	raw, err := a.file.SyscallConn()
	if err != nil || a.file.SetDeadline(time.Time{}) != nil { // not in the poller
		_ = a.file.Close()
		return newClockAlarm()
	}
	a.raw = raw
	return a
}

func (a *fileAlarm) every(period time.Duration) {
	a.period.Store(int64(period))
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		a.set(1)
		return
	}
	p := int64(period)
	a.set(((now.Nano()+p/4)/p + 1) * p) // the first multiple that is no less than a quarter away
	if a.rung.Load() {
		a.set(1) // setting has put an end to the ringing
	}
}

// set has the alarm ring at a time of the clock, ns, and at multiples of the period then. What
// is past rings now.
func (a *fileAlarm) set(at int64) {
	t := unix.ItimerSpec{Value: unix.NsecToTimespec(at), Interval: unix.NsecToTimespec(a.period.Load())}
	_ = a.raw.Control(func(fd uintptr) {
		_, _, _ = syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, fd, unix.TFD_TIMER_ABSTIME, uintptr(unsafe.Pointer(&t)), 0, 0, 0)
	})
}

// wait reads without telling the scheduler: reading a timer does not block, and being told
// would wake its watchdog.
func (a *fileAlarm) wait() {
	a.rung.Store(false)
	var times [8]byte
	_ = a.raw.Read(func(fd uintptr) bool {
		_, _, e := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&times)), uintptr(len(times)))
		return e != syscall.EAGAIN
	})
}

func (a *fileAlarm) ring() {
	a.rung.Store(true)
	a.set(1)
}

func (a *fileAlarm) stop() { _ = a.file.Close() }
