package sessions

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isFull reports whether err is the system's word for a full disk or quota.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// syncDir does nothing: NTFS journals names, and folders cannot be opened for
// writing.
func syncDir(string) error { return nil }
