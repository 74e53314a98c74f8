package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// DefaultRoot is where Linux shows the RAPL zones.
const DefaultRoot = "/sys/class/powercap"

// zone is one RAPL zone: a folder with name, energy_uj and max_energy_range_uj.
type zone struct {
	dir     string // path of the folder
	control string // "intel-rapl" (registers), "intel-rapl-mmio", …
	label   string // contents of name: "package-0", "dram", …
	key     string // what it counts; equal for twins: "package-0", "package-0/dram"
	max     uint64 // range, 0 = unknown
	pkg     bool   // a package or die

	value uint64 // last value read while probing
	moved bool
	err   error

	status Status
}

func (z *zone) file() string { return z.dir + "/energy_uj" }

var (
	zoneDir  = regexp.MustCompile(`^(intel-rapl[a-z0-9-]*):[0-9]+(:[0-9]+)*$`)
	pkgLabel = regexp.MustCompile(`^package-[0-9]+(-die-[0-9]+)?$`)
)

// raplValue is what a zone's counter stands at, and where it wraps.
func raplValue(z *zone) string {
	s := fmt.Sprintf("%.3f kJ", float64(z.value)/1e9)
	if z.max > 0 {
		s += fmt.Sprintf(" of %.1f", float64(z.max)/1e9)
	}
	return s
}

// raplScan is the outcome of looking for RAPL below a root.
type raplScan struct {
	used    []*zone
	at      int64    // ns: when they were last read
	status  []Status // one row per zone found
	why     string   // when nothing is used: the reason …
	fix     string   // … and the way out
	partial string   // when something that belongs to the sum is missing
}

// scanRAPL finds the zones below root, decides which of them make up the energy
// of the CPUs and their memory, and watches them move for a moment.
func scanRAPL(files sysfs, root string, sleep func(time.Duration)) raplScan {
	var sc raplScan
	zones, err := findZones(files, root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		sc.why = root + " does not exist: a virtual machine, a container, or a kernel without powercap"
		sc.fix = "on bare metal: sudo modprobe intel_rapl_msr; in a container: " + containerFix
		if runtime.GOOS != "linux" {
			sc.why, sc.fix = root+" does not exist: RAPL is read on Linux only", ""
		}
		return sc
	case err != nil:
		sc.why = fmt.Sprintf("%s cannot be listed: %v", root, err)
		return sc
	case len(zones) == 0:
		sc.why = root + " holds no RAPL zone"
		sc.fix = "on bare metal: sudo modprobe intel_rapl_msr; a container may hide the zones: " + containerFix
		return sc
	}
	var want []*zone // in order of preference within a key
	for _, z := range zones {
		z.status = Status{Name: "rapl " + z.label, Path: z.file(), Mode: files.mode(z.file())}
		switch {
		case z.err != nil:
			z.status.Why = z.err.Error()
		case z.key == "":
			z.status.Why = notAdded(z.label)
		default:
			want = append(want, z)
		}
	}
	probe(files, want, sleep)
	seen := map[string]*zone{}
	var denied, missing []string
	for _, z := range want {
		first := seen[z.key]
		switch {
		case first != nil && first.err == nil:
			z.status.Why = fmt.Sprintf("the same counter as %s, counted once", first.dir)
			continue
		case z.err != nil:
			z.status.Why = z.err.Error()
			if errors.Is(z.err, fs.ErrPermission) {
				denied = append(denied, z.file())
				z.status.Why = fmt.Sprintf("permission denied (mode %s; only root may read it since CVE-2020-8694)", z.status.Mode)
				z.status.Fix = permissionFix(z.file())
			}
			if first == nil {
				seen[z.key] = z
			}
			continue
		}
		seen[z.key] = z
		z.status.OK, z.status.Tier = true, TierB
		if z.max == 0 {
			z.status.Why = "max_energy_range_uj is unreadable: a wrap costs coverage"
		}
	}
	for _, k := range sortedZoneKeys(seen) {
		if z := seen[k]; z.err == nil {
			sc.used = append(sc.used, z)
		} else {
			missing = append(missing, k)
		}
	}
	if !slices.ContainsFunc(sc.used, func(z *zone) bool { return z.pkg }) {
		// Memory alone is no energy of a run.
		for _, z := range sc.used {
			z.status.OK, z.status.Why = false, "memory alone is not used: no package counter"
		}
		sc.used = nil
		sc.why = "no package counter is usable: " + firstTrouble(zones)
		if len(denied) > 0 {
			sc.why, sc.fix = root+": permission denied on energy_uj (only root may read it since CVE-2020-8694)", permissionFix(denied...)
		}
	} else if len(missing) > 0 {
		sc.partial = "not counted: " + strings.Join(missing, ", ")
		if len(denied) > 0 {
			sc.fix = permissionFix(denied...)
		}
	}
	for _, z := range zones {
		z.status.Used = slices.Contains(sc.used, z)
		if z.moved { // what was seen of it, whatever it counts for
			z.status.Value, z.status.Every = raplValue(z), "1ms or so"
		}
		sc.status = append(sc.status, z.status)
	}
	return sc
}

