// Package energy reads, estimates and adds up the energy of a run, and says of
// every joule how it is known. It owns the sources (wall meter, RAPL, NVML,
// nvidia-smi, hwmon, Jetson rails, battery, hardware profile), the samplers, and
// what is concluded from their joules. It imports hwprofiles, its own binding of
// NVML (internal/nvml, the only user of purego here), the standard library and
// gonum's special functions; it must not import the engine, the training loop or
// anything of the screen.
//
// # Use
//
//	m, err := energy.Open(energy.Options{})   // one Meter per process
//	defer m.Close()
//	a := m.Mark()
//	...                                       // an epoch
//	b := m.Mark()
//	r := m.Between(a, b)
//	fmt.Println(energy.Format(r))             // "12.4 kJ B", "≈12 kJ E ±40 %" or "–"
//
// Mark costs one or two microseconds and may be called in every step. Between is for
// the ends of epochs and stages: when the window ends after the newest sample it
// asks the sampler for a fresh one and waits for it, tens of microseconds; a source
// that hangs costs a tenth of a second, not the run.
//
// # Tiers
//
// Tier A to E says how a figure came about (Tier). Only A to C may stand beside
// the word "measured" (Tier.Measured). What was not measured is a nil UJ, printed
// "–", never zero. Energy is integer microjoules throughout; floats are for
// display only.
//
// # Parts
//
// A Meter has up to four parts: the wall meter's file, a whole machine (rails or
// battery), the CPU, the GPUs. Each sampled part has a goroutine of its own, so
// that a source that hangs takes no other with it. The figure is their sum with the
// worst of their tiers: a GPU by counter and a CPU by profile make an estimate, E.
// Reading.Parts keeps each with its tier, coverage and boundary, and the run's bill
// has each at its own tier. A part whose boundary contains the others (wall,
// machine, a module with its CPU) stands alone; they are never added to it. A part
// that is lost leaves the joules of the others, its share of the coverage goes, and
// Note says so; the coverage of a sum is that of its worst part. A window too short
// for one part has no sum.
//
// Open takes what there is. PARE_ENERGY (auto, rapl, load, profile, battery),
// PARE_WALL (a file) and PARE_RAPL (the folder of the RAPL zones, for containers) choose where
// Options do not. Options.Survey is doctor's: it only looks, and a source that a run would
// refuse is a row of Sources with what is wrong and what helps.
//
// # NVIDIA, tiers B and C
//
// For each visible card the first of these that works, and Source names it:
//
//   - "nvml": the energy counter, mJ since the driver was loaded, 64 bits wide: a
//     value that falls is a reset, never a wrap. It moves about every 100 ms;
//     windows below 200 ms are nil, and Band holds what the edges may be off;
//     where reading it is costly (4 ms of CPU time on an H100) it is read every ten to
//     twenty seconds and at edges (Meter.Edge; there for at most 1 % of a core, all cards
//     together), and instantaneous power says ten times a second when the joules in
//     between were spent: the joules stay the counter's. Where the driver notes power
//     by itself and remembers it (an H100's: 50 times a second, 2.4 s), that is
//     collected every two seconds or so instead of woken up for ten times a second:
//     there is a point every 100 ms all the same, later. A counter that moved by less
//     than power says is read again before it is believed: it may have stopped in
//     between;
//   - "nvml instantaneous power" (field 186), integrated by trapezoids at 100 ms;
//   - "nvml average power" (field 185, or nvmlDeviceGetPowerUsage on Ampere and
//     newer except GA100): 1 s averages, never mixed up with the other;
//   - "nvidia-smi instantaneous power", "… average power": one nvidia-smi for the
//     run that prints once a second, where no library can be loaded (the build tag
//     static).
//
// Zero and negative samples, sentinels and what exceeds twice the card's largest
// power limit are skipped and counted. A counter that stands still while Open
// watches gives way to power; one that stops later costs coverage.
//
// CUDA_VISIBLE_DEVICES is read as CUDA reads it. A figure is always the whole
// card's: with MIG there is none per slice, the card is read once and its boundary
// says that it is shared. Where only the module's scope answers (Grace Hopper), the
// CPU is in the figure, and none is added. Options.GPU = GPUNone leaves cards out
// when the work does not run on them.
//
// # hwmon, rails, battery, tiers B and C; wall meter, tier A
//
// amdgpu: power1_average (filtered) before power1_input, cards with a power limit
// only, as the graphics of a processor show the package. Intel cards:
// energy1_input. Jetson (INA3221): the total rail alone, or all rails where there
// is none. The battery counts while it discharges, and only when asked for: its
// gauge wants windows of 10 s and more. The wall meter's file (ReadWall) must cover
// the window without holes; while it still grows, its last power is held for up to
// two of its periods.
//
// # Idle power
//
// Meter.Idle measures the power of the idle machine, once before a run computes
// anything, tiers A to C only. It is dated and kept beside the bill; what of the
// bill is above it is a second figure, never the headline, and never subtracted in
// silence. The machine may be idle at another power on another day: it can be
// measured anew.
//
// # RAPL, tier B
//
// The Linux powercap files, read by our own reader:
//
//   - counted are package-N, package-N-die-D and dram. psys contains the
//     packages, core and uncore are parts of them: none of the three is added;
//   - a package that shows up twice, through model-specific registers
//     (intel-rapl) and through memory (intel-rapl-mmio), is counted once; so are
//     dies whose counters are mirrors of each other (Threadripper 1950X);
//   - a counter that falls has wrapped: Δ = (max_energy_range_uj − old) + new.
//     The sampler reads far more often than half the wrap time at 1000 W. Across
//     a pause longer than the wrap time at 1000 W (a stopped process, a sleeping
//     laptop) the number of wraps is unknowable: that stretch counts as not
//     covered instead of being guessed;
//   - values that mean a power above 1000 W, all-ones sentinels, values above the
//     range and text that is no number are rejected and counted. The counter is
//     cumulative, so the next good value makes up for a rejected one. Three
//     rejected values in a row that advance plausibly among themselves mean that
//     the counter was reset: it is anchored anew, the gap is not covered;
//   - a counter that does not move while Open watches it is not used; one that
//     stops for 5 s later on is called stale, and that time is not covered;
//   - a file that vanishes or becomes unreadable takes its coverage with it; the
//     rest goes on, Reading.Note, Sources and Lost say so. When it is back, what the
//     counter went on by is laid on a straight line over the gap, with the band of
//     one, so that no window gets the joules of another.
//
// RAPL sees the whole package: every process and the idle power are in the
// figure. Boundary says that.
//
// Since CVE-2020-8694 only root may read energy_uj. Open does not fall back in
// silence: Sources carries the file, its mode and the exact command. (Making the
// counters readable lets local users observe each other's power; on a shared
// machine grant it to a group instead.)
//
// # Profile, tier E
//
// Without a usable counter and without a load curve of this machine, joules are CPU
// seconds of this process times the
// profile's busy_core_w (package hwprofiles), with the profile's band. Busy power
// is constant by construction, so a saving in joules equals the saving in CPU
// seconds: print it as such, with the E, never as measured.
//
// # Load curve, tier D
//
// CalibrateLoad makes a curve of power against load from points taken on this
// machine. It is a model: its figures carry a band and are never called measured.
//
// Where no counter can be read, and the person's own profile (pare hw calibrate)
// holds such a curve, the CPU's part comes from it: each period the sampler reads
// from /proc/stat how busy all CPUs were and adds watts(load) × time. Power is not
// linear in load, so stretches are added up, never one mean load taken. Boundary: the
// whole machine's CPUs as calibrated, all processes. Ticks are 10 ms; a reading that
// comes too early to tell a load holds the last power, and the next puts that right.
// Not covered: loads outside of the curve, pauses of three seconds. A container that
// shows another number of CPUs than were calibrated gets no curve.
//
// # Last points
//
// ReadTraces reads training logs, ours or anybody's, into Traces; LastPoints says
// what share of a run's cost its last points of accuracy took, FinalStepOf the
// same for logs of levels, NextPoints forecasts the cost of the next points with
// an interval. Advice is a sentence; nothing acts on it.
//
// # Windows
//
// One goroutine for each part reads its inputs, by default every 100 ms, counters
// less often when a reading takes long (at most a thousandth of its time is spent reading) or
// when a driver notes the course of power meanwhile, of which a reading makes a point every
// 100 ms. Mark remembers the newest sample; the first point after it fixes the energy at the
// mark by linear interpolation, once and for all. So windows of any length and
// age add up exactly: Between(a, c) = Between(a, b) + Between(b, c), and no
// history is kept. Band of a counter reading is how much the power's unknown
// course within the two edge samples can matter. Windows shorter than two sample
// periods, or two of the source's own, are nil for counters; the profile bills windows down to 100 µs.
//
// # Ledger
//
// Windows are added up by stage and epoch where the events are: core's bill makes
// event.EpochCost and event.StageCost of them, and event.State.Spent is their sum.
//
// # Energy log
//
// LogWriter writes a run's windows as JSON lines (LogLine), each with the SHA-256
// of the line before; VerifyLog checks that chain and names the first line that
// breaks it.
package energy
