package energy

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// NoEpoch is the epoch of what belongs to a stage but to no epoch (loading, validation,
// export).
const NoEpoch = -1

// Emission is one row of an emissions.csv: what one stage of one run spent. Rows
// of a file do not overlap, so that their sum is the run. Everything that is not
// known is nil or empty and becomes an empty field, never a zero.
type Emission struct {
	At        time.Time // end of the row's time
	Project   string
	Run       string // the session
	Stage     string
	Epoch     int // NoEpoch: the row is not of one epoch
	Seconds   float64
	Energy    Reading  // of the row; UJ nil: not measured
	Apart     Apart    // of these joules, as far as the meter told them apart
	Component string   // "cpu" or "gpu" when all joules are of it; empty for a mixture
	Process   bool     // the joules are of this process, not of the whole machine
	Coverage  *float64 // 0 to 1; nil unknown
	Rates     Rates    // of the grid
	OS        string
	CPUs      int // logical; 0 unknown
	CPUModel  string
	GPUs      int
	GPUModel  string
	Tool      string // name and version of the writer
}

// EmissionColumns are the columns in order: CodeCarbon's 38 (mlco2/codecarbon
// codecarbon/output_methods/emissions_data.py, v3), then ours, which say how a
// figure is known. Units are CodeCarbon's: duration s, emissions kg CO2eq,
// emissions_rate kg/s, powers W (means), energies kWh, water L, memory GB. As in
// CodeCarbon, energies and emissions include the PUE, powers do not. Ours: coverage 0 to 1,
// uncertainty_pct ± %.
var EmissionColumns = []string{
	"timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate",
	"cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed", "water_consumed",
	"country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version",
	"cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude", "ram_total_size", "tracking_mode",
	"cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
	// ours
	"source", "quality", "boundary", "coverage", "uncertainty_pct", "stage", "epoch",
}

// codeCarbonColumns is how many of EmissionColumns are CodeCarbon's.
const codeCarbonColumns = 38

const ujPerKWh = 3.6e12

// WriteEmissions writes the rows as CSV with a header. A figure of tier D or E
// stands with its letter in the column quality and its source; a row whose energy
// has no known tier has no energy.
func WriteEmissions(w io.Writer, rows []Emission) error {
	c := csv.NewWriter(w)
	if err := c.Write(EmissionColumns); err != nil {
		return fmt.Errorf("emissions: %w", err)
	}
	for i, r := range rows {
		f, err := r.fields()
		if err != nil {
			return fmt.Errorf("emissions: row %d: %w", i+1, err)
		}
		line := make([]string, len(EmissionColumns))
		for k, name := range EmissionColumns {
			line[k] = f[name]
		}
		if err := c.Write(line); err != nil {
			return fmt.Errorf("emissions: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("emissions: %w", err)
	}
	return nil
}

// fields of a row by column; absent is empty.
func (r Emission) fields() (map[string]string, error) {
	if r.Seconds < 0 || math.IsNaN(r.Seconds) || math.IsInf(r.Seconds, 0) {
		return nil, fmt.Errorf("a duration of %g s", r.Seconds)
	}
	grid := r.Rates
	if i := grid.Intensity; i != nil && !(i.Grams >= 0 && i.Grams < 1e5) {
		return nil, fmt.Errorf("%g gCO2e per kWh", i.Grams)
	}
	pue := math.Max(1, grid.PUE)
	f := map[string]string{
		"timestamp": r.At.UTC().Format("2006-01-02T15:04:05"), "project_name": r.Project, "run_id": r.Run, "duration": num(r.Seconds),
		"country_name": grid.CountryName, "country_iso_code": grid.Country, "region": grid.Place, "cloud_provider": grid.Provider, "cloud_region": grid.Region, "os": r.OS, "codecarbon_version": r.Tool, "cpu_model": r.CPUModel, "gpu_model": r.GPUModel,
		"tracking_mode": "machine", "pue": num(pue), "stage": r.Stage,
	}
	if grid.Provider != "" {
		f["on_cloud"] = "Y" // N only where somebody had said so
	}
	if r.Process {
		f["tracking_mode"] = "process"
	}
	if r.CPUs > 0 {
		f["cpu_count"] = strconv.Itoa(r.CPUs)
	}
	if r.GPUs > 0 {
		f["gpu_count"] = strconv.Itoa(r.GPUs)
	}
	if r.Epoch != NoEpoch {
		f["epoch"] = strconv.Itoa(r.Epoch)
	}
	e := r.Energy
	if e.UJ == nil || !e.Tier.Known() {
		return f, nil // not measured: no energy, no source, no tier
	}
	if *e.UJ < 0 {
		return nil, fmt.Errorf("negative energy %d µJ", *e.UJ)
	}
	kwh := float64(*e.UJ) / ujPerKWh * pue
	f["energy_consumed"] = num(kwh)
	f["source"], f["quality"], f["boundary"] = e.Source, string(e.Tier), e.Boundary
	if pue > 1 {
		f["boundary"] += ", times PUE"
	}
	if e.Band > 0 {
		f["uncertainty_pct"] = num(e.Band)
	}
	if r.Coverage != nil {
		f["coverage"] = num(*r.Coverage)
	}
	by := map[string]*int64{"cpu": r.Apart.CPU, "gpu": r.Apart.GPU, "ram": r.Apart.Memory}
	if (r.Component == "cpu" || r.Component == "gpu") && r.Apart == (Apart{}) {
		by[r.Component] = e.UJ
	}
	for name, uj := range by {
		switch {
		case uj == nil:
			continue
		case *uj < 0 || *uj > *e.UJ:
			return nil, fmt.Errorf("%d µJ of %s in a row of %d", *uj, name, *e.UJ)
		}
		f[name+"_energy"] = num(float64(*uj) / ujPerKWh * pue)
		if r.Seconds > 0 {
			f[name+"_power"] = num(float64(*uj) / 1e6 / r.Seconds) // the mean, by definition; of the component itself
		}
	}
	if grid.Intensity != nil {
		kg := kwh * grid.Intensity.Grams / 1000
		f["emissions"] = num(kg)
		if r.Seconds > 0 {
			f["emissions_rate"] = num(kg / r.Seconds)
		}
	}
	return f, nil
}

// num prints ten significant digits without an exponent for ordinary sizes.
func num(v float64) string { return strconv.FormatFloat(v, 'g', 10, 64) }
