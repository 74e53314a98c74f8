package sessions

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxSocketPath is what fits in the kernel's address: 108 bytes with the final
// zero on Linux, 104 on the BSDs.
const maxSocketPath = 103

// socketPath is where the run of a session listens: in a folder of the user's
// own that outlives the login, under a short name that follows from the
// session's folder.
func socketPath(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir
	}
	h := sha256.Sum256([]byte(real))
	p := filepath.Join(socketDir(), hex.EncodeToString(h[:8])+".sock")
	if len(p) > maxSocketPath {
		return "", fmt.Errorf("control socket %s: the path is longer than %d bytes", p, maxSocketPath)
	}
	return p, nil
}

// makeSocketDir makes the folder of the sockets, or refuses one that somebody
// else could have a hand in.
func makeSocketDir() error {
	dir := socketDir()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("control socket: %w", full(err))
	}
	return checkSocketDir(dir)
}

// checkSocketDir accepts a real folder that only this user can enter.
func checkSocketDir(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	switch {
	case st.Mode()&os.ModeSymlink != 0:
		err = errors.New("is a symbolic link")
	case !st.IsDir():
		err = errors.New("is not a folder")
	default:
		err = ownedOnlyByMe(st)
	}
	if err != nil {
		return fmt.Errorf("control socket: %s %w; others could steer your runs through it: remove it", dir, err)
	}
	return nil
}

// sweepSockets removes sockets nobody listens on any more. Young ones are left
// alone: their run may be about to listen.
func sweepSockets() {
	dir := socketDir()
	es, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range es {
		p := filepath.Join(dir, e.Name())
		st, err := os.Lstat(p)
		if err != nil || !strings.HasSuffix(e.Name(), ".sock") || time.Since(st.ModTime()) < time.Minute {
			continue
		}
		c, err := net.DialTimeout("unix", p, time.Second)
		if err == nil {
			_ = c.Close()
			continue
		}
		if refusedByNobody(err) {
			_ = os.Remove(p)
		}
	}
}
