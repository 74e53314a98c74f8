//go:build !windows

package sessions

import "syscall"

// detached puts the process into a session of its own, without a terminal: no
// hangup, no signals of the keyboard.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
