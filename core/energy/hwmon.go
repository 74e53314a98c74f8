package energy

import (
	"errors"
	"fmt"
	"path"
	"strconv"
)

// hwmonRoot is where Linux shows its sensors.
const hwmonRoot = "/sys/class/hwmon"

// hwmonScan are the graphics cards that hwmon shows.
type hwmonScan struct {
	inputs   []*input
	boundary string
	status   []Status
}

// chips are the hwmon folders by the name of their driver.
func chips(files sysfs, names ...string) (dirs []string) {
	all, _ := files.list(hwmonRoot)
	for _, d := range all {
		dir := path.Join(hwmonRoot, d)
		label, err := readLabel(files, dir+"/name")
		for _, n := range names {
			if err == nil && label == n {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// scanHwmonGPUs looks for AMD cards (power in µW, the filtered figure before the
// raw one) and Intel cards (an energy counter in µJ of the whole card).
func scanHwmonGPUs(o Options) hwmonScan {
	var s hwmonScan
	for i, dir := range chips(o.files, "amdgpu", "i915", "xe") {
		st := Status{Name: fmt.Sprintf("hwmon GPU %d", i), Path: dir}
		in, err := hwmonGPU(o, dir, &st)
		if err != nil {
			st.Why = joinNotes(st.Why, err.Error())
		} else {
			in.label = st.Name
			st.OK, st.Used, st.Tier, st.Path = true, true, in.tier, in.path
			s.inputs = append(s.inputs, in)
		}
		st.Mode = o.files.mode(st.Path)
		s.status = append(s.status, st)
	}
	if len(s.status) == 0 {
		s.status = []Status{{Name: "hwmon", Why: "no AMD or Intel card below " + hwmonRoot}}
	}
	s.boundary = fmt.Sprintf("%d GPU by hwmon, all processes", len(s.inputs))
	return s
}

func hwmonGPU(o Options, dir string, st *Status) (*input, error) {
	st.Why, _ = readLabel(o.files, dir+"/name")
	limit := overLimit * o.MaxWatts
	max, err := readValue(o.files, dir+"/power1_cap_max")
	if err == nil && max > 0 {
		limit = overLimit * float64(max) / 1e6
	}
	in := &input{lag: int64(powerEvery)}
	if st.Why != "amdgpu" {
		in.path, in.tier = dir+"/energy1_input", TierB
		in.gauge = &counter{wide: true, capW: limit, slack: int64(nvmlUpdate), stale: int64(o.Stale)}
	} else {
		if err != nil {
			return nil, errors.New("no power limit: the graphics of a processor, whose figure is the package's")
		}
		in.path, in.tier = dir+"/power1_average", TierC
		if _, err := readValue(o.files, in.path); err != nil {
			in.path = dir + "/power1_input"
		}
		in.gauge = &integrator{capW: limit, stale: int64(frozenCoarse)}
	}
	in.read = func() (uint64, error) { return readValue(o.files, in.path) }
	if in.value, err = in.read(); err != nil {
		return nil, fmt.Errorf("no figure: %s", describe(err))
	}
	if in.value == 0 {
		return nil, errors.New("it reads 0: the second die of a board, asleep, or without a sensor")
	}
	if st.Value = strconv.FormatUint(in.value, 10) + " µJ"; in.tier == TierC {
		st.Value = fmt.Sprintf("%.1f W", float64(in.value)/1e6)
		st.Why = joinNotes(st.Why, path.Base(in.path))
	}
	return in, nil
}
