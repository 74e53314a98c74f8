package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"pare/core/event"
)

// MemStore keeps a run in memory: for benches and tests. Exports go to Dir.
type MemStore struct {
	Dir    string // for exports
	State  event.State
	Events []event.Event
	// On, if not nil, sees every event after it was folded.
	On    func(event.Event)
	files map[string]*Checkpoint
}

// Emit implements Store.
func (s *MemStore) Emit(b event.Body) (int64, error) {
	e := event.Event{Seq: s.State.Seq + 1, At: time.Now(), Body: b}
	s.State.Apply(e)
	s.Events = append(s.Events, e)
	if s.On != nil {
		s.On(e)
	}
	return e.Seq, nil
}

// Save implements Store.
func (s *MemStore) Save(name string, c *Checkpoint) (string, int64, error) {
	if s.files == nil {
		s.files = map[string]*Checkpoint{}
	}
	s.files[name] = c.clone()
	return c.Model.WeightHash(), 0, nil
}

// Load implements Store.
func (s *MemStore) Load(name string) (*Checkpoint, error) {
	c, ok := s.files[name]
	if !ok {
		return nil, fmt.Errorf("no checkpoint %q", name)
	}
	return c.clone(), nil
}

// Drop implements Store.
func (s *MemStore) Drop(name string) error {
	delete(s.files, name)
	return nil
}

// Export implements Store.
func (s *MemStore) Export(name string, fn func(io.Writer) error) (string, string, int64, error) {
	var b bytes.Buffer
	if err := fn(&b); err != nil {
		return "", "", 0, err
	}
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", "", 0, err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return "", "", 0, err
	}
	h := sha256.Sum256(b.Bytes())
	return path, hex.EncodeToString(h[:]), int64(b.Len()), nil
}

// clone copies a checkpoint deeply.
func (c *Checkpoint) clone() *Checkpoint {
	n := &Checkpoint{Model: c.Model.Clone(), Loop: append([]byte(nil), c.Loop...)}
	for _, slot := range c.State {
		var l [][]float32
		for _, x := range slot {
			if x == nil {
				l = append(l, nil)
			} else {
				l = append(l, append([]float32(nil), x...))
			}
		}
		n.State = append(n.State, l)
	}
	return n
}
