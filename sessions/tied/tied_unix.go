//go:build unix

package tied

import (
	"errors"
	"syscall"
)

// lives: signal 0 only asks. A process of someone else's lives too.
func lives(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
