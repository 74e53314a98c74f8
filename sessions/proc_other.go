//go:build !linux && !darwin && !windows

package sessions

import (
	"os"
	"syscall"
)

// bootID is not known here; the lock tells the living from the dead.
func bootID() string { return "" }

// procStart only tells whether process pid exists.
func procStart(pid int) string {
	if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
		return "exists"
	}
	return ""
}

func selfExe() (string, error) { return os.Executable() }
