package sessions

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"pare/core"
	"pare/core/event"
)

// store is core's Store on disk. It belongs to the process that holds the
// session's lock.
type store struct {
	s *Session
	j *journal

	mu     sync.Mutex // guards everything that follows
	h      history
	saved  map[string]string // hashes of files written but not yet in the log
	recipe *core.Recipe      // as core has it; only read while core is in Emit
	side   error             // why recipe.toml could not be brought up to date
	files  error             // why the last checkpoint or export could not be written
}

var _ core.Store = (*store)(nil)

// openStore repairs and opens what the session holds.
func openStore(s *Session) (*store, error) {
	st := &store{s: s, saved: map[string]string{}}
	for _, d := range []string{checkpointDir, exportDir} {
		dir := filepath.Join(s.Dir, d)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("session %s: %w", s.ID, full(err))
		}
		sweep(dir)
	}
	sweep(s.Dir)
	var err error
	if st.j, err = openJournal(s, st.h.apply); err != nil {
		return nil, err
	}
	if err := st.putBack(); err != nil {
		_ = st.j.close()
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return st, nil
}

// putBack settles checkpoints whose replacement was cut short by a kill: the
// file the log speaks of stands under the name again.
func (st *store) putBack() error {
	for name, k := range st.h.all {
		old := st.path(name, oldExt)
		if _, err := os.Lstat(old); err != nil {
			continue
		}
		b, err := os.ReadFile(st.path(name, ckptExt))
		if err == nil && hexSum(b) == k.sha {
			err = os.Remove(old)
		} else {
			err = os.Rename(old, st.path(name, ckptExt))
		}
		if err != nil {
			return fmt.Errorf("checkpoint %s: %w", name, full(err))
		}
	}
	return nil
}

// Emit appends an event; see journal.append for what an error means.
func (st *store) Emit(b event.Body) (int64, error) {
	if b, ok := b.(*event.Started); ok { // first, so that no kill leaves a log whose recipe is lost
		st.mu.Lock()
		st.keepRecipe(b.Recipe)
		st.mu.Unlock()
	}
	e, err := st.j.append(b)
	if e.Seq == 0 {
		return 0, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.h.apply(e)
	switch b := b.(type) {
	case *event.Checkpoint:
		if err == nil { // the log names the new file: the old one has served
			delete(st.saved, b.Name)
			_ = os.Remove(st.path(b.Name, oldExt))
		}
	case *event.Decision:
		if b.Cmd == core.CmdConfigure {
			st.side = writeRecipe(st.s.Dir, b.Text)
		}
	}
	return e.Seq, err
}

// keepRecipe brings recipe.toml up to what core filled in (preprocessing, the
// model's published set-up), so that the hash of the event is the file's.
func (st *store) keepRecipe(hash string) {
	if st.recipe == nil || st.recipe.Hash() != hash {
		return
	}
	if b, err := st.recipe.Marshal(); err == nil {
		st.side = writeRecipe(st.s.Dir, string(b))
	}
}

// writeRecipe replaces recipe.toml unless it is the same already. Text that is
// no recipe is left to core to complain about.
func writeRecipe(dir, text string) error {
	if _, err := core.ParseRecipe([]byte(text)); err != nil {
		return nil
	}
	path := filepath.Join(dir, recipeFile)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	if err := writeFile(path, []byte(text)); err != nil {
		return fmt.Errorf("%s: %w", recipeFile, err)
	}
	return nil
}

// problem is why something could not be written lately; nil when all is well.
func (st *store) problem() (seq int64, err error) {
	seq, err = st.j.status()
	st.mu.Lock()
	defer st.mu.Unlock()
	return seq, errors.Join(err, st.files, st.side)
}

// Extensions of checkpoint files: oldExt is the file a new one of the same name
// replaced, until the log names the new one.
const (
	ckptExt = ".safetensors"
	oldExt  = ".safetensors.old"
)

func checkpointPath(dir, name, ext string) string {
	if ext == oldExt {
		name = "." + name
	}
	return filepath.Join(dir, checkpointDir, name+ext)
}

func (st *store) path(name, ext string) string { return checkpointPath(st.s.Dir, name, ext) }

// Save writes a checkpoint; sha is the SHA-256 of the file in hex. A file of
// that name which the log refers to stays beside it until the log has the new
// one, so a kill in between loses nothing.
func (st *store) Save(name string, c *core.Checkpoint) (string, int64, error) {
	if err := checkName(name); err != nil {
		return "", 0, err
	}
	path := st.path(name, ckptExt)
	h := newHashed()
	err := writeAside(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(h.to(w), 1<<16)
		if err := writeCheckpoint(b, c); err != nil {
			return err
		}
		return b.Flush()
	}, func() error { return st.setAside(name) })
	if err != nil {
		err = fmt.Errorf("checkpoint %s: %w", name, err)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.files = err; err != nil {
		return "", 0, err
	}
	st.saved[name] = h.sum()
	return h.sum(), h.n, nil
}

// setAside keeps the present file of a name when it is the one in the log.
func (st *store) setAside(name string) error {
	st.mu.Lock()
	_, fresh := st.saved[name]
	_, logged := st.h.all[name]
	st.mu.Unlock()
	if fresh || !logged { // a file no event speaks of
		return nil
	}
	err := os.Rename(st.path(name, ckptExt), st.path(name, oldExt))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Load reads a checkpoint back and checks it against the hash in the log.
func (st *store) Load(name string) (*core.Checkpoint, error) {
	st.mu.Lock()
	sha, ok := st.saved[name]
	if !ok {
		sha = st.h.all[name].sha
	}
	st.mu.Unlock()
	b, err := verifyFile(st.s.Dir, name, sha)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", name, err)
	}
	c, err := readCheckpoint(b)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", name, err)
	}
	return c, nil
}

