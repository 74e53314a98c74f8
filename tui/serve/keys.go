package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"charm.land/ssh"
	"github.com/charmbracelet/keygen"
	gossh "golang.org/x/crypto/ssh"
)

// maxKeys bounds a file of keys, in bytes.
const maxKeys = 1 << 20

// readKeys reads the public keys of who may watch, one a line as in authorized_keys. A line
// that is not understood, or that has options pare would not heed, is an error: nobody
// should believe in a restriction that is none.
func readKeys(path string) (map[string]bool, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("keys: %s does not exist: write into it the public keys of who may watch, one a line as in ~/.ssh/authorized_keys", path)
	case err != nil:
		return nil, fmt.Errorf("keys: %w", err)
	case !st.Mode().IsRegular() || st.Size() > maxKeys:
		return nil, fmt.Errorf("keys: %s is no file of keys: give one of at most %d bytes", path, maxKeys)
	case runtime.GOOS != "windows" && st.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("keys: others may write to %s: chmod go-w it", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys := map[string]bool{}
	for i, line := range bytes.Split(b, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, options, _, err := gossh.ParseAuthorizedKey(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("keys: %s:%d is no public key: give lines such as `ssh-ed25519 AAAA… name`", path, i+1)
		case len(options) > 0:
			return nil, fmt.Errorf("keys: %s:%d has the option %q, which pare does not heed: take it out (who watches can do nothing else)", path, i+1, options[0])
		}
		keys[string(key.Marshal())] = true
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("keys: %s holds no key: nobody could watch", path)
	}
	return keys, nil
}

// hostKey reads the server's own key, or makes it at the first time: watchers know the
// server by it.
func hostKey(path string) (ssh.Signer, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
		if _, err := keygen.New(path, keygen.WithKeyType(keygen.Ed25519), keygen.WithWrite()); err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("host key: %w", err)
	case runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("host key: others may read %s: chmod 600 it, or remove it for a new one", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	k, err := gossh.ParsePrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("host key: %s is no private key without passphrase: give another, or remove it for a new one", path)
	}
	return k, nil
}
