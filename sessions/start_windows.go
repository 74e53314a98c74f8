package sessions

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detached gives the process no console and a group of its own: no signals of
// the keyboard.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}
