package hwprofiles

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// noUser keeps a person's own profiles out of a test.
func noUser(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	return filepath.Join(dir, "pare", "hw")
}

func TestBuiltinProfiles(t *testing.T) {
	noUser(t)
	if err := Check(); err != nil {
		t.Fatal(err)
	}
	ps := List()
	want := strings.Fields(`a100-pcie-40 a100-pcie-80 a100-sxm-40 a100-sxm-80 a40 ampere-altra-dev apple-m2 apple-m3
		apple-m3-ultra apple-m4 apple-m4-gpu b200 core-ultra-7-265k epyc-8024p epyc-9654 gb10 generic-arm-cpu
		generic-x86-cpu h100-pcie h100-sxm h200-sxm jetson-agx-orin-64 jetson-orin-nano-8 jetson-orin-nano-super l4
		l40s mi300x raspberry-pi-4 raspberry-pi-5 rtx-3090 rtx-4090 rtx-5090 ryzen-9-7950x t4 v100-sxm2
		xeon-8480plus xeon-e5-2620v3`)
	var got []string
	for _, p := range ps {
		got = append(got, p.Name)
		if p.Title == "" || p.Boundary == "" {
			t.Errorf("%s: title or boundary missing", p.Name)
		}
		if p.Name != stem(strings.TrimPrefix(p.File, "built in: ")) {
			t.Errorf("%s lies in %s", p.Name, p.File)
		}
		for _, pat := range patterns {
			if _, ok := p.SparseFor(pat); !ok {
				t.Errorf("%s says nothing about %s zeros", p.Name, pat)
			}
		}
		if q, err := Load(p.Name); err != nil || p.Kind == "cpu" && (q.BusyCoreW == nil || q.BandPct == nil) {
			t.Errorf("%s: a CPU that cannot bill a run: %v", p.Name, err)
		} else if p.BusyCoreW == nil && q.BusyCoreW != nil && !q.BusyCoreW.Assumed {
			t.Errorf("%s: a figure filled in must be marked assumed", p.Name)
		}
		if p.Kind == "gpu" && (p.TDPW == nil && p.FullW == nil || p.BandPct == nil || p.BandwidthGBs == nil) {
			t.Errorf("%s: a GPU without power, band or bandwidth", p.Name)
		}
		for e, r := range p.Rates {
			if r.Peak != nil && r.Achievable != nil && r.Achievable.Value > r.Peak.Value {
				t.Errorf("%s: %s achieves more than its peak", p.Name, e)
			}
		}
		if p.IdleW != nil && p.FullW != nil && p.IdleW.Value >= p.FullW.Value {
			t.Errorf("%s: idle above full", p.Name)
		}
		if p.Generic() && p.BusyCoreW != nil && !p.BusyCoreW.Assumed {
			t.Errorf("%s: a generic figure must be marked assumed", p.Name)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// The band is honest: value ± band holds nine in ten published load points.
func TestBandHoldsLoadPoints(t *testing.T) {
	noUser(t)
	generic, err := Load("generic-x86-cpu")
	if err != nil {
		t.Fatal(err)
	}
	holds := func(p Profile, w float64) bool {
		return math.Abs(w-p.BusyCoreW.Value) <= p.BusyCoreW.Value*p.BandPct.Value/100
	}
	curves := 0
	for _, p := range List() {
		if p.Load == nil {
			continue
		}
		curves++
		in := 0
		for _, q := range p.Load.Points {
			perCPU := q[1] / (q[0] / 100 * float64(p.Threads))
			if holds(p, perCPU) {
				in++
			}
			if !holds(generic, perCPU) {
				t.Errorf("%s at %g %%: %.2f W per CPU is outside the generic band", p.Name, q[0], perCPU)
			}
		}
		if n := len(p.Load.Points); in*10 < n*9 {
			t.Errorf("%s: band holds %d of %d load points", p.Name, in, n)
		}
	}
	if curves < 2 {
		t.Fatalf("only %d load curves", curves)
	}
}

func TestMatch(t *testing.T) {
	noUser(t)
	for _, c := range []struct {
		model, arch, want, why string
		cores                  int
	}{
		{"AMD EPYC 8024P 8-Core Processor", "amd64", "epyc-8024p", "matches", 16},
		{"AMD EPYC 8024P 8-Core Processor", "amd64", "epyc-8024p", "2 of 16 CPUs visible", 2},
		{"Intel(R) Xeon(R) CPU E5-2620 v3 @ 2.40GHz", "amd64", "xeon-e5-2620v3", "matches", 24},
		{"Raspberry Pi 5 Model B Rev 1.0", "arm64", "raspberry-pi-5", "matches", 4},
		{"AMD EPYC", "amd64", "generic-x86-cpu", "assumed", 2},
		{"Apple M4", "arm64", "apple-m4", "matches", 10},
		{"Apple M4 Max", "arm64", "generic-arm-cpu", "assumed", 16},
		{"Apple M3 Ultra", "arm64", "apple-m3-ultra", "matches", 32},
		{"Apple M2", "arm64", "apple-m2", "matches", 8},
		{"AMD EPYC 9654 96-Core Processor", "amd64", "epyc-9654", "4 of 192 CPUs visible", 4},
		{"Intel(R) Xeon(R) Platinum 8480+", "amd64", "xeon-8480plus", "matches", 112},
		{"Intel(R) Xeon(R) Platinum 8480C", "amd64", "generic-x86-cpu", "assumed", 112},
		{"AMD Ryzen 9 7950X 16-Core Processor", "amd64", "ryzen-9-7950x", "matches", 32},
		{"AMD Ryzen 9 7950X3D 16-Core Processor", "amd64", "generic-x86-cpu", "assumed", 32},
		{"Intel(R) Core(TM) Ultra 7 265K", "amd64", "core-ultra-7-265k", "matches", 20},
		{"Neoverse-N1", "arm64", "generic-arm-cpu", "assumed", 80},
		{"Raspberry Pi 4 Model B Rev 1.4", "arm64", "raspberry-pi-4", "matches", 4},
		{"Raspberry Pi 3 Model B", "amd64", "generic-arm-cpu", "assumed", 4},
		{"Intel(R) Core(TM) i7-8700 CPU", "arm64", "generic-x86-cpu", "assumed", 12},
		{"", "arm64", "generic-arm-cpu", "unnamed CPU", 4},
		{"", "amd64", "generic-x86-cpu", "unnamed CPU", 0},
		{"", "riscv64", "generic-x86-cpu", "no generic profile for riscv64", 4},
		{"Charming CPU", "amd64", "generic-x86-cpu", "assumed", 4}, // "arm" inside a word
	} {
		p := match(List(), c.model, c.cores, c.arch)
		if p.Name != c.want || !strings.Contains(p.Why, c.why) {
			t.Errorf("%q on %s: got %s (%s), want %s (…%s…)", c.model, c.arch, p.Name, p.Why, c.want, c.why)
		}
		if p.Visible != c.cores {
			t.Errorf("%q: %d CPUs visible, want %d", c.model, p.Visible, c.cores)
		}
	}
	for name, want := range map[string]string{
		"Tesla V100-SXM2-16GB": "v100-sxm2", "Tesla V100-SXM2-32GB": "v100-sxm2", "Tesla T4": "t4",
		"NVIDIA A100-SXM4-40GB": "a100-sxm-40", "NVIDIA A100-SXM4-80GB": "a100-sxm-80",
		"NVIDIA A100-PCIE-40GB": "a100-pcie-40", "NVIDIA A100 80GB PCIe": "a100-pcie-80",
		"NVIDIA A40": "a40", "NVIDIA L4": "l4", "NVIDIA L40S": "l40s", "NVIDIA L40": "",
		"NVIDIA H100 PCIe": "h100-pcie", "NVIDIA H100 80GB HBM3": "h100-sxm", "GH100 [H100 SXM5 80GB]": "h100-sxm", "10de:2330": "h100-sxm",
		"NVIDIA H100 NVL": "", "NVIDIA H200": "h200-sxm", "NVIDIA H200 NVL": "", "NVIDIA B200": "b200", "AMD Instinct MI300X": "mi300x",
		"NVIDIA GeForce RTX 3090": "rtx-3090", "NVIDIA GeForce RTX 3090 Ti": "", "NVIDIA GeForce RTX 4090": "rtx-4090",
		"NVIDIA GeForce RTX 4090 D": "", "NVIDIA GeForce RTX 5090": "rtx-5090",
		"NVIDIA Jetson AGX Orin Developer Kit": "jetson-agx-orin-64", "NVIDIA Jetson Orin Nano Developer Kit": "jetson-orin-nano-8",
		"NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super": "jetson-orin-nano-super", "": "",
	} {
		if p, ok := MatchGPU(name); p.Name != want || ok != (want != "") {
			t.Errorf("%q: got %q, want %q", name, p.Name, want)
		}
	}
	if p := Match("NVIDIA H200", 4); p.Kind != "cpu" {
		t.Errorf("a GPU's name picked %s for a CPU", p.Name)
	}
	if p := Local(); p.Name == "" || p.Why == "" || p.CPUs() == 0 {
		t.Errorf("Local: %+v", p)
	}
}

func TestUserProfiles(t *testing.T) {
	dir := noUser(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("zz-box.toml", "kind='cpu'\nmatch=['EPYC 9654']\nthreads=192\n")
	write("zzz.toml", "name='zz-box'\nkind='cpu'\n")
	write("kinds.toml", "kind='cpu'\n[rates.f32.peak]\nvalue='fast'\nsource='x'\n")
	write("my-box.toml", "kind='cpu'\nmatch=['Ryzen 9 7950X']\nthreads=32\nbusy_core_w={value=5,source='clamp meter'}\nband_pct={value=30,source='clamp meter'}\n")
	write("mine.toml", "name='epyc-8024p'\nkind='cpu'\nmatch=['EPYC 8024P']\nbusy_core_w={value=3,source='own'}\nband_pct={value=10,source='own'}\n")
	write("typo.toml", "kind='cpu'\n\nbusy_cores_w={value=5,source='x'}\n")
	write("broken.toml", "kind = \n")
	write("notes.txt", "not a profile")

	if p, err := Load("my-box"); err != nil || p.BusyCoreW.Value != 5 || p.File != filepath.Join(dir, "my-box.toml") {
		t.Errorf("my-box: %+v, %v", p, err)
	}
	if p := Match("AMD Ryzen 9 7950X 16-Core Processor", 32); p.Name != "my-box" {
		t.Errorf("match: %s", p.Name)
	}
	if p, err := Load("epyc-8024p"); err != nil || p.BusyCoreW.Value != 3 {
		t.Errorf("own profile does not win: %+v, %v", p, err)
	}
	if _, err := Load("typo"); err == nil || !strings.Contains(err.Error(), `typo.toml:3: unknown field "busy_cores_w"`) {
		t.Errorf("typo: %v", err)
	}
	err := Check()
	if err == nil || !strings.Contains(err.Error(), "typo.toml") || !strings.Contains(err.Error(), "broken.toml:1") {
		t.Errorf("Check: %v", err)
	}
	if want := "kinds.toml:3: rates.f32.peak.value: is of TOML type string, want a number\n"; !strings.Contains(err.Error()+"\n", want) {
		t.Errorf("Check: %v, want …%s", err, want)
	}
	if want := `zzz.toml: name "zz-box" is taken by `; !strings.Contains(err.Error(), want) {
		t.Errorf("Check: %v, want …%s", err, want)
	}
	if p := Match("AMD EPYC 9654 96-Core Processor", 192); p.Name != "zz-box" {
		t.Errorf("a built-in profile (%s) hides a person's own", p.Name)
	}
	builtins, _ := builtin()
	if len(List()) != len(builtins)+2 {
		t.Errorf("%d profiles, want %d built in, my-box and zz-box", len(List()), len(builtins))
	}
}

func TestLoadUnknown(t *testing.T) {
	dir := noUser(t)
	for name, want := range map[string]string{
		"b9000":    "not known: `pare hw list` shows all; your own go to " + dir,
		"h100":     "did you mean h100-pcie, h100-sxm?",
		"H100-SXM": "did you mean h100-pcie, h100-sxm?",
		"a100 sxm": "did you mean a100-pcie-40, a100-pcie-80, a100-sxm-40, a100-sxm-80?",
		"":         "`pare hw list` shows all",
		"-":        "`pare hw list` shows all",
	} {
		if _, err := Load(name); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseRejects(t *testing.T) {
	for text, want := range map[string]string{
		"kind='fpga'":                                        `kind "fpga"`,
		"kind='cpu'\nfull_w={value=10}":                      "full_w has no source",
		"kind='cpu'\nfull_w={value=-1,source='x'}":           "full_w = -1",
		"kind='cpu'\nfull_w={value=0,source='x'}":            "leave it out when it is unknown",
		"kind='cpu'\nfull_w={value=nan,source='x'}":          "full_w = NaN",
		"kind='cpu'\nbusy_core_w={value=2,source='x'}":       "band",
		"kind='cpu'\nmatch=['(']":                            "match",
		"kind='cpu'\nmatch=['']":                             "every machine",
		"kind='cpu'\nname='A b'":                             "name",
		"kind='cpu'\ncores=-1":                               "cores",
		"kind='gpu'\n[rates.f33]\npeak={value=1,source='x'}": "f33",
		"kind='gpu'\n[[sparse]]\npattern='3:4'\nsource='x'":  "3:4",
		"kind='gpu'\n[[sparse]]\npattern='2:4'":              "no source",
		"kind='gpu'\n[[sparse]]\npattern='2:4'\nsource='x'\nefficiency={value=2,source='x'}":           "above 1",
		"kind='gpu'\n[[sparse]]\npattern='2:4'\nsource='x'\n[[sparse]]\npattern='2:4'\nsource='y'":     "two rows",
		"kind='cpu'\n[load]\npoints=[[50,10]]":                                                         "load has no source",
		"kind='cpu'\n[load]\nsource='x'\npoints=[[150,10]]":                                            "load.points[0]",
		"kind='cpu'\nfull_w={value=1e300,source='x'}":                                                  "full_w",
		"kind='cpu'\n[rates.f32]\npeak={value=-2,source='x'}":                                          "rates.f32.peak",
		"kind='gpu'\n[[sparse]]\npattern='2:4'\nsource='x'\nefficiency={value=0,source='y'}\nkernel=1": "",
	} {
		_, err := parse([]byte(text), "x", "x.toml")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.toml") {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
}

func TestModelFromCPUInfo(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: AMD EPYC 8024P 8-Core Processor\nflags\t\t: fpu\n":                        "AMD EPYC 8024P 8-Core Processor",
		"processor\t: 0\nBogoMIPS\t: 108.00\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n": "Raspberry Pi 5 Model B Rev 1.0",
		"Hardware\t: ODROID-N2\n": "ODROID-N2",
		"processor : 0\n":         "",
		"":                        "",
		"model name\t:\nmodel name\t: second is taken when the first is empty\n": "second is taken when the first is empty",
	} {
		if got := modelFromCPUInfo([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := modelFromDeviceTree([]byte("Raspberry Pi 5\x00")); got != "Raspberry Pi 5" {
		t.Errorf("device tree: %q", got)
	}
}

func FuzzParse(f *testing.F) {
	// Short seeds: the fuzzer spends its time on making long ones smaller.
	f.Add([]byte("kind='gpu'\n[rates.f32]\npeak={value=1,source='x'}\n"))
	f.Add([]byte("kind='cpu'\nmatch=['A.*B']\n[load]\nsource='x'\npoints=[[1,2]]\n"))
	f.Add([]byte("kind='cpu'\n[[sparse]]\npattern='2:4'\nkernel=true\nsource='x'\nefficiency={value=1,source='x'}\n"))
	f.Add([]byte("kind='cpu'\nbusy_core_w={value=1,source='x'}\nband_pct={value=1,source='x'}\nthreads=2\n[rates.f32]\npeak={value=1e-300,source='x'}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data, "fuzz", "fuzz.toml")
		if err != nil {
			if e := err.Error(); strings.Contains(e, "\n") || !strings.HasPrefix(e, "fuzz.toml:") {
				t.Fatalf("error %q", e)
			}
			return
		}
		for _, m := range p.Match {
			regexp.MustCompile("(?i)" + m)
		}
		e := p.Estimate([]Cost{{MACs: 1 << 40, Skipped: 1 << 39, Read: 1 << 30, Written: 1, Pattern: Block4x1}})
		for _, v := range []*float64{e.Seconds, e.Joules} {
			if v != nil && (math.IsNaN(*v) || *v < 0) {
				t.Fatalf("estimate %g from %q", *v, data)
			}
		}
	})
}

func FuzzCPUInfo(f *testing.F) {
	f.Add([]byte("model name\t: AMD EPYC\n"))
	f.Add([]byte("Model : x\nHardware : y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := modelFromCPUInfo(data)
		if strings.TrimSpace(m) != m || strings.ContainsAny(m, "\n") {
			t.Fatalf("model %q from %q", m, data)
		}
		if p := match(nil, m, 2, "amd64"); p.Why == "" {
			t.Fatal("no reason given")
		}
	})
}
