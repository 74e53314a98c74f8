package energy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// tree puts files anywhere: pairs of a path and what it says.
func (f *fake) tree(pairs ...string) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := 0; i < len(pairs); i += 2 {
		text := pairs[i+1]
		f.files[pairs[i]] = &file{text: func(int64) string { return text + "\n" }}
	}
	return f
}

func TestAMDByHwmon(t *testing.T) {
	const d = hwmonRoot + "/hwmon3/"
	f := newFake().tree(d+"name", "amdgpu", d+"power1_average", "150000000", d+"power1_input", "999000000", d+"power1_cap_max", "300000000",
		hwmonRoot+"/hwmon0/name", "nvme", hwmonRoot+"/hwmon0/power1_input", "5000000")
	m := f.open(t)
	g := f.window(m, 10*time.Second).Find("gpu")
	wantUJ(t, "150 W, the filtered figure", g, 1_500_000_000)
	if g.Tier != TierC || g.Source != "hwmon" || g.Coverage != 1 {
		t.Errorf("%+v", g)
	}
	if s := row(t, m, "hwmon GPU 0"); !s.Used || s.Value != "150.0 W" || !strings.Contains(s.Why, "power1_average") || s.Mode != "0444" {
		t.Errorf("%+v", s)
	}
	f.tree(d+"power1_average", "700000000") // above twice its limit
	a := f.mark(m)
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	if g := m.Between(a, f.mark(m)).Find("gpu"); g.UJ != nil || g.Rejected < 50 {
		t.Errorf("%+v", g)
	}
	// The second die of an MI250 reads 0 W (codecarbon#1097); a processor's graphics
	// show the package, which RAPL counts.
	f = newFake().tree(d+"name", "amdgpu", d+"power1_input", "0", d+"power1_cap_max", "300000000",
		hwmonRoot+"/hwmon4/name", "amdgpu", hwmonRoot+"/hwmon4/power1_input", "15000000")
	m = f.open(t)
	if s := row(t, m, "hwmon GPU 0"); s.OK || !strings.Contains(s.Why, "reads 0") {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "hwmon GPU 1"); s.OK || !strings.Contains(s.Why, "the package's") {
		t.Errorf("%+v", s)
	}
	if len(m.parts) != 0 {
		t.Error(m.Source())
	}
}

func TestIntelGPUByHwmon(t *testing.T) {
	const d = hwmonRoot + "/hwmon1/"
	f := newFake().tree(d+"name", "xe", d+"energy2_input", "1") // of the package: a part of the card
	f.files[d+"energy1_input"] = &file{text: func(t int64) string { return fmt.Sprintln(1<<40 + t/1000*75) }}
	m := f.open(t)
	g := f.window(m, 10*time.Second).Find("gpu")
	wantUJ(t, "75 W", g, 750_000_000)
	if g.Tier != TierB {
		t.Errorf("%+v", g)
	}
}

func jetson(dir string, rails ...string) (pairs []string) {
	pairs = []string{dir + "name", "ina3221"}
	for i, r := range rails {
		pairs = append(pairs, fmt.Sprintf("%sin%d_label", dir, i+1), r,
			fmt.Sprintf("%sin%d_input", dir, i+1), "5000", fmt.Sprintf("%scurr%d_input", dir, i+1), fmt.Sprint(1000*(i+1)))
	}
	return append(pairs, dir+"in4_label", "sum of shunt voltages", dir+"in4_input", "9", dir+"curr4_input", "9")
}

// The total rail is never added to its parts.
func TestJetsonRails(t *testing.T) {
	f := newFake().tree(jetson(hwmonRoot+"/hwmon2/", "VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")...)
	m := f.open(t)
	r := f.window(m, 10*time.Second)
	wantUJ(t, "VDD_IN alone, 5 W", r, 50_000_000)
	if r.Tier != TierC || r.Source != "ina3221" || r.Boundary != "the whole module at its rail VDD_IN, all processes" || m.Source() != r.Source || m.Boundary() != r.Boundary {
		t.Errorf("%+v", r)
	}
	if e := r.Find("cpu"); e.Tier != TierE {
		t.Errorf("%+v", e)
	}
	if s := row(t, m, "rail VDD_SOC"); s.Used || !strings.Contains(s.Why, "not added: part of VDD_IN") || s.Value != "15.00 W" {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "profile test-cpu"); s.Used || !strings.Contains(s.Why, "whole machine") {
		t.Errorf("%+v", s)
	}
	// AGX Orin has none: all rails.
	f = newFake().tree(append(jetson(hwmonRoot+"/hwmon2/", "VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"), jetson(hwmonRoot+"/hwmon3/", "NC", "VDDQ_VDD2_1V8AO")...)...)
	m = f.open(t)
	r = f.window(m, 10*time.Second)
	wantUJ(t, "5 + 10 + 15 + 10 W", r, 400_000_000)
	if r.Boundary != "the rails VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0 + VDDQ_VDD2_1V8AO of the module, all processes" {
		t.Errorf("%q", r.Boundary)
	}
	// Older kernels.
	const d = railsRoot + "/1-0040/iio:device0/"
	f = newFake().tree(d+"rail_name_0", "POM_5V_IN", d+"in_power0_input", "4000", d+"rail_name_1", "POM_5V_GPU", d+"in_power1_input", "900")
	m = f.open(t)
	wantUJ(t, "POM_5V_IN", f.window(m, 10*time.Second), 40_000_000)
	f.tree(d+"in_power0_input", "x")
	b := f.mark(m)
	f.pass(m, 5*time.Second, 100*time.Millisecond)
	if r := m.Between(b, f.mark(m)); r.UJ != nil || !strings.Contains(r.Note, "POM_5V_IN") {
		t.Errorf("%+v", r)
	}
}

