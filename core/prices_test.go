package core

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/event"
	"pare/core/plan"
)

// measuring has prices measured by f and kept in a folder of the test's own.
func measuring(t *testing.T, f func(device.Device, string) (plan.Prices, error)) (dir string) {
	t.Helper()
	oldDir, oldCalibrate := cacheDir, calibrate
	t.Cleanup(func() { cacheDir, calibrate = oldDir, oldCalibrate })
	dir = t.TempDir()
	cacheDir, calibrate = func() (string, error) { return dir, nil }, f
	return dir
}

// fixedPrices are made-up prices.
func fixedPrices(source string, x float64) plan.Prices {
	l := map[string][2]float64{"1×1": {x, 2}, "4×1": {x, 1}}
	return plan.Prices{Source: source, Linear: l, LinearSmall: l, Conv: l}
}

// TestMeasurePrices: asked for, they are measured whatever is kept, and take its place or leave it.
func TestMeasurePrices(t *testing.T) {
	times := 0.0
	measuring(t, func(_ device.Device, source string) (plan.Prices, error) {
		times++
		return fixedPrices(source, times/8), nil
	})
	dev, fixed := cpu.New(), func(p plan.Prices) float64 { return 8 * p.Linear["4×1"][0] }
	for _, c := range []struct {
		keep       bool
		got, later float64
	}{{true, 1, 1}, {false, 2, 1}, {true, 3, 3}} {
		if got := fixed(MeasurePrices(dev, c.keep)); got != c.got {
			t.Errorf("keep %v: measurement %g, want %g", c.keep, got, c.got)
		}
		if later := fixed(Prices(dev)); later != c.later {
			t.Errorf("keep %v: then measurement %g holds, want %g", c.keep, later, c.later)
		}
	}
	if k := readPrices(PricesFile()); len(k.Machine) != 1 {
		t.Errorf("%d machines are kept", len(k.Machine))
	}
}

func TestPricesAreMeasuredOnce(t *testing.T) {
	times := 0
	dir := measuring(t, func(_ device.Device, source string) (plan.Prices, error) {
		times++
		return fixedPrices(source, 0.125*float64(times)), nil
	})
	dev := cpu.New()
	first := Prices(dev)
	if first.Linear["4×1"][0] != 0.125 || !strings.HasPrefix(first.Source, "measured 2") || !strings.HasSuffix(first.Source, dev.ISA()) {
		t.Errorf("measured %+v", first)
	}
	if again := Prices(dev); !reflect.DeepEqual(again, first) || times != 1 {
		t.Errorf("measured %d times; kept %+v, was %+v", times, again, first)
	}
	file := filepath.Join(dir, "pare", "prices.toml")
	if file != PricesFile() {
		t.Errorf("kept in %s", PricesFile())
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut off": string(good[:len(good)/2]), "no TOML": "\x00\xff{", "no price": strings.ReplaceAll(string(good), "[0.125, ", "[-1.0, "),
		"another version": strings.ReplaceAll(string(good), "version = ", "version = 9"), "another machine": strings.ReplaceAll(string(good), "cpu = '", "cpu = 'x"),
	} {
		if text == string(good) {
			t.Fatalf("%s: the file is as it was:\n%s", name, good)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := times
		p := Prices(dev)
		if times != before+1 {
			t.Errorf("%s: measured %d times", name, times-before)
		}
		if again := Prices(dev); !reflect.DeepEqual(again, p) || times != before+1 {
			t.Errorf("%s: not kept again", name)
		}
	}
	// The other machine's are still there beside ours.
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(good), "cpu = '", "cpu = 'x")), 0o600); err != nil {
		t.Fatal(err)
	}
	Prices(dev)
	if k := readPrices(file); len(k.Machine) != 2 {
		t.Errorf("%d machines kept", len(k.Machine))
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
}

func TestPricesWithoutAFile(t *testing.T) {
	times := 0
	dir := measuring(t, func(device.Device, string) (plan.Prices, error) {
		times++
		return fixedPrices("made up", 0.5), nil
	})
	if err := os.WriteFile(filepath.Join(dir, "pare"), nil, 0o600); err != nil { // where the folder would be
		t.Fatal(err)
	}
	for want := 1; want <= 2; want++ {
		if p := Prices(cpu.New()); p.Source != "made up" || times != want {
			t.Errorf("measured %d times: %+v", times, p)
		}
	}
	cacheDir = func() (string, error) { return "", errors.New("no home") }
	if p := Prices(cpu.New()); p.Source != "made up" || PricesFile() != "" {
		t.Errorf("without a place for the file: %+v", p)
	}
	calibrate = func(device.Device, string) (plan.Prices, error) { return plan.Prices{}, errors.New("no\nclock") }
	p := Prices(cpu.New())
	if !p.Known() || p.Check() != nil || !strings.Contains(p.Source, "defaults, because") {
		t.Errorf("what cannot be measured: %+v, %v", p, p.Check())
	}
	times = 0
	if p := Prices(ref.New()); p.Source != "defaults" || times != 0 {
		t.Errorf("device ref was measured: %+v", p)
	}
}

// TestRunRecordsItsPrices: a run writes what was measured, and where, into its
// recipe before the first step; going on and running again take it from there,
// whatever would be measured now.
func TestRunRecordsItsPrices(t *testing.T) {
	measuring(t, func(_ device.Device, source string) (plan.Prices, error) { return fixedPrices(source, 0.25), nil })
	r := small()
	st := dies(t, Config{Recipe: r}, func(st *MemStore, _ event.Event) bool { return len(st.State.Checkpoints) == 3 })
	if r.Plan.Linear["4×1"] != [2]float64{0.25, 1} || !strings.HasPrefix(r.Plan.Source, "measured") {
		t.Fatalf("the recipe has %+v", r.Plan)
	}
	if st.State.Started.Recipe != r.Hash() {
		t.Error("the log begins with another recipe")
	}

	calibrate = func(device.Device, string) (plan.Prices, error) {
		t.Error("measured again")
		return fixedPrices("later", 0.9), nil
	}
	cacheDir = func() (string, error) { return t.TempDir(), nil }
	whole := MemStore{}
	runAll(t, clone(t, r), nil, &whole)
	// The checkpoint's recipe counts, not the one handed in.
	other := clone(t, r)
	other.Plan.Prices = fixedPrices("other", 0.9)
	wakes(t, other, st)
	if st.State.Done.Weights != whole.State.Done.Weights || st.State.Plan.Hash != whole.State.Plan.Hash {
		t.Error("going on ends in other weights than running again")
	}
	if p := st.State.Plan; p.Layers[1].Format != "4×1" || !reflect.DeepEqual(p.Layers, whole.State.Plan.Layers) {
		t.Errorf("going on runs as %+v, running again as %+v", p.Layers, whole.State.Plan.Layers)
	}
}
