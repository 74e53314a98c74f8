package energy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// LogLine is one line of an energy log: what one window of a run spent. The
// joules of a log's lines do not overlap and their sum is the run's bill. Nil is
// null in the file: not known, never zero.
type LogLine struct {
	Run   string `json:"run"` // the session
	Stage string `json:"stage"`
	// Epoch counts from 1: the window holds its training steps. Nil: the window
	// holds what of the stage lies outside of epochs with a bill of their own
	// (evaluation, checkpoints, probes, an epoch cut short).
	Epoch *int `json:"epoch"`
	// T0 and T1 (UTC) frame the window; WallUS is the time inside that is billed,
	// µs: without pauses and, where Epoch is nil, without the epochs.
	T0     time.Time `json:"t0"`
	T1     time.Time `json:"t1"`
	WallUS int64     `json:"wall_us"`
	CPUUS  int64     `json:"cpu_us"` // CPU time of the run's process, µs

	Component string   `json:"component"` // see Component
	Scope     string   `json:"scope"`     // see Scope
	Boundary  string   `json:"boundary"`  // what the joules include
	UJ        *int64   `json:"uj"`        // microjoules, the PUE not in them
	Source    string   `json:"source"`
	Tier      *Tier    `json:"tier"`            // nil with UJ
	Coverage  *float64 `json:"coverage"`        // share of the window with valid samples, 0…1
	Rejected  *int     `json:"rejected"`        // samples thrown away as impossible
	Wraps     *int     `json:"wraps"`           // counter wraps put right
	Resets    *int     `json:"resets"`          // times a counter was anchored anew
	Band      *float64 `json:"uncertainty_pct"` // ± %

	PUE      *float64 `json:"pue"`        // facility energy over IT energy
	GramsKWh *float64 `json:"gco2e_kwh"`  // of the grid
	GridYear *int     `json:"grid_year"`  // of GramsKWh
	Price    *float64 `json:"price_kwh"`  // of a kWh,
	Currency *string  `json:"price_unit"` // in this currency

	MACs    *int64   `json:"macs"`         // multiply-adds of the dense operations of the steps
	Skipped *int64   `json:"skipped_macs"` // those of them that were not computed
	Samples *int64   `json:"samples"`      // the steps went through
	Acc     *float64 `json:"accuracy"`     // validation, after the epoch, 0…1
	Tool    string   `json:"tool"`         // that ran and measured

	// Prev is the SHA-256 (hex) of the bytes of the line before, without its
	// newline; of Run in the first line.
	Prev string `json:"prev"`
}

// maxLogLine bounds a line that VerifyLog reads, in bytes.
const maxLogLine = 1 << 20

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// LogWriter writes the energy log of one run.
type LogWriter struct {
	w         io.Writer
	run, last string
}

// NewLogWriter begins the log of a run.
func NewLogWriter(w io.Writer, run string) *LogWriter {
	return &LogWriter{w: w, run: run, last: digest([]byte(run))}
}

// Write appends a line; it fills Run and Prev itself.
func (w *LogWriter) Write(l LogLine) error {
	l.Run, l.Prev = w.run, w.last
	l.T0, l.T1 = l.T0.UTC(), l.T1.UTC()
	if err := l.check(); err != nil {
		return fmt.Errorf("energy log of %s: %w", w.run, err)
	}
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("energy log of %s: %w", w.run, err)
	}
	if _, err := w.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("energy log of %s: %w", w.run, err)
	}
	w.last = digest(b)
	return nil
}

// Last is the SHA-256 of the last line, or of the run before the first. Whoever
// keeps it elsewhere can tell later that no line was changed or left out, the
// last ones included: the lines alone cannot say that.
func (w *LogWriter) Last() string { return w.last }

// VerifyLog reads an energy log and checks that it is whole: every line a record
// of the same run that carries the hash of the line before, byte for byte. The
// error names the first line that does not fit. Lines missing at the end and a
// change of the last line do not show: compare its hash (LogWriter.Last) for that.
func VerifyLog(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	run, prev := "", ""
	for n := 1; ; n++ {
		b, err := readLogLine(br)
		if err == io.EOF {
			if n == 1 {
				return errors.New("line 1: there is none: an energy log has at least one")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		l, err := parseLogLine(b)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if n == 1 {
			run, prev = l.Run, digest([]byte(l.Run))
		}
		switch {
		case l.Run != run:
			return fmt.Errorf("line %d: it is of run %.40q, the lines before are of %.40q: one log holds one run", n, l.Run, run)
		case l.Prev == prev:
		case n == 1:
			return fmt.Errorf("line 1: it is not the first of run %.40q: lines before it are missing, or it was changed", run)
		default:
			return fmt.Errorf("line %d: it does not carry the hash of line %d: one of the two was changed, or lines between them are missing", n, n-1)
		}
		prev = digest(b)
	}
}

// readLogLine returns the next line without its newline; io.EOF after the last.
func readLogLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		b, err := br.ReadSlice('\n')
		if len(line)+len(b) > maxLogLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxLogLine)
		}
		line = append(line, b...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(line) > 0:
			return nil, errors.New("it is cut off: no end of line")
		default:
			return nil, err
		}
	}
}