// verifyFile reads the file of a checkpoint whose hash is sha; "" takes any.
func verifyFile(dir, name, sha string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(checkpointPath(dir, name, ckptExt))
	if err == nil && (sha == "" || hexSum(b) == sha) {
		return b, nil
	}
	if sha != "" { // killed while the file was replaced
		if old, e := os.ReadFile(checkpointPath(dir, name, oldExt)); e == nil && hexSum(old) == sha {
			return old, nil
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("its file is gone")
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("its file of %d bytes does not have the hash in the log: it is damaged", len(b))
}

// Drop removes a checkpoint; one that is gone already is no error.
func (st *store) Drop(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	st.mu.Lock()
	delete(st.saved, name)
	st.mu.Unlock()
	for _, ext := range []string{ckptExt, oldExt} {
		if err := os.Remove(st.path(name, ext)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("checkpoint %s: %w", name, err)
		}
	}
	return nil
}

// Export writes a file for the user into exports/; the path it returns is
// absolute.
func (st *store) Export(name string, fn func(io.Writer) error) (path, sha string, n int64, err error) {
	folder, file, in := strings.Cut(filepath.ToSlash(name), "/") // into a folder of exports, or not
	if !in {
		folder, file = "", name
	} else {
		err = checkName(folder)
	}
	if err == nil {
		err = checkName(file)
	}
	if err != nil {
		return "", "", 0, fmt.Errorf("export: %w", err)
	}
	path = filepath.Join(st.s.Dir, exportDir, folder, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", "", 0, fmt.Errorf("export: %w", full(err))
	}
	h := newHashed()
	err = writeAside(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(h.to(w), 1<<16)
		if err := fn(b); err != nil {
			return err
		}
		return b.Flush()
	}, nil)
	if err != nil {
		err = fmt.Errorf("export %s: %w", name, err)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.files = err; err != nil {
		return "", "", 0, err
	}
	return path, h.sum(), h.n, nil
}

func (st *store) close() error { return st.j.close() }

// hashed counts and hashes what is written through it.
type hashed struct {
	w io.Writer
	h hash.Hash
	n int64
}

func newHashed() *hashed { return &hashed{h: sha256.New()} }

func (h *hashed) to(w io.Writer) io.Writer { h.w = w; return h }

func (h *hashed) Write(b []byte) (int, error) {
	n, err := h.w.Write(b)
	for rest := b[:n]; len(rest) > 0; { // in pieces: hashing is assembly, which holds up the garbage collector
		k := min(len(rest), 64<<10)
		h.h.Write(rest[:k])
		rest = rest[k:]
	}
	h.n += int64(n)
	return n, err
}

func (h *hashed) sum() string { return hex.EncodeToString(h.h.Sum(nil)) }

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
