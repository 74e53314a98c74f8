//go:build !windows

package sessions

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// socketDir is /tmp/pare-UID: XDG_RUNTIME_DIR goes at the last logout, and
// TMPDIR may differ between logins.
var socketDir = func() string { return "/tmp/pare-" + strconv.Itoa(os.Getuid()) }

func ownedOnlyByMe(st os.FileInfo) error {
	if s, ok := st.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Getuid() {
		return fmt.Errorf("belongs to user %d", s.Uid)
	}
	if p := st.Mode().Perm(); p&0o077 != 0 {
		return fmt.Errorf("is open to others (mode %04o)", p)
	}
	return nil
}

// refusedByNobody reports that a socket file has no listener.
func refusedByNobody(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
