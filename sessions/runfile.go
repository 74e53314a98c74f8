package sessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// runInfo is run.json: the process of a run. Pids are used again, so the
// machine's boot and the process's start stand beside it.
type runInfo struct {
	Pid     int       `json:"pid"`
	Boot    string    `json:"boot"`
	Start   string    `json:"start"` // of the process, in the system's own unit
	Begun   time.Time `json:"begun"`
	Socket  string    `json:"socket"`
	Version string    `json:"version"`
	// Ended is set when the process left in good order; Why is done, stop or
	// error.
	Ended *time.Time `json:"ended,omitempty"`
	Exit  int        `json:"exit,omitempty"`
	Why   string     `json:"why,omitempty"`
}

// maxRunFile bounds run.json, in bytes.
const maxRunFile = 64 << 10

func readRun(dir string) (*runInfo, error) {
	f, err := os.Open(filepath.Join(dir, runFile))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	b, err := io.ReadAll(io.LimitReader(f, maxRunFile+1))
	if err != nil {
		return nil, err
	}
	return parseRun(b)
}

func parseRun(b []byte) (*runInfo, error) {
	if len(b) > maxRunFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", runFile, maxRunFile)
	}
	r := new(runInfo)
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", runFile, err)
	}
	if r.Pid < 1 || r.Pid > 1<<31-1 {
		return nil, errors.New(runFile + ": no pid")
	}
	return r, nil
}

func (r *runInfo) write(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, runFile), append(b, '\n'))
}

// writeOver writes into the file that is there: a full disk has no room for a
// second one beside it, but its block has.
func (r *runInfo) writeOver(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	f, err := os.OpenFile(filepath.Join(dir, runFile), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Truncate(int64(len(b))), f.Close())
}

// stopped reports whether the process left because it was told to. The log may
// not say so: on a full disk it cannot.
func (r *runInfo) stopped() bool { return r.Ended != nil && r.Why == whyStop }

// lives reports whether the very process that wrote run.json still exists.
func (r *runInfo) lives() bool {
	return r.Ended == nil && r.Boot == bootID() && r.Start != "" && procStart(r.Pid) == r.Start
}
