package sessions

import (
	"testing"

	"golang.org/x/sys/unix"
)

// mountTmpfs puts a small file system under dir, if this user may.
func mountTmpfs(t *testing.T, dir, options string) bool {
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return true
}
