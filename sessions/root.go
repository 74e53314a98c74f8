package sessions

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pare/core"
	"pare/core/data"
)

// Root is the folder sessions live in: the --sessions flag when given, else
// $XDG_DATA_HOME/pare/sessions, else ~/.local/share/pare/sessions. The path is
// absolute; the folder need not exist.
func Root(flag string) (string, error) {
	if flag != "" {
		abs, err := filepath.Abs(flag)
		if err != nil {
			return "", fmt.Errorf("--sessions %s: %w", flag, err)
		}
		return abs, nil
	}
	// The XDG rule: a relative path there is to be ignored.
	if x := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(x) {
		return filepath.Join(x, "pare", "sessions"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return "", errors.New("no home folder to keep sessions in: set HOME or give --sessions DIR")
	}
	return filepath.Join(home, ".local", "share", "pare", "sessions"), nil
}

// Session is one run on disk. It holds no open files; its methods may be used
// from several goroutines.
type Session struct {
	ID  string // the folder's name, like brisk-heron
	Dir string // absolute
	// IdleAnew has the next Start measure the idle power again; a run that goes on
	// keeps the one of its beginning otherwise.
	IdleAnew bool
}

// Create makes a new session in root and writes its recipe. Paths in the
// recipe become absolute, because the run has its own working directory.
func Create(root string, r *core.Recipe) (*Session, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	c := *r
	for _, p := range []*string{&c.Model.Path, &c.Data.Path, &c.Data.Tokenizer, &c.Energy.Wall} {
		if *p == "" || p == &c.Data.Tokenizer && (*p == data.Chars || *p == data.Bytes) {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", *p, err)
		}
		*p = abs
	}
	toml, err := c.Marshal()
	if err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("sessions folder: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("sessions folder: %w", noPlace(err))
	}
	s, err := newDir(root)
	if err != nil {
		return nil, err
	}
	if err := s.fill(toml); err != nil {
		_ = os.RemoveAll(s.Dir) // nothing in it yet
		return nil, fmt.Errorf("session %s: %w", s.ID, err)
	}
	return s, nil
}

func (s *Session) fill(toml []byte) error {
	for _, d := range []string{checkpointDir, exportDir} {
		if err := os.Mkdir(filepath.Join(s.Dir, d), 0o755); err != nil {
			return full(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, lockFile), nil, 0o644); err != nil {
		return full(err)
	}
	if err := writeFile(filepath.Join(s.Dir, recipeFile), toml); err != nil {
		return err
	}
	return syncDir(filepath.Dir(s.Dir))
}

// newDir takes a free name by making its folder, which only one process can.
func newDir(root string) (*Session, error) {
	id := ""
	for try := range 1000 {
		if try < 8 || id == "" {
			id = adjectives[rand.IntN(len(adjectives))] + "-" + birds[rand.IntN(len(birds))]
		}
		name := id
		if try >= 8 { // crowded: number the last draw
			name = fmt.Sprintf("%s-%d", id, try-6)
		}
		dir := filepath.Join(root, name)
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			return &Session{ID: name, Dir: dir}, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return nil, fmt.Errorf("new session: %w", noPlace(err))
		}
	}
	return nil, fmt.Errorf("%s is full of sessions: remove some with `pare sessions rm`", root)
}

// Open takes the folder of a session.
func Open(dir string) (*Session, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	st, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("session: %s is a file: give the session's folder", dir)
	}
	if !isSession(abs) {
		return nil, fmt.Errorf("session: %s holds neither %s nor %s: `pare sessions list` shows the sessions", dir, recipeFile, logFile)
	}
	return &Session{ID: filepath.Base(abs), Dir: abs}, nil
}