// raplInputs are the zones as inputs of a sampler, and what they include.
func raplInputs(o Options, zones []*zone, found int64) ([]*input, string) {
	packages, memory := 0, false
	var inputs []*input
	for _, z := range zones {
		file := z.file()
		inputs = append(inputs, &input{
			gauge: &counter{max: z.max, capW: o.MaxWatts, stale: int64(o.Stale)},
			label: z.label, path: file, tier: TierB, ram: !z.pkg, value: z.value, found: found,
			read: func() (uint64, error) { return readValue(o.files, file) },
		})
		if z.pkg {
			packages++
		} else {
			memory = true
		}
	}
	boundary := "CPU package"
	if packages > 1 {
		boundary = fmt.Sprintf("%d CPU packages", packages)
	}
	if memory {
		boundary += " and memory"
	}
	return inputs, boundary + ", all processes"
}

// containerFix shows the host's zones to a container: runtimes mask them in their
// usual place.
const containerFix = "start it with -v /sys/devices/virtual/powercap:/powercap:ro -e PARE_RAPL=/powercap"

func firstTrouble(zones []*zone) string {
	for _, z := range zones {
		if z.pkg && z.status.Why != "" {
			return z.label + ": " + z.status.Why
		}
	}
	return "there is none"
}

func sortedZoneKeys(m map[string]*zone) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// permissionFix is the command that makes the files readable until the next
// boot, and the one that does so for good.
func permissionFix(files ...string) string {
	return "sudo chmod a+r " + strings.Join(files, " ") + `   (until the next boot; for good: echo 'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*:*", RUN+="/bin/chmod a+r /sys%p/energy_uj"' | sudo tee /etc/udev/rules.d/70-pare-rapl.rules && sudo udevadm control --reload && sudo udevadm trigger --action=add --subsystem-match=powercap)`
}

func notAdded(label string) string {
	switch label {
	case "psys":
		return "not added: the platform contains the packages"
	case "core", "uncore":
		return "not added: part of its package"
	}
	return fmt.Sprintf("not added: %q is not a zone we know", label)
}

// findZones lists the zones below root, registers before memory-mapped twins,
// and fills in what does not change: label, range, key.
func findZones(files sysfs, root string) ([]*zone, error) {
	dirs := map[string]string{} // folder name → path; both the flat and the nested view show it
	if err := walkZones(files, root, 0, dirs); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(dirs))
	for n := range dirs {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		am, bm := strings.HasPrefix(a, "intel-rapl:"), strings.HasPrefix(b, "intel-rapl:")
		if am != bm { // registers first
			if am {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	zones := make([]*zone, 0, len(names))
	labels := map[string]string{}
	for _, n := range names {
		z := &zone{dir: dirs[n], control: zoneDir.FindStringSubmatch(n)[1]}
		label, err := readLabel(files, z.dir+"/name")
		if err != nil {
			z.label, z.err = n, fmt.Errorf("name: %w", err)
		} else {
			z.label, labels[n] = label, label
		}
		if v, err := readValue(files, z.dir+"/max_energy_range_uj"); err == nil {
			z.max = v
		}
		zones = append(zones, z)
	}
	for i, z := range zones {
		if z.err != nil {
			continue
		}
		switch {
		case pkgLabel.MatchString(z.label):
			z.key, z.pkg = z.label, true
		case z.label == "dram":
			parent := names[i][:strings.LastIndexByte(names[i], ':')]
			if l := labels[parent]; l != "" {
				parent = l
			} else { // still equal for twins
				parent = strings.TrimPrefix(parent, z.control)
			}
			z.key = parent + "/dram"
		}
	}
	return zones, nil
}

func walkZones(files sysfs, dir string, depth int, found map[string]string) error {
	names, err := files.list(dir)
	if err != nil {
		return err
	}
	for _, n := range names { // the flat view first: its paths are the ones people know
		if _, twice := found[n]; !twice && zoneDir.MatchString(n) {
			found[n] = path.Join(dir, n)
		}
	}
	for _, n := range names {
		if depth < 3 && strings.HasPrefix(n, "intel-rapl") {
			// What cannot be listed shows up as zones without a name, or not at all.
			_ = walkZones(files, path.Join(dir, n), depth+1, found)
		}
	}
	return nil
}

// readValue reads one number file.
func readValue(files sysfs, file string) (uint64, error) {
	var buf [64]byte
	n, err := files.read(file, buf[:])
	if err != nil {
		return 0, err
	}
	v, err := parseMicrojoules(buf[:n])
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

func readLabel(files sysfs, file string) (string, error) {
	var buf [64]byte
	n, err := files.read(file, buf[:])
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(buf[:n]))
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: %q is no zone name", file, s)
	}
	return s, nil
}
