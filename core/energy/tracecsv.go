package energy

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// TraceLog is what a CSV file of training runs holds.
type TraceLog struct {
	File   string
	Traces []Trace
	Tasks  []string        // in the order of the file; one empty name without a task column
	Metric string          // its column
	Cost   string          // its column
	Unit   string          // of Cost: "J", or what the epoch column counts: "epochs", "steps"
	Tier   Tier            // worst tier the file states; TierNone when it states none
	Levels bool            // rows are the cost of first reaching a level
	Cum    bool            // the energy column is a running sum
	Lower  map[string]bool // by task: the metric is better when lower
	byTask map[string][]Trace
	Notes  []string // what a reader must know
}

// Limits of a log. A run of a million rows is no learning curve.
const (
	maxTraceBytes = 64 << 20
	maxTraceRows  = 1 << 20
)

// ReadTraceFile reads a CSV file, see ReadTraces.
func ReadTraceFile(path string, o TraceOptions) (*TraceLog, error) {
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if st.Mode().IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a CSV file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return ReadTraces(f, path, o)
}

// ReadTraces reads training runs from CSV (comma, semicolon or tab; the first
// line names the columns). Columns are found by their names: an accuracy or
// another metric, epochs or steps, energy with its unit in the header, and what
// tells one run from another. Rows without a metric or a cost are left out and
// counted in Notes; of one without a metric the energy counts, where each row has
// its own. Errors name the file, the line and what to change.
func ReadTraces(r io.Reader, file string, o TraceOptions) (*TraceLog, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTraceBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(data) > maxTraceBytes {
		return nil, fmt.Errorf("%s: larger than %d MiB: keep one row an epoch", file, maxTraceBytes>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	comma := delimiter(data)
	c := csv.NewReader(bufio.NewReader(bytes.NewReader(data)))
	c.Comma, c.Comment, c.FieldsPerRecord, c.ReuseRecord, c.TrimLeadingSpace = comma, '#', -1, true, comma != '\t'
	head, err := c.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: empty; the first line must name the columns", file)
		}
		return nil, csvError(file, err)
	}
	head = slices.Clone(head)
	for i := range head {
		head[i] = strings.TrimSpace(head[i])
	}
	cols, err := findColumns(head, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	l := &TraceLog{File: file, Metric: head[cols.metric], Lower: map[string]bool{}}
	l.Levels = hasWord(l.Metric, levelWords...)
	switch {
	case cols.energy >= 0:
		l.Cost, l.Unit = head[cols.energy], "J"
	case hasWord(head[cols.epoch], epochWords...):
		l.Cost, l.Unit = head[cols.epoch], "epochs"
	default:
		l.Cost, l.Unit = head[cols.epoch], "steps"
	}
	rows, err := readRows(c, file, head, cols)
	if err != nil {
		return nil, err
	}
	rows, joined := joinRows(rows)
	rows, left := whole(rows, cols, joined > 0)
	blank, spent := 0, false
	for _, w := range rows {
		l.Tier = l.Tier.Worse(w.tier)
		spent = spent || w.joule != 0
		if math.IsNaN(w.metric) {
			blank++
		}
	}
	switch {
	case blank == len(rows):
		return nil, fmt.Errorf("%s: no row has a number in %s and %s", file, l.Metric, l.Cost)
	case l.Unit == "J" && !spent:
		return nil, fmt.Errorf("%s: %s is 0 in every row: nothing was measured; remove the column to count the cost in epochs or steps", file, l.Cost)
	}
	if err := l.group(rows, cols, head, o); err != nil {
		return nil, err
	}
	l.noteJoined(joined)
	l.count(blank, left)
	return l, nil
}

// count notes the rows that were not used: blank ones without a metric, left ones without
// a cost (where the cost is no energy: without either).
func (l *TraceLog) count(blank, left int) {
	note := func(n int, format string, a ...any) {
		rows := "rows"
		if n == 1 {
			rows = "row"
		}
		if n > 0 {
			l.Notes = append(l.Notes, fmt.Sprintf("%d %s without a number in ", n, rows)+fmt.Sprintf(format, a...))
		}
	}
	if l.Unit != "J" || l.Cum {
		note(blank+left, "%s or %s left out", l.Metric, l.Cost)
		return
	}
	note(blank, "%s: only their energy is counted", l.Metric)
	note(left, "%s left out: what was spent is more than the joules here", l.Cost)
}

// logRow is one line.
type logRow struct {
	line                       int
	key, rate, task            string
	step, epoch, metric, joule float64 // NaN: not known
	tier                       Tier
}

func readRows(c *csv.Reader, file string, head []string, cols columns) (rows []logRow, err error) {
	for n := 0; ; n++ {
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, csvError(file, err)
		}
		line, _ := c.FieldPos(0)
		if n >= maxTraceRows {
			return nil, fmt.Errorf("%s: more than %d rows: keep one row an epoch", file, maxTraceRows)
		}
		if len(rec) == 1 && strings.TrimSpace(rec[0]) == "" {
			continue
		}
		if len(rec) != len(head) {
			return nil, fmt.Errorf("%s:%d: %d fields, but the header has %d", file, line, len(rec), len(head))
		}
		w := logRow{line: line}
		get := func(i int) float64 {
			if i < 0 || err != nil {
				return math.NaN()
			}
			v, e := number(rec[i], c.Comma)
			if e != nil {
				err = fmt.Errorf("%s:%d: %s = %q is no number", file, line, head[i], rec[i])
			}
			return v
		}
		w.metric, w.epoch, w.joule, w.step = get(cols.metric), get(cols.epoch), get(cols.energy)*cols.unit, math.NaN()
		if err != nil {
			return nil, err
		}
		if cols.step >= 0 {
			if v, err := number(rec[cols.step], c.Comma); err == nil { // it joins rows, no more
				w.step = v
			}
		}
		if w.joule < 0 || w.epoch < 0 {
			return nil, fmt.Errorf("%s:%d: a negative cost", file, line)
		}
		var key []string
		for _, i := range cols.runs {
			key = append(key, strings.TrimSpace(rec[i]))
		}
		w.key = strings.Join(key, " ")
		if cols.rate >= 0 {
			w.rate = strings.TrimSpace(rec[cols.rate])
		}
		if cols.task >= 0 {
			w.task = strings.TrimSpace(rec[cols.task])
		}
		if cols.tier >= 0 {
			if t := Tier(strings.TrimSpace(rec[cols.tier])); t.Known() {
				w.tier = t
			}
		}
		rows = append(rows, w)
	}
}

// number reads one field; empty, nan, n/a and infinities are NaN: not known.
func number(s string, comma rune) (float64, error) {
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%"))
	if comma == ';' && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	switch strings.ToLower(s) {
	case "", "nan", "n/a", "na", "none", "null", "-", "–":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if math.Abs(v) > 1e18 { // no metric and no energy is so large
		return math.NaN(), nil
	}
	return v, err
}

// delimiter is the one of comma, semicolon and tab that the first line has most.
func delimiter(data []byte) rune {
	for len(data) > 0 && data[0] == '#' {
		_, rest, ok := bytes.Cut(data, []byte("\n"))
		if !ok {
			break
		}
		data = rest
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	best, n := ',', 0
	for _, d := range []rune{',', ';', '\t'} {
		if k := bytes.Count(first, []byte(string(d))); k > n {
			best, n = d, k
		}
	}
	return best
}

func csvError(file string, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("%s:%d: not CSV: %w", file, p.Line, p.Err)
	}
	return fmt.Errorf("%s: %w", file, err)
}
