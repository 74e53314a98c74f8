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
	for _, p := range ps {
		if p.Kind != "cpu" || p.Generic() || cpuModel == "" {
			continue
		}
		for _, m := range p.Match {
			if re, err := matcher(m); err == nil && re.MatchString(cpuModel) {
				p.Why = fmt.Sprintf("%q matches %q", cpuModel, m)
				if cores > 0 {
					p.Visible = cores
					if p.Threads > 0 && cores < p.Threads {
						p.Why += fmt.Sprintf("; %d of %d CPUs visible", cores, p.Threads)
					}
				}
				return p
			}
		}
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
