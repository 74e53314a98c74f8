//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package energy

import (
	"io/fs"
	"syscall"
)

// readStart fills buf with the start of a file. The file is opened each time, as
// a zone may go away and come back. Plain system calls: an os.File would be
// registered with the poller (files of sysfs can be polled) and left to the
// garbage collector, ten times a second.
func readStart(path string, buf []byte) (int, error) {
	fd, err := again(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }()
	n, err := again(func() (int, error) { return syscall.Read(fd, buf) })
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return n, nil
}

// again repeats a system call that a signal interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}
