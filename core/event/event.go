// Package event owns what a run says: the typed events, their one-line JSON
// form, and State, the fold of a run's events that every reader uses (screen,
// plain and JSON front, attach, replay, resume, reports). It imports nothing of
// ours; everybody above it may emit.
//
// One event is one line of the log:
//
//	{"seq":17,"at":"2026-11-23T10:00:00.123Z","kind":"eval","body":{…},"prev":"9f2c…"}
//
// seq counts from 1 without holes; prev is the first 16 hex digits of the
// SHA-256 of the line before (without its newline), so a change of history
// shows. Lines are self-contained: jq, pandas and DuckDB read them without us.
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Version of the log's format. A reader refuses a larger one.
const Version = 1

// Event is one thing that happened. Body is a pointer to one of the types of
// this package.
type Event struct {
	Seq  int64
	At   time.Time
	Body Body
	Prev string
}

// Body is what an event says; its Kind is the "kind" field of the line.
type Body interface{ Kind() string }

// Kinds are the names of all kinds this version knows, in order.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

type line struct {
	Seq  int64           `json:"seq"`
	At   time.Time       `json:"at"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
	Prev string          `json:"prev"`
}

// Encode writes the event as one line without the newline.
func Encode(e Event) ([]byte, error) {
	b, err := json.Marshal(e.Body)
	if err != nil {
		return nil, fmt.Errorf("event %d (%s): %w", e.Seq, e.Body.Kind(), err)
	}
	return json.Marshal(line{e.Seq, e.At.UTC(), e.Body.Kind(), b, e.Prev})
}

// Decode reads one line. An unknown kind becomes *Unknown, so that an older
// reader can still show the rest of a newer log.
func Decode(b []byte) (Event, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&l); err != nil {
		return Event{}, fmt.Errorf("not an event line: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Event{}, fmt.Errorf("not an event line: text after the object")
	}
	e := Event{Seq: l.Seq, At: l.At, Prev: l.Prev}
	mk, ok := kinds[l.Kind]
	if !ok {
		e.Body = &Unknown{Name: l.Kind, Raw: l.Body}
		return e, nil
	}
	e.Body = mk()
	if err := json.Unmarshal(l.Body, e.Body); err != nil {
		return Event{}, fmt.Errorf("event %d (%s): %w", l.Seq, l.Kind, err)
	}
	return e, nil
}

// Unknown is an event of a kind this version does not know.
type Unknown struct {
	Name string
	Raw  json.RawMessage
}

// Kind is the name found in the line.
func (u *Unknown) Kind() string { return u.Name }

// MarshalJSON gives back the body as it was read.
func (u *Unknown) MarshalJSON() ([]byte, error) { return u.Raw, nil }
