// Package hwprofiles describes machines: how fast they multiply, how much power
// they draw, and which zeros their kernels can skip. From that it predicts the
// time and energy of a list of calls without running them (Estimate), and it
// supplies the constant by which core/energy turns CPU seconds into joules on a
// machine without an energy counter.
//
// It imports nothing of ours; costs are plain numbers (Cost).
//
// # Profiles
//
// One TOML file per machine. The built-in ones are embedded; a person's own lie
// in $XDG_CONFIG_HOME/pare/hw/*.toml and win over a built-in one of the same
// name. Every figure carries its source; what nobody published is left out and
// stays nil, it is never guessed by the code (but see busy_core_w below). A figure
// we assume says so:
//
//	name = "my-box"
//	kind = "cpu"                      # or "gpu"
//	match = ["Ryzen 9 7950X"]         # regular expressions, case ignored; a GPU's are
//	                                  # matched against NVML and PCI names
//	cores = 16
//	threads = 32
//	full_w = { value = 170, source = "data sheet" } # also idle_w, tdp_w, bandwidth_gbs, memory_gb, call_us
//	busy_core_w = { value = 5, source = "own clamp meter, 2026-11-20" }
//	band_pct = { value = 30, source = "own clamp meter, 5 loads" }
//
//	[rates.f32]                       # GFLOP/s; a multiply-add is two
//	peak = { value = 2304, source = "16 cores x 4.5 GHz x 32" }
//
//	[[sparse]]
//	pattern = "block4x1"
//	kernel = true
//	efficiency = { value = 0.7, source = "pare bench" }
//	gain = "90 % zeros: a training step is 7 times as fast"
//	source = "pare bench"
//
// # What busy_core_w means
//
// The watts billed to a run for each CPU second it uses (per logical CPU, as the
// operating system counts CPU time). Real power is not proportional to load: a
// package draws more per busy CPU at low load than at full load. The constant is
// therefore the middle of the published load points and band_pct is wide enough
// to hold at least nine in ten of them; a test checks that for every profile
// that has load points. Where a profile gives none, Load and Match take a rule
// from the TDP (BusyFromTDP), else the figure of the generic profile; it is then
// marked assumed and its source says so.
//
// # What an estimate may claim
//
// Everything from here is tier E: a model, with a band, never a measurement.
// Zeros gain nothing on a profile that has no kernel for their pattern, and the
// note says so.
package hwprofiles

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Figure is one number with where it comes from. A missing figure is a nil
// *Figure: unknown, not zero.
type Figure struct {
	Value   float64 `toml:"value" json:"value"`
	Source  string  `toml:"source" json:"source"`
	Assumed bool    `toml:"assumed" json:"assumed,omitempty"` // our own guess, not a publication
}

// Rate is the arithmetic throughput for one element type in GFLOP/s (GOP/s for
// int8); a multiply-add counts as two. Peak is what the data sheet allows,
// Achievable what a good dense product was seen to reach.
type Rate struct {
	Peak       *Figure `toml:"peak" json:"peak,omitempty"`
	Achievable *Figure `toml:"achievable" json:"achievable,omitempty"`
}

// Patterns of zeros a profile can speak about, in the words of the recipe.
const (
	Element  = "element"  // unstructured
	Block4x1 = "block4x1" // blocks of 4 outputs × 1 input
	TwoFour  = "2:4"      // at most 2 non-zero in 4
	Neuron   = "neuron"   // whole rows, cut out of the tensor
	Filter   = "filter"   // whole output channels, cut out of the tensor
)

var patterns = []string{Element, Block4x1, TwoFour, Neuron, Filter}

// Sparse says what zeros of one pattern bring on the machine.
type Sparse struct {
	Pattern string `toml:"pattern" json:"pattern"`
	// Kernel: software that skips these zeros exists and is used by pare (CPU)
	// or shipped by the vendor (GPU).
	Kernel bool `toml:"kernel" json:"kernel"`
	// Efficiency is the rate on the multiply-adds that remain, as a share of the
	// dense rate. Nil: unknown, the estimate takes 1 and says so.
	Efficiency *Figure `toml:"efficiency" json:"efficiency,omitempty"`
	Gain       string  `toml:"gain" json:"gain,omitempty"` // what was seen, in words
	Source     string  `toml:"source" json:"source"`
}

