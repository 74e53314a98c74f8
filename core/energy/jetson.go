package energy

import (
	"fmt"
	"math"
	"math/bits"
	"path"
	"strings"
)

// Where older Jetson kernels show their rails.
const railsRoot = "/sys/bus/i2c/drivers/ina3221x"

// rail is one channel of an INA3221, the sensor of Jetson boards.
type rail struct {
	name  string
	files []string // one in mW, or one in mV and one in mA
}

// read gives µW.
func (r rail) read(files sysfs) (uint64, error) {
	v, err := readValue(files, r.files[0])
	if err != nil {
		return 0, err
	}
	if len(r.files) == 1 {
		return product(v, 1000), nil
	}
	i, err := readValue(files, r.files[1])
	return product(v, i), err
}

// product and total of readings; what does not fit is all ones, which no gauge
// takes for power.
func product(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi > 0 {
		return math.MaxUint64
	}
	return lo
}

func total(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}

// total reports whether a rail feeds the whole module, so that the others are
// parts of it: VDD_IN, POM_5V_IN.
func (r rail) total() bool {
	n := strings.ToUpper(r.name)
	return n == "VDD_IN" || strings.HasSuffix(n, "_VDD_IN") || strings.HasSuffix(n, "_5V_IN") || strings.Contains(n, "TOTAL")
}

// findRails looks for the rails of a Jetson module. The total rail stands alone;
// without one (AGX Orin) the rails are added up.
func (s *machineScan) findRails(o Options, auto bool) {
	rails := listRails(o.files)
	var use []rail
	for _, r := range rails {
		if r.total() {
			use = []rail{r}
			break
		}
		use = append(use, r)
	}
	if len(use) == 0 {
		s.status = append(s.status, Status{Name: "rails", Why: "no INA3221 is shown by this system: it is no Jetson"})
		return
	}
	read := func() (uint64, error) {
		var sum uint64
		for _, r := range use {
			v, err := r.read(o.files)
			if err != nil {
				return 0, err
			}
			sum = total(sum, v)
		}
		return sum, nil
	}
	names := make([]string, len(use))
	used := map[string]bool{}
	for i, r := range use {
		names[i], used[r.name] = r.name, true
	}
	v, err := read()
	for _, r := range rails {
		st := Status{Name: "rail " + r.name, Path: r.files[0], Mode: o.files.mode(r.files[0]), Tier: TierC}
		switch w, rerr := r.read(o.files); {
		case rerr != nil:
			st.Why, st.Tier = describe(rerr), TierNone
		case used[r.name]:
			st.OK, st.Used, st.Value = true, auto && err == nil && v > 0, fmt.Sprintf("%.2f W", float64(w)/1e6)
		default:
			st.OK, st.Value, st.Why = true, fmt.Sprintf("%.2f W", float64(w)/1e6), "not added: part of "+use[0].name
		}
		s.status = append(s.status, st)
	}
	if err != nil || v == 0 {
		return
	}
	s.rails = &input{
		gauge: &integrator{capW: o.MaxWatts, stale: int64(frozenCoarse)}, label: join(names), path: use[0].files[0], tier: TierC,
		lag: int64(powerEvery), value: v, found: o.now(), read: read,
	}
	s.source, s.boundary = "ina3221", "the rails "+join(names)+" of the module, all processes"
	if len(use) == 1 {
		s.boundary = "the whole module at its rail " + names[0] + ", all processes"
	}
}

func listRails(files sysfs) (rails []rail) {
	for _, dir := range chips(files, "ina3221") {
		for i := 1; i <= 3; i++ { // 4 to 7 are voltages across shunts
			name, err := readLine(files, fmt.Sprintf("%s/in%d_label", dir, i))
			if err != nil || name == "" || name == "NC" {
				continue
			}
			rails = append(rails, rail{name, []string{fmt.Sprintf("%s/in%d_input", dir, i), fmt.Sprintf("%s/curr%d_input", dir, i)}})
		}
	}
	if len(rails) > 0 {
		return rails
	}
	devices, _ := files.list(railsRoot)
	for _, d := range devices {
		subs, _ := files.list(path.Join(railsRoot, d))
		for _, sub := range subs {
			for i := range 3 {
				dir := path.Join(railsRoot, d, sub)
				name, err := readLine(files, fmt.Sprintf("%s/rail_name_%d", dir, i))
				if err == nil && name != "" && name != "NC" {
					rails = append(rails, rail{name, []string{fmt.Sprintf("%s/in_power%d_input", dir, i)}})
				}
			}
		}
	}
	return rails
}