// Find gives the session of an exact ID, of the only ID that starts so, or of
// a path to its folder. "" means the one started last.
func Find(root, idOrPrefix string) (*Session, error) {
	if strings.ContainsAny(idOrPrefix, `/\`) {
		return Open(idOrPrefix)
	}
	ids, err := ids(root)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no sessions in %s yet: `pare` or `pare run` begins one", root)
	}
	if idOrPrefix == "" {
		if s := latest(root, ids); s != nil {
			return s, nil
		}
		return nil, fmt.Errorf("no readable session in %s: `pare sessions list` shows what is there", root)
	}
	var fit []string
	for _, id := range ids {
		if id == idOrPrefix {
			fit = []string{id}
			break
		}
		if strings.HasPrefix(id, idOrPrefix) {
			fit = append(fit, id)
		}
	}
	switch len(fit) {
	case 0:
		return nil, fmt.Errorf("no session %q in %s: `pare sessions list` shows them", idOrPrefix, root)
	case 1:
		return &Session{ID: fit[0], Dir: filepath.Join(root, fit[0])}, nil
	}
	return nil, fmt.Errorf("%q fits %d sessions (%s): give more letters", idOrPrefix, len(fit), shorten(fit, 6))
}

// latest is the session started last, one whose start failed only when there is
// no other; nil when none is readable.
func latest(root string, ids []string) *Session {
	var best *Session
	var at time.Time
	bad := true
	for _, id := range ids {
		s := &Session{ID: id, Dir: filepath.Join(root, id)}
		if !isSession(s.Dir) {
			continue
		}
		t, failed := s.touched(), s.failedStart()
		if best == nil || bad && !failed || bad == failed && t.After(at) {
			best, at, bad = s, t, failed
		}
	}
	return best
}

// failedStart is Summary's FailedStart without reading a long log: one of a
// start is short.
func (s *Session) failedStart() bool {
	const most = 64 << 10
	if st, err := os.Stat(filepath.Join(s.Dir, logFile)); err != nil || st.Size() > most {
		return false
	}
	return s.Summary().FailedStart
}

// touched is when the run was last started, or else when it was set up.
func (s *Session) touched() time.Time {
	if r, err := readRun(s.Dir); err == nil && !r.Begun.IsZero() {
		return r.Begun
	}
	for _, f := range []string{recipeFile, logFile, ""} {
		if st, err := os.Stat(filepath.Join(s.Dir, f)); err == nil {
			return st.ModTime()
		}
	}
	return time.Time{}
}

// ids lists the folders of root in order; a missing root has none.
func ids(root string) ([]string, error) {
	es, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sessions folder: %w", err)
	}
	var l []string
	for _, e := range es {
		dir := filepath.Join(root, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		l = append(l, e.Name())
	}
	return l, nil
}

// isSession tells a session's folder from any other, so that nothing else is
// ever removed.
func isSession(dir string) bool {
	for _, f := range []string{recipeFile, logFile, runFile} {
		if st, err := os.Stat(filepath.Join(dir, f)); err == nil && st.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func shorten(l []string, n int) string {
	if len(l) > n {
		return strings.Join(l[:n], ", ") + ", …"
	}
	return strings.Join(l, ", ")
}

// The words of session names: short, plain, told apart by their first letters.
var adjectives = strings.Fields(`able agile amber ample apt azure bold bright brisk calm clear crisp deft
	dry dusky eager early even fair fleet fond fresh gentle glad golden grand green hardy hazel honest
	jolly keen kind lean light lively lucid lunar mellow merry mild misty neat nimble noble olive pale
	plain prime proud quick quiet rapid ready ripe rosy rustic sage sharp silent silver sleek smart snug
	solar solid sound spry stark steady still sunny sure swift tidy topaz true upland vivid warm wise witty`)

var birds = strings.Fields(`auk avocet bittern brant bunting bustard canary condor coot crake crane curlew
	dipper dove dunlin eagle egret eider falcon finch fulmar gannet godwit goose grebe grouse gull harrier
	hawk heron hobby hoopoe ibis jackdaw jay kestrel kite knot lapwing lark linnet loon magpie martin merlin
	moorhen oriole osprey ouzel owl petrel pigeon pipit plover puffin quail rail raven redwing robin rook
	ruff shrike siskin skua smew snipe sparrow starling stilt stork swallow swan swift tern thrush towhee
	wagtail warbler wigeon wren yaffle`)
