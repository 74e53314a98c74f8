//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package energy

import (
	"errors"
	"io"
	"os"
)

// readStart fills buf with the start of a file.
func readStart(path string, buf []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	n, err := f.Read(buf)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