// LoadCurve is a published curve of power against load.
type LoadCurve struct {
	// Points are {load in % of all logical CPUs, watts}.
	Points [][2]float64 `toml:"points" json:"points"`
	Source string       `toml:"source" json:"source"`
}

// Profile is one machine. Watts are of the boundary named in Boundary.
type Profile struct {
	Name     string   `toml:"name" json:"name"`
	Title    string   `toml:"title" json:"title,omitempty"`
	Kind     string   `toml:"kind" json:"kind"` // "cpu" or "gpu"
	Match    []string `toml:"match" json:"match,omitempty"`
	Boundary string   `toml:"boundary" json:"boundary,omitempty"` // what the watts include
	Cores    int      `toml:"cores" json:"cores,omitempty"`       // physical; 0 unknown
	Threads  int      `toml:"threads" json:"threads,omitempty"`   // logical CPUs; 0 unknown

	IdleW     *Figure `toml:"idle_w" json:"idle_w,omitempty"`
	FullW     *Figure `toml:"full_w" json:"full_w,omitempty"`           // under full arithmetic load
	TDPW      *Figure `toml:"tdp_w" json:"tdp_w,omitempty"`             // the vendor's limit
	BusyCoreW *Figure `toml:"busy_core_w" json:"busy_core_w,omitempty"` // per busy logical CPU
	BandPct   *Figure `toml:"band_pct" json:"band_pct,omitempty"`       // ± of every joule estimate

	BandwidthGBs *Figure         `toml:"bandwidth_gbs" json:"bandwidth_gbs,omitempty"` // memory, GB/s
	CallUS       *Figure         `toml:"call_us" json:"call_us,omitempty"`             // a call takes so long besides its work, µs
	MemoryGB     *Figure         `toml:"memory_gb" json:"memory_gb,omitempty"`         // size of the card's own memory, GB
	Rates        map[string]Rate `toml:"rates" json:"rates,omitempty"`                 // by element type
	RatesPerCPU  bool            `toml:"rates_per_cpu" json:"rates_per_cpu,omitempty"` // rates are of one logical CPU
	Sparse       []Sparse        `toml:"sparse" json:"sparse,omitempty"`
	Load         *LoadCurve      `toml:"load" json:"load,omitempty"`
	Notes        string          `toml:"notes" json:"notes,omitempty"`

	// Visible is the number of logical CPUs this process may use, set by Match;
	// 0 means the whole machine. Why says how the profile was chosen. File is
	// where it was read.
	Visible int    `toml:"-" json:"visible,omitempty"`
	Why     string `toml:"-" json:"why,omitempty"`
	File    string `toml:"-" json:"file,omitempty"`
}

var elements = []string{"f64", "f32", "tf32", "f16", "bf16", "fp8", "fp4", "int8"}

// Elements are the element types a profile may give rates for, widest first.
func Elements() []string { return slices.Clone(elements) }

// Own reports whether the profile is a person's own, not a built-in one.
func (p Profile) Own() bool { return !p.builtin() }

// SparseFor returns the row for a pattern and whether the profile has one.
func (p Profile) SparseFor(pattern string) (Sparse, bool) {
	for _, s := range p.Sparse {
		if s.Pattern == pattern {
			return s, true
		}
	}
	return Sparse{}, false
}

// Generic reports whether the profile stands for a class of machines.
func (p Profile) Generic() bool { return strings.HasPrefix(p.Name, "generic-") }

// LaunchesUnknown reports whether a call may take much longer than its work, and
// nobody says how much.
func (p Profile) LaunchesUnknown() bool { return p.Kind == "gpu" && p.CallUS == nil }

// CPUs is how many logical CPUs a run on this profile can keep busy; 0 when
// unknown (and for GPUs).
func (p Profile) CPUs() int {
	switch {
	case p.Kind != "cpu":
		return 0
	case p.Visible > 0 && p.Threads > 0:
		return min(p.Visible, p.Threads)
	case p.Visible > 0:
		return p.Visible
	case p.Threads > 0:
		return p.Threads
	}
	return p.Cores
}

