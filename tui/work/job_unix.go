//go:build unix

package work

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/charmbracelet/x/term"
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

// terminalIn is the standard input, which calls gone when the terminal has hung up; nil where
// the standard input is no terminal. Who ignores SIGHUP, as under nohup, learns of it there
// alone: by an error, or, if not quick enough, by what looks like the end of a file, which Bubble
// Tea takes for the end of the keys and not of the screen.
func terminalIn(gone func()) io.Reader {
	if !term.IsTerminal(os.Stdin.Fd()) {
		return nil
	}
	return &hangUp{os.Stdin, gone}
}

type hangUp struct {
	*os.File
	gone func()
}

func (h *hangUp) Read(b []byte) (int, error) {
	n, err := h.File.Read(b)
	if errors.Is(err, io.EOF) {
		h.gone()
	}
	return n, err
}
