package cuda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"pare/core/device/cuda/internal/cu"
)

// machine are the choices that runs on this machine have made with a card and its library,
// kept in the user's cache folder: a new run need not time again.
type machine struct {
	file  string // "": nowhere
	known map[string]string
	fresh bool  // something is not in the file yet
	wrong error // what was wrong with the file or its folder, to be told
}

// machineOf reads what is kept for a card.
func machineOf(card cu.Info, library string) *machine {
	m := &machine{known: map[string]string{}}
	dir, err := os.UserCacheDir()
	if err != nil {
		m.wrong = err
		return m
	}
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' {
			return r
		}
		return '-'
	}, fmt.Sprintf("products-%s-%s.json", card.Name, library))
	m.file = filepath.Join(dir, "pare", "cuda", name)
	m.known, m.wrong = m.read()
	return m
}

// most is how large the file may be, bytes: some ten thousand choices.
const most = 4 << 20

// read reads the file. One that is not there holds nothing; of one that cannot be used it
// is an error that says so, and it holds nothing either.
func (m *machine) read() (map[string]string, error) {
	all := map[string]string{}
	i, err := os.Stat(m.file)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil && i.Size() > most {
		err = fmt.Errorf("%s has %d bytes: remove it", m.file, i.Size())
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(m.file)
	}
	if err == nil {
		if err = json.Unmarshal(b, &all); err != nil {
			err = fmt.Errorf("%s holds no choices (%w): it is written anew", m.file, err)
		}
	}
	if err != nil || all == nil { // the text null
		all = map[string]string{}
	}
	return all, err
}

func (m *machine) add(what, choice string) { m.known[what], m.fresh = choice, true }

// keep writes what is new, aside and renamed: a reader sees the old file or the new one.
// What it returns was not told before.
func (m *machine) keep() error {
	err := m.wrong
	m.wrong = nil
	if !m.fresh || m.file == "" {
		return err
	}
	m.fresh = false
	if e := m.write(); e != nil {
		err, m.file = firstError(err, e), "" // the next one would fail, too
	}
	return err
}

func (m *machine) write() error {
	all, _ := m.read() // another process may have written meanwhile; what is wrong with it was told
	maps.Copy(all, m.known)
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(m.file), ".products-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed by then
	_, err = f.Write(append(b, '\n'))
	if err = firstError(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), m.file)
}
