package sessions

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"pare/core"
)

// TestNoPlace: a folder in which no session can be made is said with the way out; a full disk
// has another.
func TestNoPlace(t *testing.T) {
	for _, why := range []error{syscall.EROFS, fs.ErrPermission} {
		if err := noPlace(&fs.PathError{Op: "mkdir", Path: "/s", Err: why}); !strings.Contains(err.Error(), "/s: ") || !strings.Contains(err.Error(), "--sessions FOLDER") {
			t.Error(err)
		}
	}
	if err := noPlace(core.ErrFull); strings.Contains(err.Error(), "--sessions") {
		t.Error(err)
	}
}
