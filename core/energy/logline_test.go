package energy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func logOf(t testing.TB, lines ...LogLine) (text, last string) {
	t.Helper()
	var b bytes.Buffer
	w := NewLogWriter(&b, "brisk-heron")
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	return b.String(), w.Last()
}

// three lines: an epoch with everything known, one with nothing, the rest.
func three() []LogLine {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.FixedZone("", 3600))
	p := func(v int64) *int64 { return &v }
	i := func(v int) *int { return &v }
	f := func(v float64) *float64 { return &v }
	b, eur := TierB, "EUR"
	return []LogLine{
		{
			Stage: "baseline", Epoch: i(1), T0: at, T1: at.Add(time.Second), WallUS: 1e6, CPUUS: 2e6,
			Component: "cpu", Scope: "machine", Boundary: "CPU package, all processes", UJ: p(5e6), Source: "rapl", Tier: &b,
			Coverage: f(1), Rejected: i(0), Wraps: i(1), Resets: i(0), Band: f(1.5), PUE: f(1.2), GramsKWh: f(56), GridYear: i(2025),
			Price: f(0.21), Currency: &eur, MACs: p(100), Skipped: p(40), Samples: p(64), Acc: f(0.5), Tool: "pare 9",
		},
		{Stage: "baseline", Epoch: i(2), T0: at.Add(time.Second), T1: at.Add(2 * time.Second), WallUS: 1e6},
		{Stage: "baseline", T0: at, T1: at.Add(3 * time.Second), UJ: p(1), Tier: &b},
	}
}

// TestLogLine: every field stands in every line, null where nothing is known, in
// UTC and with whole microjoules.
func TestLogLine(t *testing.T) {
	text, last := logOf(t, three()...)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	want := []string{
		`{"run":"brisk-heron","stage":"baseline","epoch":1,"t0":"2026-11-23T09:00:00Z","t1":"2026-11-23T09:00:01Z","wall_us":1000000,"cpu_us":2000000,"component":"cpu","scope":"machine","boundary":"CPU package, all processes","uj":5000000,"source":"rapl","tier":"B","coverage":1,"rejected":0,"wraps":1,"resets":0,"uncertainty_pct":1.5,"pue":1.2,"gco2e_kwh":56,"grid_year":2025,"price_kwh":0.21,"price_unit":"EUR","macs":100,"skipped_macs":40,"samples":64,"accuracy":0.5,"tool":"pare 9","prev":"` + digest([]byte("brisk-heron")) + `"}`,
		`{"run":"brisk-heron","stage":"baseline","epoch":2,"t0":"2026-11-23T09:00:01Z","t1":"2026-11-23T09:00:02Z","wall_us":1000000,"cpu_us":0,"component":"","scope":"","boundary":"","uj":null,"source":"","tier":null,"coverage":null,"rejected":null,"wraps":null,"resets":null,"uncertainty_pct":null,"pue":null,"gco2e_kwh":null,"grid_year":null,"price_kwh":null,"price_unit":null,"macs":null,"skipped_macs":null,"samples":null,"accuracy":null,"tool":"","prev":"` + digest([]byte(lines[0])) + `"}`,
	}
	for i, w := range want {
		if lines[i] != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, lines[i], w)
		}
	}
	if !strings.Contains(lines[2], `"epoch":null`) || last != digest([]byte(lines[2])) {
		t.Errorf("last %s: %s", last, lines[2])
	}
	if err := VerifyLog(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
}

