package energy

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// The names a wall meter's file may give its columns, in lower case.
var (
	wallTimes  = []string{"timestamp", "time", "utc", "unix", "unix_s", "unix_ms"}
	wallWatts  = []string{"watts", "watt", "w", "power", "power_w", "active_power_w"}
	wallJoules = []string{"joules", "joule", "j", "energy_j"}
)

// ReadWall reads a wall meter's CSV file: a line of names, then one row per
// moment. One column tells the time (timestamp: RFC 3339 with its zone, or
// seconds or milliseconds since 1970), one the watts or the joules counted so
// far; others are left alone. Times must increase. Watts are joined by straight
// lines, and those above 1 MW are left out, as are the all-ones of a plug that
// knows nothing. A joules column that falls was reset, one that rises by more is
// broken: nothing is known across that row.
// The last line may be cut off: another program may be writing it.
func ReadWall(path string) (*WallLog, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // a pipe would be waited for
		return nil, fmt.Errorf("wall meter: %s is no regular file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("wall meter: %w", err)
	}
	w, err := parseWall(data)
	if err != nil {
		return nil, fmt.Errorf("wall meter %s: %w", path, err)
	}
	return w, nil
}

func parseWall(data []byte) (*WallLog, error) {
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = data[:bytes.LastIndexByte(data, '\n')+1]
	}
	rd := csv.NewReader(bytes.NewReader(data))
	rd.Comment, rd.TrimLeadingSpace, rd.ReuseRecord = '#', true, true
	head, err := rd.Read()
	if err != nil {
		return nil, errors.New("no line of column names (timestamp,watts or timestamp,joules)")
	}
	at, value, joules := find(head, wallTimes), find(head, wallWatts), false
	if value < 0 {
		value, joules = find(head, wallJoules), true
	}
	if at < 0 || value < 0 {
		return nil, fmt.Errorf("columns %q: one must be called timestamp, one watts or joules", head)
	}
	w := &WallLog{kind: "watts"}
	if joules {
		w.kind = "joules"
	}
	last := 0.0 // W or J of the row before
	for {
		rec, err := rd.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rd.FieldPos(0)
		t, err := wallTime(rec[at])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rec[value]), 64)
		if err != nil || !(v >= 0) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("line %d: %q is no number of %s", line, rec[value], w.kind)
		}
		if !joules && v > wallMost {
			w.bad = append(w.bad, t)
			continue
		}
		if err := w.append(t, v, last, joules); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		last = v
	}
	if len(w.at) < 2 {
		return nil, fmt.Errorf("%d rows: at least two are needed", len(w.at))
	}
	w.finish()
	return w, nil
}

// append adds a row of v watts, or v joules counted so far.
func (w *WallLog) append(t int64, v, last float64, joules bool) error {
	n := len(w.at)
	if n == 0 {
		w.at, w.uj, w.hole = []int64{t}, []int64{0}, []bool{false}
		return nil
	}
	dt := t - w.at[n-1]
	if dt <= 0 {
		return errors.New("the time does not go forward")
	}
	d, hole := (v+last)/2*float64(dt)/1e3, false // W·ns = 10⁻³ µJ
	if joules {
		d = (v - last) * 1e6
		most := d > wallMost*float64(dt)/1e3
		if hole = most || d < 0; most {
			w.bad = append(w.bad, t)
		}
	}
	if hole {
		d = 0
	}
	sum := float64(w.uj[n-1]) + d
	if sum > math.MaxInt64/4 {
		return errors.New("more joules than can be")
	}
	w.at, w.uj, w.hole = append(w.at, t), append(w.uj, w.uj[n-1]+int64(math.Round(d))), append(w.hole, hole)
	return nil
}

func find(head, names []string) int {
	for _, n := range names {
		for i, h := range head {
			if strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))) == n {
				return i
			}
		}
	}
	return -1
}

// wallTime reads a moment: RFC 3339, or a number of seconds or of
// milliseconds since 1970.
func wallTime(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if v, err := strconv.ParseFloat(s, 64); err == nil {
		switch {
		case v >= 1e8 && v < 9e9:
			return int64(math.Round(v*1e6)) * 1e3, nil // a float64 holds µs, not ns
		case v >= 1e11 && v < 9e12:
			return int64(math.Round(v*1e3)) * 1e3, nil
		}
		return 0, fmt.Errorf("%q is no time in seconds or milliseconds since 1970", s)
	}
	for _, f := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00"} {
		if t, err := time.Parse(f, s); err == nil && t.Year() >= 1980 && t.Year() < 2200 {
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time: write it as 2026-01-31T12:00:00Z, with its zone, or in seconds since 1970", s)
}
