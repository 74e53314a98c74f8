package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"pare/core/energy/internal/nvml"
	"pare/hwprofiles"
)

// Choices of Options.Source: where the joules of the CPU come from.
const (
	SourceAuto    = "auto"    // the best one available
	SourceRAPL    = "rapl"    // RAPL or an error
	SourceLoad    = "load"    // the load curve taken on this machine, or an error
	SourceProfile = "profile" // the estimate, even where a counter exists
	SourceBattery = "battery" // the whole machine by its battery, or an error
)

// Choices of Options.GPU.
const (
	GPUAuto = "auto"       // NVML, else nvidia-smi, else hwmon; no card is no error
	GPUNone = "none"       // leave the cards out: the work runs elsewhere
	GPUNVML = "nvml"       // NVML or an error
	GPUSMI  = "nvidia-smi" // nvidia-smi or an error
)

// Options of Open. The zero value is what a run uses.
type Options struct {
	// Source is SourceAuto, SourceRAPL, SourceLoad, SourceProfile or SourceBattery; ""
	// takes what the environment variable PARE_ENERGY says, SourceAuto without it.
	Source string
	GPU    string // GPUAuto (or empty), GPUNone, GPUNVML, GPUSMI
	// Card is the UUID of the one NVIDIA card that the work runs on, "" all that CUDA
	// lets this process use.
	Card string
	// Wall is a file that a wall meter writes (see WallLog); "" takes the one named
	// by the environment variable PARE_WALL, if any. With it the figures are those of
	// the wall, the others are parts.
	Wall string
	// Survey only looks, for doctor: a wall meter that was named and cannot be read, or a
	// wrong PARE_ENERGY, is then no error, but a row of Sources with what is wrong.
	Survey bool
	// Root is where the RAPL zones are; "" takes the folder named by the environment
	// variable PARE_RAPL, DefaultRoot without it.
	Root string
	// Profile turns CPU seconds into joules where no counter is read; nil takes
	// hwprofiles.Local().
	Profile *hwprofiles.Profile
	// Period between two readings of the counters; 100 ms when 0. At least 10 ms,
	// at most 10 s.
	Period time.Duration
	// MaxWatts is what no zone, and no card that names no limit, can really draw;
	// 1000 when 0.
	MaxWatts float64
	// Stale is the time without movement after which a counter is called stale;
	// 5 s when 0.
	Stale time.Duration
	// CPU is the CPU time of what is billed so far, µs; false: unknown. nil takes this
	// process's; tests give one that follows their own clock.
	CPU func() (us int64, ok bool)

	// What tests replace.
	files  sysfs
	now    func() int64 // monotonic ns
	utc    func() time.Time
	sleep  func(time.Duration)
	env    func(string) (string, bool)
	nvml   func() (nvml.API, error)
	smi    func() (*smi, error)
	manual bool // no goroutine: readings are taken when asked for
	// threadCPU is the CPU time of the calling thread, ns: what reading takes is counted by it.
	threadCPU func() int64
}

// Status is one row of what was found, for doctor and for the log.
type Status struct {
	Name  string `json:"name"` // "rapl", "rapl package-0", "nvml GPU 0", "profile NAME"
	Path  string `json:"path,omitempty"`
	Mode  string `json:"mode,omitempty"`  // permission bits of the file
	Value string `json:"value,omitempty"` // what was read when it was found, with its unit
	Every string `json:"every,omitempty"` // how often the source itself is updated
	OK    bool   `json:"ok"`              // it can be read now
	Used  bool   `json:"used"`            // it is part of this meter's figures
	Tier  Tier   `json:"tier"`            // what it would give
	Why   string `json:"why,omitempty"`   // why not used, or what to know about it
	Fix   string `json:"fix,omitempty"`   // the exact command that would help
}

// maxParts is how many parts a meter may have that are sampled.
const maxParts = 3

// part is one sampled part of the meter. Parts are added up, except that one
// which contains the others (a wall meter, a module with its CPU) stands alone.
type part struct {
	*sampler
	name     string // "cpu", "gpu", "machine"
	source   string // "rapl", "nvml", …
	contains bool   // its boundary includes the other parts
}

