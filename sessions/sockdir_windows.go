package sessions

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// socketDir is in the user's own temporary folder, which only the user can
// enter.
var socketDir = func() string { return filepath.Join(os.TempDir(), "pare") }

func ownedOnlyByMe(os.FileInfo) error { return nil }

// refusedByNobody reports that a socket file has no listener.
func refusedByNobody(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
