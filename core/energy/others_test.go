package energy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// other is a bug that users of another tool have reported, or a trap that others
// have documented, and the tests that would fail if it were here.
type other struct {
	ref   string // repository#issue, or the document
	wrong string // what went wrong there
	tests string // here, "Test" functions of this package; DIR.Test of another folder
	open  string // why there is none, or what is not covered
}

var others = []other{
	// RAPL.
	{"carbontracker: RAPL wraps", "a wrap counts as 0", "TestRAPLOneWrap TestRAPLWrapsOverADay", ""},
	{"codecarbon#309", "negative energy at a wrap", "TestRAPLOneWrap TestRAPLWrapsOverADay FuzzRAPLTree", ""},
	{"kepler#575", "a wrap is thrown away as noise", "TestRAPLOneWrap TestRAPLWrapsOverADay", ""},
	{"pyJoules: double wrap", "two wraps in a window are one, silently", "TestRAPLPauseLongerThanAWrap TestCounterWrapTwice TestSamplerAdapts", ""},
	{"codecarbon PR#950, systeminformer#2001", "platform, package, core and uncore added up, and the twin in memory-mapped registers", "TestRAPLWhichZonesCount TestRAPLSaysWhatIsNotAdded", ""},
	{"codecarbon PR#950: psys", "the platform counter is below its package, or far above", "TestRAPLWhichZonesCount TestRAPLNoneAndStandingStill", ""},
	{"kepler rapl_zone_filtering: Threadripper 1950X", "dies that mirror each other count twice", "TestRAPLWhichZonesCount", ""},
	{"procfs sysfs/class_powercap.go", "one unreadable max_energy_range_uj hides all zones", "TestRAPLUnreadableRange TestRAPLPartlyDenied", ""},
	{"kepler#1049", "0xFFFFFFFF as 4,294,967,295,000 µW", "TestRAPLImpossibleValues TestRAPLImpossibleValuesNearby TestFaultsOfSources", ""},
	{"powerstat#16", "spikes of 64,826 W", "TestRAPLImpossibleValues TestIntegratorSkipsWhatIsNoPower TestFaultsOfSources TestWallFaults", ""},
	{"codecarbon#117", "10 ms of RAPL extrapolated, 60 to 100 times too low", "TestWindowTooShortForRAPL TestBetweenProperties", ""},
	{"codecarbon#244, zeus#128, scaphandre#214", "energy_uj needs root: 0 W or a guess, and no way out", "TestRAPLPermissionDenied TestRAPLPackageDeniedMemoryReadable", ""},
	{"zeus#146, scaphandre#351", "the zones of a container are elsewhere", "TestRAPLInAContainer TestRAPLNoneAndStandingStill", ""},
	{"codecarbon#304, #493, #500, #515, #915", "RAPL is there, the TDP is used, and nobody is told", "TestRAPLPermissionDenied TestForcedProfileBesideACounter TestEmissions core.TestWithoutACounterJoulesAreCPUTime tui/plain.TestMeterIsNamed", ""},
	{"counters read late", "the joules of a gap are billed to the window in which the counter is back", "TestRAPLComesBack TestRAPLOneOfTwoComesBack", ""},
	{"CI overlap", "a saving smaller than what the meter can tell apart is called one", "core.TestSavingWithinTheBand core.TestSavingWords", ""},
	{"codecarbon#304: mid-run", "a source that is lost in the middle is replaced in silence", "TestRAPLVanishesMidRun TestGPULostMidRun TestFaultsOfSources core.TestMeterLostMidRun core.TestLossIsSaidOnce sessions.TestEmissionsAfterAnotherMeter", ""},

	// NVML.
	{"zeus: windows below 100 ms", "the counter has not moved: 0 J", "TestNVMLCounterMovesEvery100ms", ""},
	{"zeus zeus/monitor/power.py", "polled too fast, power is 0 or not supported", "TestNVMLPowerZerosAndGaps TestIntegratorSkipsWhatIsNoPower", ""},
	{"DCGM#157", "average and instantaneous power mixed up", "TestNVMLPower TestSMIAverageAndNothing", ""},
	{"go-nvml nvml.h: GA100", "nvmlDeviceGetPowerUsage is instantaneous on an A100, an average on an A40", "TestNVMLPower", ""},
	{"zeus PR#172, #242", "GH200: the GPU's scope fails, the module's contains the CPU", "TestModuleScope", ""},
	{"zeus#109, dcgm-exporter#257, #317, kepler#1198", "MIG: a crash, or the card's watts once a slice", "TestMIGCountsOnce TestVisibleDevices", ""},
	{"codecarbon#567", "CUDA_VISIBLE_DEVICES is ignored", "TestVisibleDevices TestOnlyVisibleCardsAreRead", ""},
	{"codecarbon#544", "several cards in one figure", "TestNVMLCounter sessions.TestEmissions", ""},
	{"codecarbon#1316", "a card without a counter is 0 kWh", "TestNVMLPower TestEmissions TestEmissionUnits", ""},
	{"codecarbon#1097, zeus PR#252, amdsmi#22, #38", "AMD: a second die of 0 W, counters that stand still", "TestAMDByHwmon TestNVMLStandsStill TestRAPLStale TestIntegratorFrozen TestFaultsOfSources", "amdsmi itself is not read, hwmon is"},
	{"arXiv 2312.02741", "power readings cover a part of the time: single short windows mislead", "core.TestAlternateWarmsUp TestNVMLCounterMovesEvery100ms", "needs a card: TestNVMLCounterAgainstPower, on request"},
	{"zeus zeus/profile.py: thermal", "a hot chip draws more at equal clocks", "core.TestAlternateWarmsUp", "clocks and power limits are not set here"},
	{"zeus#110, #142", "no CPU figure without a card; Intel PCM needed", "TestGPUsLeftOut TestNVMLCannotBeOpened TestNoSourceIsNil", ""},
	{"purego#132, #398", "no static binary, so no card on Alpine", "core.TestStaticBuildIsStatic TestSMIRung TestSMIProcess", ""},
	{"codecarbon#936", "several processes on one card count it twice", "TestRAPLWhichZonesCount TestNVMLCounter", "the boundary says all processes; two runs on one machine are not told of each other"},

	// Other sources.
	{"zeus zeus/device/soc/jetson.py, zeus#103", "the total rail is added to its parts, shunts to rails", "TestJetsonRails", ""},
	{"nvtop extract_gpuinfo_intel.c", "energy2, the package, is added to energy1, the card; 32 bits", "TestIntelGPUByHwmon", ""},
	{"btop: power1_input", "the raw figure before the filtered one", "TestAMDByHwmon", ""},
	{"btop: package 0", "a machine of two packages is one", "TestRAPLWhichZonesCount", ""},
	{"batteries", "read while charging; some drivers give negative currents", "TestBattery TestFaultsOfSources TestReadingsThatDoNotFit", ""},
	{"zeus zeus/device/soc/apple.py, codecarbon: powermetrics", "per-core sums instead of clusters; sudo", "", "Apple: no source of ours yet, profile only"},
	{"zeus zeus/device/cpu/emi.py", "EMI", "", "Windows: no source of ours yet, profile only"},

	// What is done with the figures.
	{"codecarbon#286", "W shown as kW", "TestEmissionUnits TestFormat TestFormatJoulesProperty", ""},
	{"codecarbon#559, #985", "cpu_power is the last sample, not the mean", "TestEmissionUnits", ""},
	{"codecarbon emissions_data.py", "columns that dashboards read; none says how a figure is known", "TestEmissions", ""},
	{"codecarbon#629, #96, #462, #569", "378 W of memory; the whole of a shared host billed to one job", "TestEmissions sessions.TestEmissions TestRAPLWhichZonesCount", "memory has no model here: it is measured or empty"},
	{"codecarbon#477", "constant power is taken for a measurement", "core.TestSavingWords core.TestWithoutACounterJoulesAreCPUTime core.TestSmallStepsByTierE sessions/report.TestEstimate tui/plain.TestEstimatedJoules", ""},
	{"carbontracker#24, #28, #40, #57", "a crash, or nothing at all, when a component is missing", "TestNoSourceIsNil TestRAPLNoneAndStandingStill TestRAPLGarbageAtOpen TestNVMLCannotBeOpened", ""},
	{"drivers that hang", "training waits for the meter", "TestSourceHangs TestNVMLHangs TestNVMLHangsAtOpen TestSMISilent TestEverySourceMayHang TestWallLostMidRun", ""},
	{"kepler#1349, #1346", "differs from the PDU, and nobody says of what it is", "TestWallMeter TestRAPLWhichZonesCount", ""},
	{"carbontracker constants.py", "a PUE of 1.58 that nobody asked for", "TestEmissions TestGridResolve", ""},
	{"kepler#1811, #1653", "the idle power is stuck, or too high", "TestIdle TestIdleUnsteady TestIdleNotMeasured core.TestIdleBeforeTheBaseline core.TestNoIdleWithoutACounter core.TestAboveIdleInWords sessions.TestIdleOnResume", ""},
	{"zeus#78, #30", "no Grafana, no view of a cluster", "sessions/metrics.TestScrape sessions/metrics.TestCountersNeverFall", ""},
}