func parseLogLine(b []byte) (l LogLine, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("it is no record of an energy log: %s", oneLine(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return l, errors.New("it is no record of an energy log: text after the object")
	}
	return l, l.check()
}

// check refuses what no window can have spent.
func (l *LogLine) check() error {
	share := func(x *float64) bool { return x == nil || *x >= 0 && *x <= 1 }
	amount := func(x *float64) bool { return x == nil || *x >= 0 && !math.IsInf(*x, 0) }
	whole := func(x *int) bool { return x == nil || *x >= 0 }
	long := func(x *int64) bool { return x == nil || *x >= 0 }
	switch {
	case l.Run == "" || l.Stage == "":
		return errors.New("it names no run or no stage")
	case l.Epoch != nil && *l.Epoch < 1:
		return fmt.Errorf("epoch %d: epochs count from 1", *l.Epoch)
	case l.T1.Before(l.T0):
		return errors.New("its t1 is before its t0")
	case l.WallUS < 0 || l.CPUUS < 0:
		return errors.New("it lasts less than no time")
	case !long(l.UJ):
		return fmt.Errorf("negative energy %d µJ", *l.UJ)
	case (l.UJ == nil) != (l.Tier == nil) || l.Tier != nil && !l.Tier.Known():
		return errors.New("joules need a tier, A to E, and only joules have one")
	case !share(l.Coverage) || !share(l.Acc):
		return errors.New("coverage and accuracy are from 0 to 1")
	case !whole(l.Rejected) || !whole(l.Wraps) || !whole(l.Resets):
		return errors.New("a negative count of samples, wraps or resets")
	case !amount(l.Band) || !amount(l.GramsKWh) || !amount(l.Price):
		return errors.New("uncertainty, gCO2e per kWh and price are not negative")
	case l.PUE != nil && !(*l.PUE >= 1):
		return fmt.Errorf("a PUE of %g: facility energy over IT energy is at least 1", *l.PUE)
	case (l.Price == nil) != (l.Currency == nil):
		return errors.New("a price needs its currency, and a currency its price")
	case !long(l.MACs) || !long(l.Skipped) || !long(l.Samples):
		return errors.New("a negative count of multiply-adds or samples")
	case l.Skipped != nil && (l.MACs == nil || *l.Skipped > *l.MACs):
		return errors.New("more multiply-adds skipped than there were")
	}
	return nil
}

// Component names the part of the machine whose joules a boundary holds: "cpu",
// "cpu+memory", "gpu", "machine", or "mixed" when several were added up, which
// cannot be told apart afterwards; empty when the boundary does not say.
func Component(boundary string) string {
	b := strings.TrimPrefix(strings.TrimPrefix(boundary, ofProcess), ", watts of ")
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(b, w) })
	}
	switch {
	case strings.HasPrefix(b, "the rails "): // of a module, by their names
		return "machine"
	case has(" + ", "with the CPU"):
		return "mixed"
	case has("whole machine", "whole board", "whole module", "the module"):
		return "machine"
	case has("CPU package") && has("memory"):
		return "cpu+memory"
	case has("CPU package"):
		return "cpu"
	case has("GPU", "graphics card"):
		return "gpu"
	}
	return ""
}

// ofProcess begins the boundary of what is counted from CPU time.
const ofProcess = "CPU time of this process"

// Scope says whose joules a boundary holds: "process" of the run alone, "machine"
// of everything that ran, "mixed" of a sum of both; empty without a boundary.
func Scope(boundary string) string {
	process, machine := false, false
	for _, b := range strings.Split(boundary, " + ") {
		switch {
		case b == "":
		case strings.HasPrefix(b, ofProcess):
			process = true
		default:
			machine = true
		}
	}
	switch {
	case process && machine:
		return "mixed"
	case process:
		return "process"
	case machine:
		return "machine"
	}
	return ""
}