// Meter reads the energy of this process's machine. All methods may be called
// from any goroutine.
type Meter struct {
	profile hwprofiles.Profile
	busyW   float64 // 0: the profile gives none
	now     func() int64
	utc     func() time.Time
	sleep   func(time.Duration)
	cpu     func() (int64, bool)
	parts   []*part  // sampled ones
	rapl    *sampler // of the CPU's part; nil: not used
	load    *sampler // the same by a load curve; nil: not used
	wall    *wallPart
	scan    raplScan
	loads   loadScan
	gpus    gpuScan
	machine machineScan
	wallRow Status
	asked   *Status // a PARE_ENERGY that a run refuses; only a survey goes on with it
	forced  bool
	// cardAlone: the work runs on a card whose counter or power is read; an estimate of the CPU beside
	// it would make an estimate of the sum, so it is left out.
	cardAlone bool
}

// Open finds the sources, takes the best and starts the sampler where there is
// a counter to read. A machine without any source is no error: Between then
// returns nil readings and Sources says why. With SourceRAPL a missing RAPL is an
// error that names the file and the fix.
func Open(o Options) (*Meter, error) {
	if o.files == nil {
		o.files = osFiles{}
		if o.nvml == nil {
			o.nvml = func() (nvml.API, error) { return nvml.Open() }
		}
		if o.smi == nil {
			o.smi = startSMI
		}
		if o.env == nil {
			o.env = os.LookupEnv
		}
	}
	if o.env == nil { // tests name what they want
		o.env = func(string) (string, bool) { return "", false }
	}
	if o.utc == nil {
		o.utc = time.Now
	}
	byEnv := false
	if o.Source == "" {
		o.Source, byEnv = o.env("PARE_ENERGY")
	}
	var asked *Status
	// refuse is the error that the source asked for gives; a survey of PARE_ENERGY keeps
	// it as a row and looks on as if nothing were asked for.
	refuse := func(err error) error {
		switch {
		case !byEnv:
			return err
		case !o.Survey:
			return fmt.Errorf("PARE_ENERGY: %w", err)
		}
		asked = &Status{
			Name: "PARE_ENERGY", Value: strconv.Quote(o.Source), Why: "a run refuses to start with it: " + err.Error(),
			Fix: "unset PARE_ENERGY, which takes the best source there is",
		}
		o.Source = SourceAuto
		return nil
	}
	switch o.Source {
	case "":
		o.Source = SourceAuto
	case SourceAuto, SourceRAPL, SourceLoad, SourceProfile, SourceBattery:
	default:
		err := refuse(fmt.Errorf("energy source %q: use %s, %s, %s, %s or %s", o.Source, SourceAuto, SourceRAPL, SourceLoad, SourceProfile, SourceBattery))
		if err != nil {
			return nil, err
		}
	}
	switch o.GPU {
	case "":
		o.GPU = GPUAuto
	case GPUAuto, GPUNone, GPUNVML, GPUSMI:
	default:
		return nil, fmt.Errorf("energy of the GPUs by %q: use %s, %s, %s or %s", o.GPU, GPUAuto, GPUNone, GPUNVML, GPUSMI)
	}
	if o.Period == 0 {
		o.Period = 100 * time.Millisecond
	}
	if o.Period < 10*time.Millisecond || o.Period > 10*time.Second {
		return nil, fmt.Errorf("energy sample period %v: use 10 ms to 10 s", o.Period)
	}
	if o.MaxWatts == 0 {
		o.MaxWatts = 1000
	}
	if !(o.MaxWatts >= 1 && o.MaxWatts <= 1e6) {
		return nil, fmt.Errorf("energy plausibility cap %g W: use 1 to 1e6", o.MaxWatts)
	}
	if o.Stale <= 0 {
		o.Stale = 5 * time.Second
	}
	if o.Root == "" {
		o.Root, _ = o.env("PARE_RAPL")
	}
	if o.Root == "" {
		o.Root = DefaultRoot
	}
	if o.now == nil {
		start := time.Now()
		o.now = func() int64 { return int64(time.Since(start)) }
	}
	if o.sleep == nil {
		o.sleep = time.Sleep
	}
	if o.CPU == nil {
		o.CPU = cpuMicros
	}
	m := &Meter{now: o.now, utc: o.utc, sleep: o.sleep, cpu: o.CPU, forced: o.Source == SourceProfile}
	if o.Profile != nil {
		m.profile = *o.Profile
	} else {
		m.profile = hwprofiles.Local()
	}
	if _, ok := o.CPU(); ok && m.profile.Kind == "cpu" && m.profile.BusyCoreW != nil && m.profile.BandPct != nil {
		m.busyW = m.profile.BusyCoreW.Value
	}
	m.scan = scanRAPL(o.files, o.Root, o.sleep)
	m.scan.at = o.now()
	var err error
	if o.Source == SourceRAPL && len(m.scan.used) == 0 {
		if err = refuse(fmt.Errorf("energy source rapl: %s", joinFix(m.scan.why, m.scan.fix))); err != nil {
			return nil, err
		}
	}
	if m.wall, m.wallRow, err = openWall(o); err != nil {
		return nil, err
	}
	if m.loads = scanLoad(o, m); o.Source == SourceLoad && m.loads.input == nil {
		if err = refuse(fmt.Errorf("energy source load: %s", joinFix(m.loads.why, m.loads.fix))); err != nil {
			return nil, err
		}
	}
	if m.machine = scanMachine(o); o.Source == SourceBattery && m.machine.battery == nil {
		if err = refuse(fmt.Errorf("energy source battery: %s", m.machine.batteryWhy())); err != nil {
			return nil, err
		}
		m.machine = scanMachine(o) // as if nothing were asked for
	}
	if m.gpus, err = scanGPUs(o); err != nil {
		return nil, err
	}
	m.asked = asked
	m.start(o)
	m.cardAlone = o.Card != "" && len(m.gpus.inputs) > 0 && !m.forced
	return m, nil
}