// TestOthers: every test that the map names exists, and every row has one or says
// why not.
func TestOthers(t *testing.T) {
	root := filepath.Join("..", "..")
	in := map[string]map[string]bool{} // folder → test functions
	functions := func(dir string) map[string]bool {
		if f, done := in[dir]; done {
			return f
		}
		f := map[string]bool{}
		in[dir] = f
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Error(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, e.Name()), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					f[fn.Name.Name] = true
				}
			}
		}
		return f
	}
	seen := map[string]bool{}
	for _, o := range others {
		if seen[o.ref] || o.ref == "" || o.wrong == "" {
			t.Errorf("%q stands there twice, or says nothing", o.ref)
		}
		seen[o.ref] = true
		if o.tests == "" && o.open == "" {
			t.Errorf("%s: no test, and no reason", o.ref)
		}
		for _, name := range strings.Fields(o.tests) {
			dir, fn := "core/energy", name
			if i := strings.LastIndexByte(name, '.'); i >= 0 {
				dir, fn = name[:i], name[i+1:]
			}
			if !strings.HasPrefix(fn, "Test") && !strings.HasPrefix(fn, "Fuzz") || !functions(dir)[fn] {
				t.Errorf("%s: %s has no test %s", o.ref, dir, fn)
			}
		}
	}
}