func checkName(name string) error {
	if !nameRE.MatchString(name) {
		return fmt.Errorf("name %q: use lower-case letters, digits, '-', '.' and '_'", name)
	}
	return nil
}

// CheckOwnName says why a new profile of a person cannot have a name; nil: it can. One of
// a built-in profile's name would take its place.
func CheckOwnName(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	ps, _ := builtin()
	if i := slices.IndexFunc(ps, func(p Profile) bool { return p.Name == name }); i >= 0 {
		return fmt.Errorf("name %q is that of the built-in profile of %s: choose another", name, ps[i].Title)
	}
	return nil
}

// validate checks a profile that was just parsed.
func (p *Profile) validate() error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if p.Kind != "cpu" && p.Kind != "gpu" {
		return fmt.Errorf("kind %q: use \"cpu\" or \"gpu\"", p.Kind)
	}
	if p.Cores < 0 || p.Threads < 0 || p.Cores > 1<<20 || p.Threads > 1<<20 {
		return fmt.Errorf("cores %d, threads %d: out of range", p.Cores, p.Threads)
	}
	for _, m := range p.Match {
		if _, err := matcher(m); err != nil {
			return fmt.Errorf("match %q: %w", m, err)
		}
	}
	figs := map[string]*Figure{
		"idle_w": p.IdleW, "full_w": p.FullW, "tdp_w": p.TDPW, "busy_core_w": p.BusyCoreW,
		"band_pct": p.BandPct, "bandwidth_gbs": p.BandwidthGBs, "memory_gb": p.MemoryGB, "call_us": p.CallUS,
	}
	for _, e := range sortedKeys(p.Rates) {
		r := p.Rates[e]
		if !slices.Contains(elements, e) {
			return fmt.Errorf("rates.%s: unknown element type, use one of %s", strings.Trim(strconv.Quote(e), `"`), strings.Join(elements, ", "))
		}
		figs["rates."+e+".peak"], figs["rates."+e+".achievable"] = r.Peak, r.Achievable
	}
	for i, s := range p.Sparse {
		if !slices.Contains(patterns, s.Pattern) {
			return fmt.Errorf("sparse[%d].pattern %q: use one of %s", i, s.Pattern, strings.Join(patterns, ", "))
		}
		if prev, _ := p.SparseFor(s.Pattern); prev != p.Sparse[i] {
			return fmt.Errorf("sparse %s: two rows; keep one", s.Pattern)
		}
		if s.Source == "" {
			return fmt.Errorf("sparse %s: no source; say where it comes from", s.Pattern)
		}
		if e := s.Efficiency; e != nil && e.Value > 1 {
			return fmt.Errorf("sparse %s: efficiency %g is above 1", s.Pattern, e.Value)
		}
		figs["sparse."+s.Pattern+".efficiency"] = s.Efficiency
	}
	for _, name := range sortedKeys(figs) {
		f := figs[name]
		if f == nil {
			continue
		}
		if math.IsNaN(f.Value) || f.Value <= 0 || f.Value > 1e12 {
			return fmt.Errorf("%s = %g: give a positive number, or leave it out when it is unknown", name, f.Value)
		}
		if f.Source == "" {
			return fmt.Errorf("%s has no source; say where it comes from", name)
		}
	}
	if l := p.Load; l != nil {
		if l.Source == "" {
			return fmt.Errorf("load has no source; say where it comes from")
		}
		for i, q := range l.Points {
			if !(q[0] >= 0 && q[0] <= 100 && q[1] > 0 && q[1] < 1e6) {
				return fmt.Errorf("load.points[%d] = %v: want [load %%, watts]", i, q)
			}
		}
	}
	if p.BusyCoreW != nil && p.BandPct == nil {
		return fmt.Errorf("busy_core_w without band_pct: an estimate needs its band")
	}
	return nil
}

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func matcher(s string) (*regexp.Regexp, error) {
	if strings.TrimSpace(s) == "" {
		return nil, fmt.Errorf("empty expression would match every machine")
	}
	return regexp.Compile("(?i)" + s)
}
