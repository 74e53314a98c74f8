package energy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var wallStart = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func wallFile(t testing.TB, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "wall.csv")
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// rows of a machine that draws watts, one a second, from second a to b.
func wallRows(watts float64, a, b int) string {
	s := ""
	for i := a; i <= b; i++ {
		s += fmt.Sprintf("%s,%g\n", wallStart.Add(time.Duration(i)*time.Second).Format(time.RFC3339), watts)
	}
	return s
}

func TestWallFormats(t *testing.T) {
	u := wallStart.Unix()
	for name, text := range map[string]string{
		"watts":        "timestamp,watts\n" + wallRows(120, 0, 60),
		"joules":       fmt.Sprintf("# plug 7\nunix,V,Joules\n%d,230,1000\n%d,230,4600\n%d,230,8200\n", u, u+30, u+60),
		"zone":         "Time, Power_W\n2026-01-31T13:00:00+01:00, 120\n2026-01-31T13:00:30.000+01:00, 120\n2026-01-31T12:01:00Z, 120\n",
		"milliseconds": fmt.Sprintf("\ufeffunix_ms,w\n%d000,120\n%d000,120\n%d000,120\n", u, u+30, u+60),
		"cut off":      "timestamp,watts\n" + wallRows(120, 0, 60) + "2026-01-31T12:01:01Z,9",
	} {
		w, err := ReadWall(wallFile(t, text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := w.Between(wallStart, wallStart.Add(time.Minute))
		wantUJ(t, name, r, 7_200_000_000)
		if r.Tier != TierA || r.Coverage != 1 || r.Band != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for text, want := range map[string]string{
		"": "no line of column names", "a,b\n1,2\n": "one must be called timestamp", "timestamp,watts\n": "at least two",
		"timestamp,watts\n2026-01-31 12:00:00,5\n": "with its zone", "timestamp,watts\n5,5\n": "no time in seconds",
		"timestamp,watts\n2026-01-31T12:00:00Z,-5\n":                             "no number of watts",
		"timestamp,watts\n2026-01-31T12:00:00Z,NaN\n":                            "no number of watts",
		"timestamp,joules\n2026-01-31T12:00:00Z,1e3\n2026-01-31T12:00:00Z,2e3\n": "line 3: the time does not go forward",
	} {
		if _, err := ReadWall(wallFile(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// It must cover the window, else null with the reason.
func TestWallMustCoverTheWindow(t *testing.T) {
	at := func(s float64) time.Time { return wallStart.Add(time.Duration(s * float64(time.Second))) }
	w, err := ReadWall(wallFile(t, "timestamp,watts\n"+wallRows(100, 0, 60)+wallRows(100, 100, 200)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b float64
		uj   int64
		note string
	}{
		{10, 50, 4_000_000_000, ""},
		{10.5, 12.75, 225_000_000, ""},
		{-1, 50, -1, "the file begins 1s after the window's start"},
		{150, 210, -1, "the file ends 10s before the window's end"},
		{150, 3 * 86400, -1, "the file ends 2 days before the window's end"},
		{150, 201, 5_100_000_000, "the last 1s are held"},
		{50, 110, -1, "a hole of 40s at 2026-01-31T12:01:00Z"},
		{10, 11, -1, "too short"},
	} {
		r := w.Between(at(c.a), at(c.b))
		if (c.uj < 0) != (r.UJ == nil) || !strings.Contains(r.Note, c.note) || (c.note == "") != (r.Note == "") {
			t.Errorf("%g to %g: %+v", c.a, c.b, r)
		} else if c.uj >= 0 {
			wantUJ(t, fmt.Sprint(c.a), r, c.uj)
		}
	}
	x, y, all := w.Between(at(3.3), at(17.7)), w.Between(at(17.7), at(44.1)), w.Between(at(3.3), at(44.1))
	if *x.UJ+*y.UJ != *all.UJ || x.Band <= 0 {
		t.Errorf("%d + %d != %d", *x.UJ, *y.UJ, *all.UJ)
	}
	// A plug that lost power starts its joules anew.
	w, err = ReadWall(wallFile(t, "unix,joules\n1769860800,100\n1769860801,200\n1769860802,5\n1769860803,105\n1769860804,205\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := w.Between(wallStart, wallStart.Add(4*time.Second)); r.UJ != nil || !strings.Contains(r.Note, "hole") {
		t.Errorf("%+v", r)
	}
	wantUJ(t, "after it", w.Between(wallStart.Add(2*time.Second), wallStart.Add(4*time.Second)), 200_000_000)
}

// TestWallOfLongAgo: doctor says of a file that does not go on how old its last row is.
func TestWallOfLongAgo(t *testing.T) {
	f := newFake().add(pkg0)
	for since, want := range map[time.Duration]string{0: "", 3 * 24 * time.Hour: "its last row is 3 days old", 90 * time.Second: "its last row is 1m30s old"} {
		m := f.open(t, func(o *Options) {
			o.Wall = wallFile(t, "timestamp,watts\n"+wallRows(50, -60, 0))
			o.utc = func() time.Time { return wallStart.Add(since + time.Duration(f.now())) }
		})
		if w := m.wallNow(); w.Why != want || (w.Fix != "") != (want != "") || !w.Used {
			t.Errorf("%v: %+v", since, w)
		}
	}
}

// With a wall meter its figure stands alone; the chips are parts, never added.
func TestWallMeter(t *testing.T) {
	f := newFake().add(pkg0)
	file := wallFile(t, "timestamp,watts\n"+wallRows(900, -5, 12))
	m := f.open(t, newFakeNVML(f, h100(0, 500)).with("PARE_WALL", file), func(o *Options) {
		o.utc = func() time.Time { return wallStart.Add(time.Duration(f.now())) }
	})
	if m.Tier() != TierA || m.Source() != "wall meter wall.csv" || m.Shortest() != 2*time.Second || !strings.HasPrefix(m.Boundary(), "wall outlet") {
		t.Errorf("%s %s %v", m.Tier(), m.Source(), m.Shortest())
	}
	r := f.window(m, 10*time.Second)
	wantUJ(t, "900 W", r, 9_000_000_000)
	if r.Tier != TierA || r.Source != m.Source() || r.Boundary != m.Boundary() {
		t.Errorf("%+v", r)
	}
	wantUJ(t, "gpu", r.Find("gpu"), 5_000_000_000)
	wantUJ(t, "cpu", r.Find("cpu"), 400_000_000)
	// The file does not go on: nil, never the parts in its place.
	r = f.window(m, 10*time.Second)
	if r.UJ != nil || r.Tier != TierNone || !strings.Contains(r.Note, "the file ends") || r.Find("gpu").UJ == nil {
		t.Errorf("%+v", r)
	}
	// It grows: read again.
	if err := os.WriteFile(file, []byte("timestamp,watts\n"+wallRows(900, -5, 60)), 0o644); err != nil {
		t.Fatal(err)
	}
	wantUJ(t, "grown", f.window(m, 10*time.Second), 9_000_000_000)
	if s := row(t, m, "wall meter"); !s.Used || s.Tier != TierA || s.Every != "1s" || !strings.Contains(s.Value, "to 2026-01-31T12:01:00Z") {
		t.Errorf("%+v", s)
	}
	o := f.options()
	if o.Wall = "/nowhere.csv"; true {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "wall meter") {
			t.Error(err)
		}
	}
	if s := row(t, newFake().open(t), "wall meter"); s.OK || !strings.Contains(s.Fix, "PARE_WALL") {
		t.Errorf("%+v", s)
	}
}

func FuzzWall(f *testing.F) {
	f.Add([]byte("timestamp,watts\n2026-01-31T12:00:00Z,5\n2026-01-31T12:00:01Z,6\n"))
	f.Add([]byte("unix,joules\n1769860800,100\n1769860801,5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := parseWall(b)
		if err != nil {
			return
		}
		r := w.Between(time.Unix(0, w.at[0]), time.Unix(0, w.at[len(w.at)-1]))
		if r.UJ != nil && *r.UJ < 0 {
			t.Fatalf("%+v", r)
		}
	})
}
