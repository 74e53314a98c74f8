package hwprofiles

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// armName recognises CPU names of 64-bit ARM machines, so that a name from
// another machine finds the right generic profile too.
var armName = regexp.MustCompile(`(?i)\b(arm|armv\d+\w*|aarch64|cortex|neoverse|raspberry|apple m\d+|ampere|altra|graviton\d*|snapdragon)\b`)

// Local returns the profile of the machine this process runs on.
func Local() Profile { return Match(CPUModel(), runtime.NumCPU()) }

// Match picks the CPU profile for a model name as /proc/cpuinfo gives it
// ("model name", or "Model" on a Raspberry Pi) and the number of logical CPUs
// the process may use (0: the whole machine). Without a specific profile it
// falls back to the generic one of the architecture and says so in Why.
func Match(cpuModel string, cores int) Profile {
	return match(List(), cpuModel, cores, runtime.GOARCH)
}

func match(ps []Profile, cpuModel string, cores int, goarch string) Profile {
	cpuModel = strings.TrimSpace(cpuModel)
	if p, ok := find(ps, "cpu", cpuModel); ok {
		if cores > 0 {
			p.Visible = cores
			if p.Threads > 0 && cores < p.Threads {
				p.Why += fmt.Sprintf("; %d of %d CPUs visible", cores, p.Threads)
			}
		}
		return p.billable(ps)
	}
	want, why := "generic-x86-cpu", ""
	switch {
	case armName.MatchString(cpuModel):
		want = "generic-arm-cpu"
	case cpuModel == "" && strings.HasPrefix(goarch, "arm"):
		want = "generic-arm-cpu"
	case cpuModel == "" && goarch != "amd64" && goarch != "386":
		why = fmt.Sprintf("; there is no generic profile for %s", goarch)
	}
	name := fmt.Sprintf("%q", cpuModel)
	if cpuModel == "" {
		name = "an unnamed CPU"
	}
	for _, p := range ps {
		if p.Name == want {
			p.Visible = max(cores, 0)
			p.Why = fmt.Sprintf("no profile for %s: figures of %s assumed%s", name, want, why)
			return p
		}
	}
	// Only reachable when the embedded generic profile itself is broken.
	return Profile{Name: "unknown-cpu", Kind: "cpu", Visible: max(cores, 0), Why: "no profile for " + name + " and no generic one: nothing is known"}
}

// find returns the profile of a kind whose expressions match a name; a person's
// own profiles come before the built-in ones.
func find(ps []Profile, kind, name string) (Profile, bool) {
	if name == "" {
		return Profile{}, false
	}
	for _, own := range []bool{true, false} {
		for _, p := range ps {
			if p.Kind != kind || p.Generic() || p.builtin() == own {
				continue
			}
			for _, m := range p.Match {
				if re, err := matcher(m); err == nil && re.MatchString(name) {
					p.Why = fmt.Sprintf("%q matches %q", name, m)
					return p, true
				}
			}
		}
	}
	return Profile{}, false
}

func (p Profile) builtin() bool { return strings.HasPrefix(p.File, builtinFile) }

// MatchGPU picks the GPU profile for a name as NVML ("NVIDIA H100 80GB HBM3"), the
// PCI database ("GH100 [H100 SXM5 80GB]", "10de:2330") or a device tree ("NVIDIA
// Jetson AGX Orin Developer Kit") gives it. Not ok when there is none: a GPU has
// no generic profile, because nothing is alike between a T4 and a B200.
func MatchGPU(name string) (Profile, bool) {
	return find(List(), "gpu", strings.TrimSpace(name))
}

// Busy power from the TDP: what seven published load tables (four machines, five
// folders) have in common. Per busy logical CPU their packages draw 0.34 to 2.1
// times TDP / logical CPUs from 10 % load on; 1.2 times with ±75 % holds 67 of the
// 68 rows (a test of core/energy checks it).
const (
	tdpShare = 1.2
	tdpBand  = 75
)

// BusyFromTDP is the power per busy logical CPU (W) of a machine of which only
// the TDP (W, of all its packages) and the number of logical CPUs are known, and
// its band (± %).
func BusyFromTDP(tdp float64, threads int) (w, band float64) {
	return tdpShare * tdp / float64(threads), tdpBand
}

// billable fills in the power per busy CPU of a CPU profile that gives none: by
// the rule from its TDP, else from the generic profile. Both are marked assumed.
func (p Profile) billable(ps []Profile) Profile {
	if p.Kind != "cpu" || p.BusyCoreW != nil {
		return p
	}
	if p.TDPW != nil && p.Threads > 0 {
		w, band := BusyFromTDP(p.TDPW.Value, p.Threads)
		src := fmt.Sprintf("rule: %g x TDP / logical CPUs, ±%g %% holds nine in ten rows of seven published load tables", tdpShare, band)
		p.BusyCoreW, p.BandPct = &Figure{w, src, true}, &Figure{band, src, true}
		p.Why += "; its power per busy CPU is unknown: a rule from the TDP taken"
		return p
	}
	want := "generic-x86-cpu"
	if armName.MatchString(p.Title) {
		want = "generic-arm-cpu"
	}
	for _, g := range ps {
		if g.Name == want && g.BusyCoreW != nil {
			src := "unknown for this machine; figure of " + want
			p.BusyCoreW, p.BandPct = &Figure{g.BusyCoreW.Value, src, true}, &Figure{g.BandPct.Value, src, true}
			p.Why += "; its power per busy CPU is unknown: that of " + want + " taken"
		}
	}
	return p
}

// modelFromCPUInfo finds the CPU's name in the text of /proc/cpuinfo: the first
// "model name" (x86), else the board's "Model" (Raspberry Pi), else "Hardware"
// (older ARM); empty when there is none.
func modelFromCPUInfo(data []byte) string {
	var board, hardware string
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20) // "flags" lines are long
	for sc.Scan() {
		k, v, ok := strings.Cut(sc.Text(), ":")
		if !ok {
			continue
		}
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		switch {
		case v == "":
		case k == "model name":
			return v
		case k == "Model" && board == "":
			board = v
		case k == "Hardware" && hardware == "":
			hardware = v
		}
	}
	if board != "" {
		return board
	}
	return hardware
}

// modelFromDeviceTree cleans the NUL-terminated string of a device tree.
func modelFromDeviceTree(data []byte) string {
	s, _, _ := strings.Cut(string(data), "\x00")
	return strings.TrimSpace(s)
}
