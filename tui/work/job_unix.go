//go:build unix

package work

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// noShell says why no shell would have the terminal if this process stopped, "" if one
// would. A group of processes without a parent in its session cannot be stopped from the
// keyboard, and nobody would wake it.
func noShell() string {
	parent := os.Getppid()
	there, err := unix.Getsid(parent)
	here, err2 := unix.Getsid(0)
	if group, err3 := unix.Getpgid(parent); err != nil || err2 != nil || err3 != nil || there != here || group == unix.Getpgrp() {
		return "no shell with jobs has started this screen"
	}
	return ""
}

// wakes calls tell when this process goes on after it was stopped, until end.
func wakes(tell func()) (end func()) {
	c, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(c, syscall.SIGCONT)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-c:
				tell()
			case <-done:
				return
			}
		}
	})
	return func() { signal.Stop(c); close(done); wg.Wait() }
}