// TestVerifyLogTampered: whatever is done to a log shows at the line that does
// not fit any more.
func TestVerifyLogTampered(t *testing.T) {
	text, _ := logOf(t, three()...)
	l := strings.SplitAfter(text, "\n")
	other := strings.ReplaceAll(l[0], "brisk-heron", "calm-wren")
	for name, c := range map[string]struct{ text, want string }{
		"joules of the first":    {strings.Replace(text, `"uj":5000000`, `"uj":4000000`, 1), "line 2: it does not carry the hash of line 1"},
		"a blank":                {strings.Replace(text, `"epoch":1`, `"epoch": 1`, 1), "line 2: it does not carry"},
		"a field of the second":  {strings.Replace(text, `"epoch":2`, `"epoch":3`, 1), "line 3: it does not carry"},
		"a hash":                 {l[0] + l[1][:len(l[1])-10] + `0000000"}` + "\n" + l[2], "line 2: it does not carry"},
		"the first left out":     {l[1] + l[2], `line 1: it is not the first of run "brisk-heron"`},
		"the second left out":    {l[0] + l[2], "line 2: it does not carry"},
		"turned round":           {l[0] + l[2] + l[1], "line 2: it does not carry"},
		"one twice":              {l[0] + l[0], "line 2: it does not carry"},
		"another run":            {l[0] + strings.Replace(l[1], "brisk-heron", "calm-wren", 1), `line 2: it is of run "calm-wren"`},
		"another run's name":     {other, `line 1: it is not the first of run "calm-wren"`},
		"cut off":                {text[:len(text)-20], "line 3: it is cut off"},
		"no end of line":         {text[:len(text)-1], "line 3: it is cut off"},
		"empty":                  {"", "line 1: there is none"},
		"an empty line":          {l[0] + "\n" + l[1], "line 2: it is no record"},
		"two objects":            {l[0][:len(l[0])-1] + "{}\n", "line 1: it is no record of an energy log: text after"},
		"joules in words":        {strings.Replace(l[0], "5000000", `"many"`, 1), "line 1: it is no record"},
		"broken joules":          {strings.Replace(l[0], "5000000", `0.5`, 1), "line 1: it is no record"},
		"negative joules":        {strings.Replace(l[0], "5000000", `-5`, 1), "line 1: negative energy -5 µJ"},
		"joules without a tier":  {strings.Replace(l[0], `"tier":"B"`, `"tier":null`, 1), "line 1: joules need a tier"},
		"a tier of nothing":      {strings.Replace(l[0], `"uj":5000000`, `"uj":null`, 1), "line 1: joules need a tier"},
		"no such tier":           {strings.Replace(l[0], `"tier":"B"`, `"tier":"F"`, 1), "line 1: joules need a tier"},
		"more skipped than were": {strings.Replace(l[0], `"skipped_macs":40`, `"skipped_macs":400`, 1), "line 1: more multiply-adds skipped"},
		"backwards":              {strings.Replace(l[0], "T09:00:01Z", "T08:00:01Z", 1), "line 1: its t1 is before"},
		"too long":               {l[0] + strings.Repeat(" ", maxLogLine+1) + "\n", "line 2: it is longer than"},
	} {
		err := VerifyLog(strings.NewReader(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestLogWriterRefuses(t *testing.T) {
	inf, neg := 1/float64(zero), -1
	for name, spoil := range map[string]func(*LogLine){
		"no stage":          func(l *LogLine) { l.Stage = "" },
		"epoch 0":           func(l *LogLine) { l.Epoch = &zero },
		"wraps":             func(l *LogLine) { l.Wraps = &neg },
		"a band of ∞":       func(l *LogLine) { l.Band = &inf },
		"a PUE below 1":     func(l *LogLine) { l.PUE = l.Acc },
		"price, no unit":    func(l *LogLine) { l.Currency = nil },
		"skipped, no total": func(l *LogLine) { l.MACs = nil },
		"less than no time": func(l *LogLine) { l.CPUUS = -1 },
	} {
		var b bytes.Buffer
		l := three()[0]
		spoil(&l)
		if err := NewLogWriter(&b, "r").Write(l); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, b.String())
		}
	}
	if err := NewLogWriter(failing{}, "r").Write(three()[0]); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

var zero int

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// FuzzVerifyLog: no input makes it fail otherwise than by one line, and what it
// lets pass is a chain that was not touched since.
func FuzzVerifyLog(f *testing.F) {
	text, _ := logOf(f, three()...)
	f.Add([]byte(text))
	f.Add([]byte(text[:len(text)-1]))
	f.Add([]byte(strings.Replace(text, "5000000", "1e99", 1)))
	f.Add([]byte("{}\n{\n"))
	f.Add([]byte(strings.ToUpper(text)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := VerifyLog(bytes.NewReader(b)); err != nil {
			if s := err.Error(); !strings.HasPrefix(s, "line ") || strings.Contains(s, "\n") {
				t.Fatalf("%q", s)
			}
			return
		}
		lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
		for i, l := range lines[:len(lines)-1] {
			if next, err := parseLogLine(lines[i+1]); err != nil || next.Prev != digest(l) {
				t.Fatalf("line %d does not carry the hash of %q: %v", i+2, l, err)
			}
		}
	})
}

func TestComponentAndScope(t *testing.T) {
	for boundary, want := range map[string][2]string{
		"":                           {"", ""},
		"CPU package, all processes": {"cpu", "machine"},
		"2 CPU packages and memory, all processes":                                       {"cpu+memory", "machine"},
		"CPU time of this process":                                                       {"", "process"},
		"CPU time of this process, watts of CPU package":                                 {"cpu", "process"},
		"CPU time of this process, watts of CPU package (RAPL)":                          {"cpu", "process"},
		"CPU time of this process, watts of the whole board at the wall":                 {"machine", "process"},
		"1 NVIDIA GPU, the whole card, all processes":                                    {"gpu", "machine"},
		"1 NVIDIA GPU, the whole card with the CPU on the module, all processes":         {"mixed", "machine"},
		"CPU package, all processes + 1 GPU by hwmon, all processes":                     {"mixed", "machine"},
		"1 NVIDIA GPU, the whole card, all processes + CPU time of this process":         {"mixed", "mixed"},
		"the rails VDD_CPU + VDD_SOC of the module, all processes":                       {"machine", "machine"},
		"the whole machine, by its battery":                                              {"machine", "machine"},
		(&wallPart{path: "a + b.csv"}).boundary():                                        {"machine", "machine"},
		"CPU time of this process, watts of CPU package + 1 GPU by hwmon, all processes": {"mixed", "mixed"},
	} {
		if got := [2]string{Component(boundary), Scope(boundary)}; got != want {
			t.Errorf("%q: %q, want %q", boundary, got, want)
		}
	}
}
