package sessions

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"pare/core/event"
)

// maxLine bounds one line of a log, in bytes. Core's largest events (a model of
// a thousand layers, a recipe) are far below it.
const maxLine = 16 << 20

// ErrNewer says that a log was written by a newer pare.
var ErrNewer = errors.New("was written by a newer pare")

// DamageError names the line from which on a log cannot be trusted. What stands
// before it has been read.
type DamageError struct {
	Session string
	Line    int   // from 1
	Seq     int64 // of the last good event
	Why     string
}

// Error is one line with the way out.
func (e *DamageError) Error() string {
	return fmt.Sprintf("session %s: %s is damaged at line %d: %s. It can be read up to event %d but not go on: `pare run` with its %s starts anew", e.Session, logFile, e.Line, e.Why, e.Seq, recipeFile)
}

// errGarbled is a line that is no event at all, as a torn write leaves it.
var errGarbled = errors.New("not an event")

// chain checks that lines follow each other: seq without holes, each with the
// hash of the line before.
type chain struct {
	session string
	dec     decoder
	line    int // lines read
	seq     int64
	prev    string // what the next line's prev must be
}

// link is the hash a line is known by in the line after it.
func link(line []byte) string {
	h := sha256.Sum256(line)
	var b [16]byte
	hex.Encode(b[:], h[:8])
	return string(b[:])
}

// next reads the next line. It returns errGarbled, a *DamageError, or an error
// wrapping ErrNewer; the chain does not move then.
func (c *chain) next(line []byte) (event.Event, error) {
	e, err := c.dec.line(line)
	if err != nil {
		if v := startedFormat(line); v > event.Version {
			return e, c.newer(v)
		}
		return e, errGarbled
	}
	if s, ok := e.Body.(*event.Started); ok && s.Format > event.Version {
		return e, c.newer(s.Format)
	}
	if err := c.follows(e.Seq, e.Prev); err != nil {
		return e, err
	}
	c.line, c.seq, c.prev = c.line+1, e.Seq, link(line)
	c.dec.expect = c.prev
	return e, nil
}

func (c *chain) follows(seq int64, prev string) error {
	if seq != c.seq+1 {
		return c.damage(fmt.Sprintf("it has number %d, expected %d", seq, c.seq+1))
	}
	if prev != c.prev {
		if c.line == 0 {
			return c.damage("it refers to a line before it that is missing")
		}
		return c.damage("it does not fit the line before it, which was changed")
	}
	return nil
}

func (c *chain) damage(why string) *DamageError {
	return &DamageError{Session: c.session, Line: c.line + 1, Seq: c.seq, Why: why}
}

func (c *chain) newer(v int) error {
	return fmt.Errorf("session %s %w (log format %d, this program reads %d): use that version", c.session, ErrNewer, v, event.Version)
}
