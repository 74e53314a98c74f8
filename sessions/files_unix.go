//go:build !windows

package sessions

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// isFull reports whether err is the kernel's word for a full disk or quota.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// syncDir makes renames and new names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	if errors.Is(err, unix.EINVAL) { // file systems that cannot sync folders
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, full(err))
	}
	return nil
}
