package sessions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"pare/core"
)

// The control protocol is one JSON object a line, an answer to each:
//
//	{"hello":"drive"}                    take the driver's seat, if it is free
//	{"hello":"watch"}                    only ask
//	{"hello":"ask","text":"ann"}         ask the driver for the seat, see handover.go
//	{"hello":"grant"}, {"hello":"keep"}  the driver's answer
//	{"cmd":"status"}                     → {"ok":true,"pid":…,"seq":…}
//	{"cmd":"target","value":0.9}         → {"ok":true} or {"error":…,"fix":…}
//	{"cmd":"stop","text":"the night job"}  the text says where the wish comes from
//
// A command without a hello takes the seat for that moment. An accepted
// command takes effect at the run's next step; the log then says so.

// Limits of the socket.
const (
	maxRequest = 1 << 20 // bytes of a line
	maxConns   = 32
)

// idleLimit is how long a connection may be silent. Drivers ask for the status
// now and then; a frozen one loses the seat.
var idleLimit = 2 * time.Minute

const statusCmd = "status"

var statusCommand = core.Command{Cmd: statusCmd}

// bySocket is where a stop came from that did not say.
const bySocket = "a command over the control socket"

// request is one line from a client.
type request struct {
	Hello string `json:"hello,omitempty"`
	core.Command
}

// answer is one line back.
type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Fix   string `json:"fix,omitempty"`
	Seat  bool   `json:"seat,omitempty"` // refused because somebody else drives
	Live
}

// Live is what only the process of a run knows.
type Live struct {
	Pid int   `json:"pid,omitempty"`
	Seq int64 `json:"seq,omitempty"` // of the last event
	// Problem is why the log or another file cannot be written, "" when all is
	// well. A full disk cannot be logged.
	Problem string `json:"problem,omitempty"`
	// DriverSince is when somebody took the driver's seat; nil when it is free.
	DriverSince *time.Time `json:"driver_since,omitempty"`
	// Yours says that the connection which asks has the seat, Kept that the driver has
	// not given it to that connection.
	Yours bool `json:"yours,omitempty"`
	Kept  bool `json:"kept,omitempty"`
	// AskedSince is when another screen asked for the seat, AskedBy who.
	AskedSince *time.Time `json:"asked_since,omitempty"`
	AskedBy    string     `json:"asked_by,omitempty"`
}

// parseRequest reads a line and checks all that can be checked without knowing
// the run.
func parseRequest(line []byte) (request, error) {
	var r request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("not a command: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("not a command: one JSON object a line")
	}
	switch {
	case r.Hello != "" && r.Cmd != "":
		return r, errors.New("hello and cmd are two lines")
	case r.Hello == "drive", r.Hello == "watch", r.Hello == helloGrant, r.Hello == helloKeep:
		return r, nil
	case r.Hello == helloAsk:
		return r, checkWho(r.Text)
	case r.Hello != "":
		return r, fmt.Errorf("hello %q: say drive, watch, ask, grant or keep", r.Hello)
	}
	switch r.Cmd {
	case statusCmd, core.CmdPause, core.CmdGo, core.CmdNext, core.CmdSettle, core.CmdCancel:
	case core.CmdStop:
		if r.Text == "" {
			r.Text = bySocket
		}
		if len(r.Text) > 100 || strings.ContainsFunc(r.Text, unicode.IsControl) {
			return r, errors.New("stop: say where it comes from in at most 100 bytes, without control characters")
		}
	case core.CmdTarget:
		if !(r.Value >= 0 && r.Value < 1) {
			return r, fmt.Errorf("target %g: the share of zeros must be at least 0 and below 1", r.Value)
		}
	case core.CmdRollback:
		if err := checkName(r.Text); err != nil {
			return r, fmt.Errorf("rollback: %w", err)
		}
	case core.CmdScan:
		if r.Text == "" {
			break
		}
		if _, err := core.ParseRecipe([]byte(r.Text)); err != nil {
			return r, fmt.Errorf("recipe: %w", err)
		}
	case core.CmdConfigure:
		if _, err := core.ParseRecipe([]byte(r.Text)); err != nil {
			return r, fmt.Errorf("recipe: %w", err)
		}
	default:
		return r, fmt.Errorf("unknown command %q", r.Cmd)
	}
	return r, nil
}

// readRequest reads up to the next newline; a longer line than max is an
// error.
func readRequest(r *bufio.Reader, max int) ([]byte, error) {
	var line []byte
	for {
		b, err := r.ReadSlice('\n')
		if len(line)+len(b) > max {
			return nil, fmt.Errorf("a line may have %d bytes", max)
		}
		line = append(line, b...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return bytes.TrimSpace(line), nil
	}
}