// TestBatteryAskedForAndNotThere: doctor on a Jetson without the battery that PARE_ENERGY
// names says what the meter then reads, its rails.
func TestBatteryAskedForAndNotThere(t *testing.T) {
	f := newFake().tree(jetson(hwmonRoot+"/hwmon2/", "VDD_IN", "VDD_SOC")...)
	m := f.open(t, func(o *Options) { o.Survey, o.env = true, environ("PARE_ENERGY", "battery") })
	r := f.window(m, 10*time.Second)
	wantUJ(t, "VDD_IN, 5 W", r, 50_000_000)
	if m.Source() != "ina3221" || m.Boundary() != "the whole module at its rail VDD_IN, all processes" || r.Source != m.Source() {
		t.Errorf("source %q, boundary %q, %+v", m.Source(), m.Boundary(), r)
	}
	if s := row(t, m, "rail VDD_IN"); !s.Used {
		t.Errorf("%+v", s)
	}
	if s := row(t, m, "PARE_ENERGY"); !strings.Contains(s.Why, "energy source battery") {
		t.Errorf("%+v", s)
	}
}

func TestBattery(t *testing.T) {
	const d = supplyRoot + "/BAT0/"
	f := newFake().tree(d+"type", "Battery", d+"status", "Discharging", d+"current_now", "-1500000", d+"voltage_now", "12000000",
		supplyRoot+"/AC/type", "Mains", supplyRoot+"/hidpp/type", "Battery", supplyRoot+"/hidpp/scope", "Device")
	m := f.open(t) // listed, but only taken when asked for
	if s := row(t, m, "battery"); !s.OK || s.Used || s.Value != "18.0 W" || !strings.Contains(s.Fix, "PARE_ENERGY=battery") || len(m.parts) != 0 {
		t.Errorf("%+v", s)
	}
	m = f.open(t, func(o *Options) { o.env = environ("PARE_ENERGY", "battery") })
	r := f.window(m, 20*time.Second)
	wantUJ(t, "18 W", r, 360_000_000)
	if r.Tier != TierC || r.Source != "battery" || r.Boundary != "the whole machine, by its battery" || m.Shortest() != 10*time.Second {
		t.Errorf("%+v", r)
	}
	f.tree(d+"power_now", "20000000") // preferred when there
	f.pass(m, 100*time.Millisecond, 100*time.Millisecond)
	wantUJ(t, "20 W", f.window(m, 20*time.Second), 400_000_000)
	// One of two is charging: what the other gives is not what the machine takes.
	const d2 = supplyRoot + "/BAT1/"
	f.tree(d2+"type", "Battery", d2+"status", "Charging", d2+"power_now", "5000000")
	o := f.options()
	if o.Source = SourceBattery; true {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "the battery is charging") {
			t.Error(err)
		}
	}
	f.tree(d2+"status", "Not charging")
	if m := f.open(t, func(o *Options) { o.Source = SourceBattery }); m.Source() != "battery" {
		t.Error(m.Source())
	}
	// Plugged in: not covered, and said.
	f.tree(d+"status", "Charging")
	a := f.mark(m)
	f.pass(m, 20*time.Second, 100*time.Millisecond)
	if r := m.Between(a, f.mark(m)); r.UJ != nil || !strings.Contains(r.Note, "the mains feed the machine") {
		t.Errorf("%+v", r)
	}
	for _, status := range []string{"Charging", "Full", "Not charging", "Unknown"} {
		f.tree(d+"status", status)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "mains feed the machine") {
			t.Errorf("%s: %v", status, err)
		}
	}
	o = newFake().options()
	if o.Source = SourceBattery; true {
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "shows none") {
			t.Error(err)
		}
	}
}

// Sentinels whose product or sum does not fit 64 bits would come out as a few watts.
func TestReadingsThatDoNotFit(t *testing.T) {
	const d = hwmonRoot + "/hwmon2/"
	rails := newFake().tree(jetson(d, "VDD_IN")...)
	two := newFake().tree(jetson(d, "VDD_A", "VDD_B")...)
	const b0, b1 = supplyRoot + "/BAT0/", supplyRoot + "/BAT1/"
	cells := newFake().tree(b0+"type", "Battery", b0+"status", "Discharging", b0+"current_now", "1500000", b0+"voltage_now", "12000000")
	packs := newFake().tree(b0+"type", "Battery", b0+"status", "Discharging", b0+"power_now", "9000000", b1+"type", "Battery", b1+"status", "Discharging", b1+"power_now", "9000000")
	battery := func(o *Options) { o.Source = SourceBattery }
	for name, c := range map[string]struct {
		f    *fake
		open []func(*Options)
		bad  []string
	}{
		"mV times mA":      {rails, nil, []string{d + "in1_input", "16777216", d + "curr1_input", "1099511627781"}}, // 2²⁴ · (2⁴⁰+5) = 2⁶⁴ + 84 W
		"sum of rails":     {two, nil, []string{d + "in1_input", "18446744073709551615", d + "curr1_input", "1"}},
		"µA times µV":      {cells, []func(*Options){battery}, []string{b0 + "current_now", "18446744073709551615", b0 + "voltage_now", "18446744073709551615"}},
		"sum of batteries": {packs, []func(*Options){battery}, []string{b0 + "power_now", "18446744073709551615"}},
	} {
		m := c.f.open(t, c.open...)
		if r := c.f.window(m, 20*time.Second); r.UJ == nil {
			t.Fatalf("%s: %+v", name, r)
		}
		c.f.tree(c.bad...)
		c.f.pass(m, 5*time.Second, 100*time.Millisecond)
		if r := c.f.window(m, 20*time.Second); r.UJ != nil || r.Rejected < 200 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
