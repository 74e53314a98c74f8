package energy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRAPLImpossibleValues(t *testing.T) {
	good := func(z rz) func(int64) string { return func(t int64) string { return fmt.Sprintln(z.at(t)) } }
	for name, bad := range map[string]string{
		"sentinel 32 bit":     "4294967295\n",
		"sentinel in mJ":      "4294967295000\n",
		"sentinel 64 bit":     "18446744073709551615\n",
		"above the range":     "262143328851\n",
		"spike of 64 kW":      "200000000000\n",
		"fell to zero":        "0\n",
		"no number":           "nan\n",
		"empty":               "",
		"negative, as kernel": "-1\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake().add(pkg0)
			m := f.open(t)
			a := mark(m)
			f.run(m, 5*time.Second, 100*time.Millisecond)
			f.say("intel-rapl:0/energy_uj", bad)
			f.run(m, 200*time.Millisecond, 100*time.Millisecond)
			f.set("intel-rapl:0/energy_uj", good(pkg0))
			f.run(m, 5*time.Second, 100*time.Millisecond)
			r := m.Between(a, mark(m))
			wantUJ(t, "the good values make up for the bad", r, 408_000_000)
			isText := name == "no number" || name == "empty" || strings.HasPrefix(name, "negative")
			if !isText && r.Rejected != 2 {
				t.Errorf("%d rejected, want 2", r.Rejected)
			}
			if r.Resets != 0 || r.Coverage != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Bad values that are a small, plausible step from the good ones.
func TestRAPLImpossibleValuesNearby(t *testing.T) {
	for name, c := range map[string]struct {
		z   rz
		bad string
	}{
		"sentinel":        {rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: 1<<32 - 250_000_000, watts: 40}, "4294967295\n"},
		"above the range": {rz{dir: "intel-rapl:0", name: "package-0", max: amdRange, start: amdRange - 250_000_000, watts: 40}, fmt.Sprintln(uint64(amdRange + 5_000_000))},
	} {
		f := newFake().add(c.z)
		m := f.open(t)
		a := mark(m)
		f.run(m, 5*time.Second, 100*time.Millisecond)
		f.say("intel-rapl:0/energy_uj", c.bad)
		f.run(m, 200*time.Millisecond, 100*time.Millisecond)
		f.set("intel-rapl:0/energy_uj", func(t int64) string { return fmt.Sprintln(c.z.at(t)) })
		f.run(m, 5*time.Second, 100*time.Millisecond)
		r := m.Between(a, mark(m))
		wantUJ(t, name, r, 408_000_000)
		if r.Rejected != 2 || r.Resets != 0 || r.Coverage != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A glitch that stays at one wrong value is never taken for a reset counter.
func TestRAPLStuckGlitch(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	f.say("intel-rapl:0/energy_uj", "200000000000\n")
	f.run(m, 2*time.Second, 100*time.Millisecond)
	f.set("intel-rapl:0/energy_uj", func(t int64) string { return fmt.Sprintln(pkg0.at(t)) })
	f.run(m, time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	wantUJ(t, "4 s", r, 160_000_000)
	if r.Rejected != 20 || r.Resets != 0 {
		t.Errorf("%+v", r)
	}
}

// A counter seen standing still that then makes up for it: the joules are right,
// when they were spent is not known.
func TestRAPLStandsStillThenCatchesUp(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, time.Second, 100*time.Millisecond)
	f.say("intel-rapl:0/energy_uj", fmt.Sprintln(pkg0.at(f.now())))
	f.run(m, 8*time.Second, 100*time.Millisecond)
	f.set("intel-rapl:0/energy_uj", func(t int64) string { return fmt.Sprintln(pkg0.at(t)) })
	f.run(m, time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	wantUJ(t, "10 s", r, 400_000_000)
	if r.Coverage < 0.18 || r.Coverage > 0.2 {
		t.Errorf("%+v", r)
	}
}

// After a sleep or a driver reload the counter starts anew: anchor, lose the gap.
func TestRAPLReset(t *testing.T) {
	f := newFake().add(pkg0)
	m := f.open(t)
	a := mark(m)
	f.run(m, 5*time.Second, 100*time.Millisecond)
	zero := f.now()
	f.set("intel-rapl:0/energy_uj", func(t int64) string { return fmt.Sprintln(12 + pkg0.energy(t-zero)) })
	f.run(m, 5*time.Second, 100*time.Millisecond)
	r := m.Between(a, mark(m))
	wantUJ(t, "all but three samples", r, 388_000_000)
	if r.Resets != 1 || r.Rejected != 3 || r.Coverage < 0.96 || r.Coverage > 0.98 {
		t.Errorf("%+v", r)
	}
}

func FuzzParseMicrojoules(f *testing.F) {
	for _, s := range []string{"0\n", "262143328850\n", "18446744073709551615", "18446744073709551616", "-1", "", " 7 ", "1_0", "4294967295\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseMicrojoules(b)
		if err != nil {
			return
		}
		// What was accepted is the number that stands there.
		s := strings.TrimLeft(strings.Trim(string(b), " \n\t\r\x00"), "0")
		if s == "" {
			s = "0"
		}
		if got := fmt.Sprint(v); got != s {
			t.Fatalf("%q read as %s", b, got)
		}
	})
}

// Whatever stands in the files, opening and sampling neither panics nor bills
// more than the plausible power.
func FuzzRAPLTree(f *testing.F) {
	f.Add("package-0", "262143328850", "1000", "2000", "3000", "dram")
	f.Add("package-0-die-1", "", "18446744073709551615", "1", "4294967295", "psys")
	f.Add("core", "0", "x", "", "9", "package-0")
	f.Fuzz(func(t *testing.T, name, max, v1, v2, v3, name2 string) {
		fk := newFake().add(pkg0, dram0)
		fk.say("intel-rapl:0/name", name)
		fk.say("intel-rapl:0/max_energy_range_uj", max)
		fk.say("intel-rapl:0:2/name", name2)
		m := fk.open(t)
		if m.rapl == nil {
			return
		}
		a := mark(m)
		start := fk.now()
		for i, v := range []string{v1, v2, v3, v1, v3, v2} {
			fk.say("intel-rapl:0/energy_uj", v)
			fk.say("intel-rapl:0:2/energy_uj", []string{v3, v1, v2}[i%3])
			fk.run(m, time.Second, 250*time.Millisecond)
		}
		r := m.Between(a, mark(m))
		if r.UJ == nil {
			return
		}
		limit := 1000*float64(fk.now()-start)/1000*float64(m.rapl.n) + 1e6*10
		if *r.UJ < 0 || float64(*r.UJ) > limit*1.1 || r.Coverage < 0 || r.Coverage > 1 {
			t.Fatalf("%+v, at most %g µJ are possible", r, limit)
		}
	})
}