// start starts a sampler for each part.
func (m *Meter) start(o Options) {
	add := func(p part, boundary string, inputs []*input) *sampler {
		p.sampler = startSampler(o, boundary, inputs)
		m.parts = append(m.parts, &p)
		return p.sampler
	}
	if in := m.machine.inputs(o); len(in) > 0 {
		add(part{name: "machine", source: m.machine.source, contains: true}, m.machine.boundary, in)
	}
	switch {
	case m.forced:
	case len(m.scan.used) > 0 && o.Source != SourceLoad:
		in, boundary := raplInputs(o, m.scan.used, m.scan.at)
		m.rapl = add(part{name: "cpu", source: "rapl"}, boundary, in)
	case m.loads.input != nil && len(m.machine.inputs(o)) == 0 && !m.gpus.module:
		m.load = add(part{name: "cpu", source: m.loads.source}, m.loads.boundary, []*input{m.loads.input})
	}
	if in := m.gpus.inputs; len(in) > 0 {
		add(part{name: "gpu", source: m.gpus.source, contains: m.gpus.module}, m.gpus.boundary, in)
	}
}

// Close stops the samplers after one last reading, so that the windows open until
// now can still be read. It is safe to call twice.
func (m *Meter) Close() error {
	var errs []error
	for _, p := range m.parts {
		errs = append(errs, p.close())
	}
	err := errors.Join(errs...)
	if err == nil { // else a call may still be inside the library
		m.gpus.close()
	}
	return err
}

// Profile is the hardware profile taken for this machine.
func (m *Meter) Profile() hwprofiles.Profile { return m.profile }

func (m *Meter) noProfile() string {
	if _, ok := m.cpu(); !ok {
		return "CPU seconds of a process are not available on " + runtime.GOOS
	}
	if m.profile.Kind != "cpu" {
		return "it describes no CPU"
	}
	return "it gives no busy_core_w with a band"
}

func joinNotes(notes ...string) string {
	var s []string
	for _, n := range notes {
		if n != "" {
			s = append(s, n)
		}
	}
	return strings.Join(s, "; ")
}

// joinFix puts the way out behind what is wrong.
func joinFix(why, fix string) string {
	if fix == "" {
		return why
	}
	return why + "; fix: " + fix
}

// describe says what went wrong with a file in the words of the package.
func describe(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "vanished"
	case errors.Is(err, fs.ErrPermission):
		return "became unreadable (permission denied)"
	}
	return err.Error()
}
