package energy

import (
	"encoding/csv"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// codeCarbonHeader is the header of an emissions.csv of CodeCarbon 3.
const codeCarbonHeader = "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"

func emissions(t *testing.T, rows ...Emission) []map[string]string {
	t.Helper()
	var b strings.Builder
	if err := WriteEmissions(&b, rows); err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(all[0][:codeCarbonColumns], ","); got != codeCarbonHeader {
		t.Errorf("columns\n%s\nwant\n%s", got, codeCarbonHeader)
	}
	if got := strings.Join(all[0][codeCarbonColumns:], ","); got != "source,quality,boundary,coverage,uncertainty_pct,stage,epoch" {
		t.Errorf("our columns %s", got)
	}
	var out []map[string]string
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, v := range r {
			m[all[0][i]] = v
		}
		out = append(out, m)
	}
	return out
}

func TestEmissions(t *testing.T) {
	uj, g := int64(3.6e12), 400.0
	cover := 0.98
	r := Emission{
		At: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC), Project: "lenet on digits, mine", Run: "abc", Stage: "baseline", Epoch: NoEpoch, Seconds: 3600,
		Energy:    Reading{UJ: &uj, Tier: TierB, Source: "rapl", Boundary: "CPU package, all processes", Band: 1.5},
		Component: "cpu", Coverage: &cover, Rates: Rates{Intensity: &Intensity{Grams: g}, Country: "FRA", CountryName: "France", PUE: 1}, CPUs: 8, CPUModel: "X", Tool: "pare 0",
	}
	m := emissions(t, r)[0]
	for col, want := range map[string]string{
		"timestamp": "2026-11-25T10:00:00", "project_name": "lenet on digits, mine", "duration": "3600", "energy_consumed": "1", "cpu_energy": "1", "cpu_power": "1000",
		"emissions": "0.4", "quality": "B", "source": "rapl", "uncertainty_pct": "1.5", "coverage": "0.98", "pue": "1", "tracking_mode": "machine", "stage": "baseline",
		"gpu_energy": "", "gpu_power": "", "ram_energy": "", "ram_power": "", "water_consumed": "", "wue": "", "epoch": "", "gpu_count": "", "on_cloud": "", "cpu_count": "8",
		"country_iso_code": "FRA", "country_name": "France", "cloud_provider": "", "codecarbon_version": "pare 0",
	} {
		if m[col] != want {
			t.Errorf("%s = %q, want %q", col, m[col], want)
		}
	}
	if v, _ := strconv.ParseFloat(m["emissions_rate"], 64); math.Abs(v-0.4/3600) > 1e-12 {
		t.Errorf("rate %q", m["emissions_rate"])
	}

	// What the meter tells apart stands apart, with the PUE; the sum is the whole.
	cpu, ram := int64(2.7e12), int64(0.9e12)
	a := r
	a.Component, a.Apart, a.Rates.PUE = "", Apart{CPU: &cpu, Memory: &ram}, 2
	m = emissions(t, a)[0]
	for col, want := range map[string]string{"energy_consumed": "2", "cpu_energy": "1.5", "ram_energy": "0.5", "gpu_energy": "", "cpu_power": "750", "ram_power": "250", "gpu_power": ""} {
		if m[col] != want {
			t.Errorf("apart: %s = %q, want %q", col, m[col], want)
		}
	}
	ram = uj + 1
	if err := WriteEmissions(new(strings.Builder), []Emission{a}); err == nil || !strings.Contains(err.Error(), "of ram") {
		t.Errorf("a part above the whole: %v", err)
	}

	// Not measured: nothing of energy, and no zero either.
	n := r
	n.Energy = Reading{Source: "rapl", Boundary: "CPU package"}
	m = emissions(t, n)[0]
	for _, col := range []string{"energy_consumed", "cpu_energy", "cpu_power", "emissions", "emissions_rate", "quality", "source", "boundary", "uncertainty_pct", "coverage"} {
		if m[col] != "" {
			t.Errorf("not measured, but %s = %q", col, m[col])
		}
	}
	if m["duration"] != "3600" {
		t.Errorf("duration %q", m["duration"])
	}

	// Tier E is marked in its row, and never called measured.
	e := r
	e.Energy = Reading{UJ: &uj, Tier: TierE, Source: "profile generic-x86-cpu", Boundary: "CPU time of this process", Band: 70}
	e.Process, e.Rates, e.Epoch = true, Rates{PUE: 1.5}, 3
	m = emissions(t, e)[0]
	if m["quality"] != "E" || m["uncertainty_pct"] != "70" || m["tracking_mode"] != "process" || m["emissions"] != "" || m["epoch"] != "3" ||
		m["energy_consumed"] != "1.5" || m["pue"] != "1.5" || m["boundary"] != "CPU time of this process, times PUE" {
		t.Errorf("%v", m)
	}
	for _, v := range m {
		if strings.Contains(strings.ToLower(v), "measured") {
			t.Errorf("tier E beside %q", v)
		}
	}

	neg := int64(-1)
	for want, bad := range map[string]Emission{
		"row 1: negative energy":    {Energy: Reading{UJ: &neg, Tier: TierB}},
		"row 1: a duration of":      {Seconds: math.NaN()},
		"row 1: -5 gCO2e per kWh":   {Rates: Rates{Intensity: &Intensity{Grams: -5}}},
		"row 1: a duration of +Inf": {Seconds: math.Inf(1)},
	} {
		if err := WriteEmissions(&strings.Builder{}, []Emission{bad}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestEmissionUnits: a card that draws 250 W for 90 s. Watts are watts
// (codecarbon#286) and the mean of the window, not its last sample (#559, #985);
// energies and what follows from them are times the PUE, as CodeCarbon's are, watts
// are the card's own.
func TestEmissionUnits(t *testing.T) {
	for _, pue := range []float64{1, 1.58} {
		uj := int64(250 * 90 * 1e6)
		r := Emission{
			Seconds: 90, Energy: Reading{UJ: &uj, Tier: TierB, Source: "nvml"}, Component: "gpu", Epoch: NoEpoch,
			Rates: Rates{PUE: pue, Intensity: &Intensity{Grams: 475}},
		}
		m := emissions(t, r)[0]
		kwh := 250 * 90 / 3.6e6 * pue
		kg := kwh * 0.475
		for col, want := range map[string]float64{
			"duration": 90, "gpu_energy": kwh, "energy_consumed": kwh, "gpu_power": 250, "emissions": kg, "emissions_rate": kg / 90, "pue": pue,
		} {
			if v, err := strconv.ParseFloat(m[col], 64); err != nil || math.Abs(v-want) > 1e-9*want {
				t.Errorf("PUE %g: %s = %q, want %g", pue, col, m[col], want)
			}
		}
		if m["cpu_energy"] != "" || m["cpu_power"] != "" { // there is none, which is not 0
			t.Errorf("%v", m)
		}
	}
}
