package sessions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"pare/core"
)

// Names inside a session's folder.
const (
	recipeFile    = "recipe.toml"
	logFile       = "events.jsonl"
	runFile       = "run.json"
	stderrFile    = "run.log"
	lockFile      = "lock"
	checkpointDir = "checkpoints"
	exportDir     = "exports"
)

// file is what writers here need of an *os.File; tests put a full disk behind
// it.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// createFile makes a file that must not exist yet.
var createFile = func(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// full makes an error of a full disk recognisable as core.ErrFull.
func full(err error) error {
	if err != nil && isFull(err) {
		return fmt.Errorf("%w (%w): free some space", core.ErrFull, err)
	}
	return err
}

// noPlace says of a folder in which no session can be made what to do.
func noPlace(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: --sessions FOLDER or XDG_DATA_HOME names another place", err)
	}
	return full(err)
}

// writeAside writes a file so that at any moment either the old or the whole
// new content stands under path: beside it, synced, renamed, folder synced.
// before runs between the sync and the rename. What is left of a failed
// attempt is removed.
func writeAside(path string, fill func(io.Writer) error, before func() error) (err error) {
	tmp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.tmp-%d", filepath.Base(path), os.Getpid()))
	_ = os.Remove(tmp) // of a run that was killed, with a recycled pid
	f, err := createFile(tmp)
	if err != nil {
		return full(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp) // the first error is the one to tell
		}
	}()
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil && before != nil {
		err = before()
	}
	if err != nil {
		return full(err)
	}
	if err = os.Rename(tmp, path); err != nil {
		return full(err)
	}
	return syncDir(filepath.Dir(path))
}

// writeFile is writeAside for bytes in memory.
func writeFile(path string, b []byte) error {
	return writeAside(path, func(w io.Writer) error { _, err := w.Write(b); return err }, nil)
}

// sweep removes what writeAside left behind in a folder, and in folders of it, when it
// was killed.
func sweep(dir string) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range es {
		if e.IsDir() {
			sweep(filepath.Join(dir, e.Name()))
		} else if n := e.Name(); strings.HasPrefix(n, ".") && strings.Contains(n, ".tmp-") {
			_ = os.Remove(filepath.Join(dir, n)) // only room is lost when it stays
		}
	}
}

// checkName accepts names of checkpoints and exports, and of folders of exports: one
// plain path element.
func checkName(name string) error {
	ok := name != "" && len(name) <= 100 && name[0] != '.'
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._+-", c) >= 0)
	}
	if !ok {
		return fmt.Errorf("name %q: use up to 100 letters, digits and . _ + - and no leading dot", name)
	}
	return nil
}
