package energy

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"time"
)

// supplyRoot is where Linux shows batteries and chargers.
const supplyRoot = "/sys/class/power_supply"

// batteryLag is how old a battery's figure may be: gauges average over seconds.
const batteryLag = 5 * time.Second

// machineScan is what measures a whole machine: the rails of a Jetson module,
// or, when asked for, the battery.
type machineScan struct {
	rails, battery   *input
	source, boundary string
	status           []Status
	asked            bool // for the battery
}

func scanMachine(o Options) machineScan {
	s := machineScan{asked: o.Source == SourceBattery}
	auto := o.Source == SourceAuto
	s.findRails(o, auto)
	s.findBattery(o)
	if s.asked {
		s.source, s.boundary = "battery", "the whole machine, by its battery"
	}
	return s
}

// inputs are those that are used: the battery when it was asked for, else rails.
func (s *machineScan) inputs(o Options) []*input {
	switch {
	case s.asked && s.battery != nil:
		return []*input{s.battery}
	case o.Source == SourceAuto && s.rails != nil:
		return []*input{s.rails}
	}
	return nil
}

func (s *machineScan) batteryWhy() string {
	for _, st := range s.status {
		if st.Name == "battery" {
			return st.Why
		}
	}
	return ""
}

// findBattery looks for batteries that feed the machine. One input stands for all
// of them, as laptops with two empty one after the other.
func (s *machineScan) findBattery(o Options) {
	names, _ := o.files.list(supplyRoot)
	var dirs []string
	for _, n := range names {
		dir := supplyRoot + "/" + n
		kind, _ := readLine(o.files, dir+"/type")
		scope, _ := readLine(o.files, dir+"/scope")
		if kind == "Battery" && scope != "Device" { // a mouse has one too
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		s.status = append(s.status, Status{Name: "battery", Why: "this machine shows none below " + supplyRoot})
		return
	}
	read := func() (uint64, error) { return drain(o.files, dirs) }
	st := Status{Name: "battery", Path: dirs[0], Every: "seconds"}
	v, err := read()
	if err == nil && v == 0 {
		err = errors.New("it tells no power")
	}
	if err != nil {
		st.Why = err.Error()
		s.status = append(s.status, st)
		return
	}
	st.OK, st.Used, st.Tier, st.Value = true, s.asked, TierC, fmt.Sprintf("%.1f W", float64(v)/1e6)
	if st.Why = "the whole machine with its screen, in windows of 10 s and more"; !s.asked {
		st.Fix = "PARE_ENERGY=battery takes it"
	}
	s.status = append(s.status, st)
	s.battery = &input{
		gauge: &integrator{capW: o.MaxWatts, stale: int64(frozenCoarse)}, label: "battery", path: dirs[0], tier: TierC,
		lag: int64(batteryLag), value: v, found: o.now(), read: read,
	}
}

// drain is the power (µW) that the batteries deliver: an error unless one of them
// is discharging and none is charged, for then the mains feed the machine.
func drain(files sysfs, dirs []string) (uint64, error) {
	var sum uint64
	discharging, last := false, ""
	for _, d := range dirs {
		status, err := readLine(files, d+"/status")
		if err != nil {
			return 0, err
		}
		switch last = status; status {
		case "Discharging":
			discharging = true
		case "Charging":
			return 0, errors.New("the battery is charging: the mains feed the machine")
		default:
			continue
		}
		p, err := readMagnitude(files, d+"/power_now")
		if err != nil { // µA · µV is 10⁻⁶ µW
			i, err1 := readMagnitude(files, d+"/current_now")
			u, err2 := readMagnitude(files, d+"/voltage_now")
			if err := errors.Join(err1, err2); err != nil {
				return 0, fmt.Errorf("no power_now, current_now or voltage_now: %s", oneLine(err))
			}
			hi, lo := bits.Mul64(i, u)
			p = math.MaxUint64 // does not fit: no gauge takes it for power
			if hi < 1e6 {
				p, _ = bits.Div64(hi, lo, 1e6)
			}
		}
		sum = total(sum, p)
	}
	if !discharging {
		return 0, fmt.Errorf("the battery is not discharging (%s): the mains feed the machine", strings.ToLower(last))
	}
	return sum, nil
}

// readMagnitude reads a number whose sign differs between drivers.
func readMagnitude(files sysfs, file string) (uint64, error) {
	t, err := readLine(files, file)
	if err != nil {
		return 0, err
	}
	if t == "-1" { // of firmware that does not know
		return 0, nil
	}
	v, err := parseMicrojoules([]byte(strings.TrimPrefix(t, "-")))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

// readLine reads a short file of one line, which may hold blanks.
func readLine(files sysfs, file string) (string, error) {
	var buf [64]byte
	n, err := files.read(file, buf[:])
	return strings.TrimSpace(string(buf[:n])), err
}
