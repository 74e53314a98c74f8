package energy

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pare/hwprofiles"
)

// loadTable is one machine's published rows.
type loadTable struct {
	name string
	cpus float64
	rows []LoadPoint
}

func readTable(t *testing.T, path, name, cpus, load, watts string) []loadTable {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	col := map[string]int{}
	for i, h := range all[0] {
		col[h] = i
	}
	num := func(r []string, c string) float64 {
		v, err := strconv.ParseFloat(r[col[c]], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var out []loadTable
	for _, r := range all[1:] {
		n := r[col[name]]
		if len(out) == 0 || out[len(out)-1].name != n {
			out = append(out, loadTable{name: n, cpus: num(r, cpus)})
		}
		l := &out[len(out)-1]
		l.rows = append(l.rows, LoadPoint{num(r, load) / 100, num(r, watts)})
	}
	return out
}

// heldOut calibrates on every other row from first on and compares with the
// rest, as far as it lies between calibrated loads.
func heldOut(t *testing.T, l loadTable, first int) (n, in int, meanErr float64, c *LoadCurve) {
	t.Helper()
	var cal, rest []LoadPoint
	for i, p := range l.rows {
		if i%2 == first {
			cal = append(cal, p)
		} else {
			rest = append(rest, p)
		}
	}
	c, err := CalibrateLoad(cal, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range rest {
		w, ok := c.Watts(p.Load)
		if !ok {
			continue
		}
		n++
		meanErr += math.Abs(w/p.W - 1)
		if math.Abs(p.W-w) <= w*c.Band()/100 {
			in++
		}
	}
	return n, in, 100 * meanErr / float64(n), c
}

// The figures of the issue: on the two machines of the project's data, calibrated
// on every other point, the mean error on the rest is at most 10 %, the band at
// most ±25 %, and it holds at least nine in ten.
func testCalibration(t *testing.T, tables []loadTable) {
	n, in := 0, 0
	for _, l := range tables {
		k, held, e, c := heldOut(t, l, 0)
		t.Logf("%s: %v: mean error %.1f %% on the other %d rows, band holds %d", l.name, c, e, k, held)
		if e > 10 || c.Band() > 25 {
			t.Errorf("%s: mean error %.1f %%, band ±%.1f %%", l.name, e, c.Band())
		}
		n, in = n+k, in+held
		// The other half tells the same, without its ends: the first row of the
		// tables, half a watt at no load, cannot be predicted from the others.
		k, held, e, c = heldOut(t, l, 1)
		t.Logf("%s, other half: mean error %.1f %% on %d rows, band ±%.0f %% holds %d", l.name, e, k, c.Band(), held)
		n, in = n+k, in+held
	}
	if in*10 < n*9 {
		t.Errorf("the band holds %d of %d rows", in, n)
	}
}

func TestCalibrationHoldsOtherRows(t *testing.T) {
	testCalibration(t, readTable(t, "testdata/cpu-load/load.csv", "machine", "logical_cpus", "load_pct", "rapl_w")[:2])
}

// The same on the full files, where PARE_DATA names the project's data folder.
func TestCalibrationFullData(t *testing.T) {
	dir := os.Getenv("PARE_DATA")
	if dir == "" {
		t.Skip("the whole published data: PARE_DATA names the folder; a part of it is in testdata and always tested")
	}
	var tables []loadTable
	for _, f := range []string{"rapl-epyc-8024p-all-cores.csv", "rapl-xeon-e5-2620v3-all-cores.csv"} {
		tables = append(tables, readTable(t, filepath.Join(dir, "cpu-power", f), "cpu_name", "cores_used", "cpu_load", "rapl_power")...)
	}
	testCalibration(t, tables)
}

// On machines that no figure here was chosen for, the printed band still holds
// nine rows in ten; it may then be wider than 25 %.
func TestLoadBandOnOtherMachines(t *testing.T) {
	n, in := 0, 0
	for _, l := range readTable(t, "testdata/cpu-load/load.csv", "machine", "logical_cpus", "load_pct", "rapl_w") {
		for half := range 2 {
			k, held, e, c := heldOut(t, l, half)
			t.Logf("%s %d: mean error %.1f %%, band ±%.0f %%, holds %d of %d", l.name, half, e, c.Band(), held, k)
			n, in = n+k, in+held
		}
	}
	if in*10 < n*9 {
		t.Errorf("the band holds %d of %d rows", in, n)
	}
}

// Before calibration: busy CPUs × busy_core_w of the generic profile, with its
// band, holds nine in ten of all published rows from 10 % load on.
func TestBandBeforeCalibration(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	p, err := hwprofiles.Load("generic-x86-cpu")
	if err != nil {
		t.Fatal(err)
	}
	n, in := 0, 0
	for _, l := range readTable(t, "testdata/cpu-load/load.csv", "machine", "logical_cpus", "load_pct", "rapl_w") {
		for _, q := range l.rows {
			if q.Load < 0.1 {
				continue
			}
			n++
			if w := q.Load * l.cpus * p.BusyCoreW.Value; math.Abs(q.W-w) <= w*p.BandPct.Value/100 {
				in++
			}
		}
	}
	t.Logf("±%g %% holds %d of %d rows", p.BandPct.Value, in, n)
	if in*10 < n*9 {
		t.Errorf("±%g %% holds %d of %d rows", p.BandPct.Value, in, n)
	}
}

// The same with the rule for machines of which only the TDP is known. The TDPs are
// the vendors' (two packages on the Xeon E5).
func TestBandFromTDP(t *testing.T) {
	tdp := map[string]float64{"epyc-all": 90, "epyc-some": 90, "xeon-all": 170, "xeon-some": 170, "tr-all": 180, "e3-all": 69, "e5-1240-all": 69}
	n, in := 0, 0
	for _, l := range readTable(t, "testdata/cpu-load/load.csv", "machine", "logical_cpus", "load_pct", "rapl_w") {
		w, band := hwprofiles.BusyFromTDP(tdp[l.name], int(l.cpus))
		for _, q := range l.rows {
			if q.Load < 0.1 {
				continue
			}
			n++
			if math.Abs(q.W/(q.Load*l.cpus)-w) <= w*band/100 {
				in++
			}
		}
	}
	t.Logf("holds %d of %d rows", in, n)
	if in*10 < n*9 {
		t.Errorf("holds %d of %d rows", in, n)
	}
}

func TestLoadCurveReading(t *testing.T) {
	c, err := CalibrateLoad([]LoadPoint{{1, 40}, {0.25, 10}, {0.5, 20}, {0.75, 30}}, "rapl, today")
	if err != nil {
		t.Fatal(err)
	}
	r := c.Reading(0.6, 10e6, "CPU package")
	if r.UJ == nil || *r.UJ != 240e6 || Format(r) != "≈240 J D ±20 %" || r.Measured() {
		t.Errorf("%+v %s", r, Format(r))
	}
	if r = c.Reading(0.1, 10e6, ""); r.UJ != nil || !strings.Contains(r.Note, "outside of the calibrated 25.0 to 100.0 %") {
		t.Errorf("extrapolated: %+v", r)
	}
	if r = c.Reading(0.5, 0, ""); r.UJ != nil {
		t.Errorf("empty window: %+v", r)
	}
	if r = c.Reading(math.NaN(), 1, ""); r.UJ != nil {
		t.Errorf("NaN: %+v", r)
	}
	if s := c.String(); s != "4 loads from 25 to 100 %, D ±20 % (rapl, today)" {
		t.Error(s)
	}
	for want, ps := range map[string][]LoadPoint{
		"at least 4":   {{0.1, 1}, {0.5, 2}, {1, 3}},
		"twice":        {{0.1, 1}, {0.5, 2}, {0.5, 3}, {1, 4}},
		"from 0 to 1":  {{10, 1}, {0.5, 2}, {0.6, 3}, {1, 4}},
		"above 0":      {{0.1, 0}, {0.5, 2}, {0.6, 3}, {1, 4}},
		"W at load 1:": {{0.1, 1}, {0.5, 2}, {0.6, 3}, {1, math.NaN()}},
	} {
		if _, err := CalibrateLoad(ps, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", ps, err)
		}
	}
}

func TestLoadCurveOf(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	p, err := hwprofiles.Load("epyc-8024p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCurveOf(p); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("a published curve became tier D: %v", err)
	}
	p.File = "/home/me/.config/pare/hw/box.toml"
	c, err := LoadCurveOf(p)
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := c.Watts(0.5); !ok || math.Abs(w-43.2) > 0.1 {
		t.Errorf("%g W", w)
	}
	three := *p.Load // the profile's own is every reader's
	three.Points = three.Points[:3]
	p.Load = &three
	if _, err := LoadCurveOf(p); err == nil || !strings.Contains(err.Error(), "epyc-8024p: load curve: 3 points") {
		t.Error(err)
	}
	p.Load = nil
	if _, err := LoadCurveOf(p); err == nil {
		t.Error("no curve, no error")
	}
}

// The curve rises with load and stays within its points, whatever they are.
func TestLoadCurveIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 12).Draw(t, "n")
		ps := make([]LoadPoint, n)
		lo, hi := math.Inf(1), 0.0
		for i := range ps {
			w := rapid.Float64Range(0.1, 1000).Draw(t, "w")
			ps[i] = LoadPoint{float64(i) / float64(n-1), w}
			lo, hi = math.Min(lo, w), math.Max(hi, w)
		}
		c, err := CalibrateLoad(ps, "x")
		if err != nil {
			t.Fatal(err)
		}
		last := 0.0
		for i := range 201 {
			w, ok := c.Watts(float64(i) / 200)
			if !ok || w < last-1e-9*hi || w < lo-1e-9*hi || w > hi+1e-9*hi {
				t.Fatalf("%g W at %g, before %g, points %v", w, float64(i)/200, last, ps)
			}
			last = w
		}
	})
}
