package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"pare/core"
	"pare/core/event"
)

// wellFormed reads a page as XML, so every tag is closed and every attribute
// quoted, and returns the text a person can read, tooltips included.
func wellFormed(page string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(page))
	var b strings.Builder
	style := false
	for {
		t, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch x := t.(type) {
		case xml.StartElement:
			style = x.Name.Local == "style"
			switch x.Name.Local {
			case "span", "b", "i", "code", "text", "tspan":
			default:
				b.WriteString("\n")
			}
			for _, a := range x.Attr {
				switch name := strings.ToLower(a.Name.Local); {
				case name == "src", name == "href", name == "srcset", name == "action", strings.HasPrefix(name, "on"):
					return "", fmt.Errorf("attribute %s=%q", name, a.Value)
				case name == "aria-label", name == "title":
					b.WriteString("\n" + a.Value + "\n")
				}
			}
			switch x.Name.Local {
			case "script", "iframe", "img", "object", "embed", "link", "base", "form", "foreignObject", "use", "image":
				return "", fmt.Errorf("element %s", x.Name.Local)
			}
		case xml.EndElement:
			style = false
		case xml.CharData:
			if !style {
				b.Write(x)
			}
		}
	}
}

// TestPages: every page is well formed, calls on nothing outside itself and
// shows what it is about.
func TestPages(t *testing.T) {
	for name, st := range cases() {
		page := render(t, st, recipe)
		text, err := wellFormed(page)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, outside := range []string{"http:", "https:", "//", "url(", "@import", "<script", "data:"} {
			if i := strings.Index(strings.Replace(page, recipe, "", 1), outside); i >= 0 {
				t.Errorf("%s: %q in the page: …%.80s", name, outside, page[max(i-40, 0):])
			}
		}
		for _, word := range []string{"ratio", "compression", "NaN", "Inf", "%!", "<no value>", "<nil>"} {
			if regexp.MustCompile(`\b` + regexp.QuoteMeta(word)).MatchString(text) {
				t.Errorf("%s: %q on the page", name, word)
			}
		}
	}
}

// TestFinished: what a reader of a finished run must find.
func TestFinished(t *testing.T) {
	text, err := wellFormed(render(t, &whole("B", 0).st, recipe))
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\u00a0", " "), "\u2060", "")
	for _, want := range []string{
		"lenet-300-100 on fashion-mnist", "brisk-heron", "23 November 2026, 14:05 UTC", "PASS", "88.3 % against a floor of 86.6 % (difference −0.3 pt, 95 %: −0.7 to +0.1",
		"88.6 % (88.0–89.2)", "266,610", "27,030", "122 kB", "1.82 ms ±2 %", "21.0 mJ B", "5.90 mJ B", "−72 % (±1)", // ledger
		"dense 88.9 %", "floor 86.9 %", "Energy per epoch, J", "tier B, hardware counter", "dense 4.92 J B", "epoch 1, step 234: 372 ms CPU, 4.24 J B", "step 1,638: 87.9 % (86.8–88.9), 76.3 % zeros", // charts
		"The last 2 points cost 54 % of the baseline's joules.",
		"300×784", "91.3 %", "4.5× less CPU time", "no gain here: 5 % zeros are too few",
		"T-shirt/top (1,000)", "84.2 %", "Shirt lost most: 13 of 1,000 fewer right.",
		"lenet-300-100.packed.safetensors", "121,950 bytes", "1f0d0d", "1.9×10⁻⁶ over 64 samples",
		"CPU package + DRAM", "rapl", "this run",
		"81.4 J B", "17.8 s", "200 J B", // bills and their sum
		"target set to 90.0 % zeros, by a person", "the last of 40 changes of a layer's mask", "the disk is 94 % full", "What to do: free some space",
		"pattern = 'block4x1'", "avx512", "2 threads", "AMD EPYC 9R14", "5c1e0f7ab2d94e33", "d41d8cd98f00b204e9800998ecf8427e",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Contains(text, "missing") {
		t.Error("a finished run misses something")
	}
}

// TestUnfinished: how far it came, what is missing, and no verdict.
func TestUnfinished(t *testing.T) {
	failed := start("B", 0).configured()
	failed.tell(&event.Failure{Text: "the disk is full", Fix: "free some space, then resume"})
	diverged := start("B", 0).configured().sparsified(3)
	diverged.tell(&event.Diverged{Stage: event.Sparsify, Step: 703, Loss: "NaN", Back: "step"}, &event.Paused{Stage: event.Sparsify, Step: 702, Why: "diverged"})
	resumed := start("B", 0).configured().sparsified(5)
	resumed.tell(&event.Resumed{Checkpoint: "step", Stage: event.Sparsify, Step: 3 * perEpoch, Why: "crash"})
	for _, c := range []struct {
		name string
		st   *event.State
		want []string
		not  []string
	}{
		{"empty", &event.State{}, []string{"NOT FINISHED", "The log is empty", "the dense accuracy", "The recipe is not known", "Nothing to draw yet: stage 3, sparsify, has not begun"}, []string{"PASS", "Ledger"}},
		{"started", &start("B", 0).st, []string{"stage 1, baseline: epoch 15 of 15", "zeros: nothing has been pared yet"}, []string{"the dense accuracy:"}},
		{"configured", &start("B", 0).configured().st, []string{"Ledger, predicted", "nothing of this has been run", "stage 2, configure."}, []string{"measured in"}},
		{"sparsifying", &start("E", 40).configured().sparsified(7).st, []string{"epoch 7 of 20, step 1,638 of 4,680", "the verdict: the test set has not been looked at", "too few zeros", "its SHA-256"}, []string{"zeros: nothing has been pared yet"}},
		{"validated", &start("B", 0).configured().sparsified(20).validated().st, []string{"PASS", "What is missing", "exported files"}, []string{"NOT FINISHED"}},
		{"failed", &failed.st, []string{"NOT FINISHED", "It failed.", "the disk is full", "What to do: free some space, then resume"}, nil},
		{"diverged", &diverged.st, []string{"It is paused: the loss became NaN: back at step.", "the loss became NaN; back to checkpoint step"}, nil},
		{"resumed", &resumed.st, []string{"resumed from a checkpoint once. What the lost steps cost stays billed."}, nil},
	} {
		r := recipe
		if c.name == "empty" {
			r = ""
		}
		text, err := wellFormed(render(t, c.st, r))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		text = strings.ReplaceAll(text, "\u00a0", " ")
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not on the page", c.name, w)
			}
		}
		for _, w := range c.not {
			if strings.Contains(text, w) {
				t.Errorf("%s: %q is on the page", c.name, w)
			}
		}
	}
}

// hostile are names as an attacker or a bad file would give them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</style><script>`, `</title></svg><iframe src="https://evil.example">`, `' onmouseover='x`,
	"]]>", "<!--", "--><b>", "{{.Title}}", "\x00\x1b[31mred\x07", "\xff\xfe", "\u202eevil\u2066", "\ufffe", `javascript:alert(1)`, "&lt;b&gt;&#60;", "a\u2028b", `\"><svg onload=x>`, strings.Repeat("x", 100000), "",
}

// poison puts drawn strings and numbers into every field of a value.
func poison(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.OneOf(rapid.Int64Range(-3, 9), rapid.Int64()).Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.OneOf(rapid.Float64Range(-1, 2), rapid.Float64(), rapid.SampledFrom([]float64{0, math.MaxFloat64, 5e-324})).Draw(t, "float"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.String:
		v.SetString(rapid.SampledFrom(hostile).Draw(t, "string"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			poison(t, v.Elem())
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, "len")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			poison(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				poison(t, f)
			}
		}
	}
}

var bodies = []func() event.Body{
	func() event.Body { return new(event.Started) }, func() event.Body { return new(event.Model) }, func() event.Body { return new(event.Plan) }, func() event.Body { return new(event.StageChange) },
	func() event.Body { return new(event.Metric) }, func() event.Body { return new(event.Eval) }, func() event.Body { return new(event.EpochCost) }, func() event.Body { return new(event.StageCost) },
	func() event.Body { return new(event.Mask) }, func() event.Body { return new(event.Rewrite) }, func() event.Body { return new(event.Checkpoint) }, func() event.Body { return new(event.Decision) },
	func() event.Body { return new(event.Floor) }, func() event.Body { return new(event.Ledger) }, func() event.Body { return new(event.Verdict) }, func() event.Body { return new(event.Export) },
	func() event.Body { return new(event.LayerVerdicts) }, func() event.Body { return new(event.LastPoints) }, func() event.Body { return new(event.Warning) }, func() event.Body { return new(event.Failure) },
	func() event.Body { return new(event.Diverged) }, func() event.Body { return new(event.Paused) }, func() event.Body { return new(event.Resumed) }, func() event.Body { return new(event.Done) },
}

// TestHostile: whatever a log says, the page stays well formed, calls on
// nothing, and runs nothing.
func TestHostile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := start("B", 0).configured().sparsified(2).validated().deployed()
		for range rapid.IntRange(1, 25).Draw(t, "n") {
			b := rapid.SampledFrom(bodies).Draw(t, "kind")()
			poison(t, reflect.ValueOf(b).Elem())
			s.tell(b)
		}
		var b strings.Builder
		if err := Write(&b, &s.st, strings.Join(hostile, "\n")); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(b.String()) || strings.ContainsAny(b.String(), "\x00\x1b\x07\u202e\u2066") {
			t.Fatal("control characters on the page")
		}
		if _, err := wellFormed(b.String()); err != nil {
			t.Fatal(err)
		}
	})
}

// figure is a number with a unit of energy, and what follows it.
var figure = regexp.MustCompile(`[0-9]\s*[µmkMG]?J\b(.{0,3})`)

// TestTier: no joule stands on the page without its tier.
func TestTier(t *testing.T) {
	tiers := []string{"A", "B", "C", "D", "E", "", "Z", "b"}
	rapid.Check(t, func(t *rapid.T) {
		s := start(rapid.SampledFrom([]string{"A", "B", "C", "D", "E", ""}).Draw(t, "tier"), rapid.SampledFrom([]float64{0, 3, 40}).Draw(t, "band"))
		s.configured().sparsified(2).validated().deployed()
		joules := func(label string) event.Joules {
			j := event.Joules{Tier: rapid.SampledFrom(tiers).Draw(t, label+" tier"), Band: rapid.Float64Range(0, 60).Draw(t, label+" band"), Source: "meter"}
			if rapid.Bool().Draw(t, label+" known") {
				uj := rapid.OneOf(rapid.Int64Range(0, 1e4), rapid.Int64Range(0, 1e14)).Draw(t, label)
				j.UJ = &uj
			}
			return j
		}
		for e := range rapid.IntRange(0, 4).Draw(t, "epochs") {
			s.tell(&event.EpochCost{Stage: event.Sparsify, Epoch: 3 + e, Step: int64(3+e) * perEpoch, Steps: perEpoch, CPUUS: 1e5, Energy: joules("epoch")})
		}
		l := *s.st.Ledger
		l.Dense.StepEnergy, l.Now.StepEnergy, l.Dense.InferEnergy, l.Now.InferEnergy = joules("ds"), joules("ns"), joules("di"), joules("ni")
		s.tell(&event.StageCost{Stage: event.Sparsify, CPUUS: 1e6, WallUS: 1e6, Energy: joules("stage")}, &l)
		var b strings.Builder
		if err := Write(&b, &s.st, recipe); err != nil {
			t.Fatal(err)
		}
		text, err := wellFormed(b.String())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range figure.FindAllStringSubmatch(strings.ReplaceAll(text, "\u00a0", " "), -1) {
			n++
			if !regexp.MustCompile(`^ [A-E]\b`).MatchString(m[1]) {
				t.Fatalf("%q has no tier", m[0])
			}
		}
		if n == 0 && s.st.Started.Tier != "" {
			t.Fatal("no joules found: does the test still read the page?")
		}
	})
}

// TestNoJoules: not measured is said, and the second chart is of CPU time.
func TestNoJoules(t *testing.T) {
	text, err := wellFormed(render(t, &whole("", 0).st, recipe))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU time per epoch, ms", "J not measured", "not measured", "no counter may be read"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if m := figure.FindString(text); m != "" {
		t.Errorf("joules that nobody measured: %q", m)
	}
}

// TestEstimate: joules by tier E are never called measured.
func TestEstimate(t *testing.T) {
	text, err := wellFormed(render(t, &whole("E", 40).st, recipe))
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "\u00a0", " ")
	for _, want := range []string{"≈21 mJ E ±40 %", "−72 %, as CPU time", "tier E, profile only, estimated ±40 %", "busy power is taken as constant", "run on the host itself"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(strings.ReplaceAll(line, "not measured", ""), "measured") {
			t.Errorf("on a page of tier E: %q", line)
		}
	}
}

// TestSpent: grams and money stand on the page with the tier of their joules; without
// a grid nothing is said of them.
func TestSpent(t *testing.T) {
	s := whole("B", 0)
	if l := spent(&s.st); l != nil {
		t.Errorf("%q", l)
	}
	g, p := 56.0, 0.25
	s.st.Started.Grid = &event.Grid{Grams: &g, Price: &p, Currency: "EUR", PUE: 1, Text: "FRA 2023, 56 g/kWh", Source: "Our World in Data"}
	s.st.Budget = &event.Budget{Unit: "J", Limit: 100, Spent: 81.5, Tier: "B"}
	text, err := wellFormed(render(t, &s.st, recipe))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"g B of CO2e and 0.0", "EUR B (FRA 2023, 56 g/kWh; Our World in Data).", "Of the budget of 100 J, 81.5 J B were spent"} {
		if !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestWriteError: the error names the session.
func TestWriteError(t *testing.T) {
	err := Write(failing{}, &start("B", 0).st, "")
	if err == nil || !strings.Contains(err.Error(), "brisk-heron") || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("%v", err)
	}
}

// TestMissedTargetLeads: a verdict is about accuracy; a target that was missed, or lowered,
// stands at the top of the page with it, and a missed one is no success.
func TestMissedTargetLeads(t *testing.T) {
	for _, c := range []struct {
		done              event.Done
		word, class, says string
	}{
		{event.Done{Text: "verdict PASS"}, "PASS", "pass", ""},
		{event.Done{Text: "verdict PASS at 31.2 % zeros, ended by the budget short of the target of 90.0 %"}, "PASS", "pass", "Outcome: verdict PASS at 31.2 % zeros, ended by the budget short of the target of 90.0 %."},
		{event.Done{Exit: core.ExitTarget, Text: "target of 90.0 % zeros missed: ended by the budget at 0.0 %"}, "PASS, TARGET MISSED", "open", "Outcome: target of 90.0 % zeros missed: ended by the budget at 0.0 %."},
	} {
		s := start("B", 0).configured().sparsified(20).validated()
		s.tell(&c.done)
		l := newLead(&s.st)
		if l.Word != c.word || l.Class != c.class {
			t.Errorf("%q: %s, %s", c.done.Text, l.Word, l.Class)
		}
		outcome := ""
		for _, m := range l.More {
			if strings.HasPrefix(m, "Outcome") {
				outcome = m
			}
		}
		if outcome != c.says {
			t.Errorf("%q: %q", c.done.Text, outcome)
		}
	}
}

// TestStageThatEndedTheRun: a stage in which a run ended is not called done.
func TestStageThatEndedTheRun(t *testing.T) {
	for exit, want := range map[int]string{core.ExitTarget: "target missed", core.ExitBudget: "budget spent"} {
		s := start("B", 0).configured()
		s.tell(&event.StageChange{Stage: event.Sparsify, State: "started"}, &event.Done{Exit: exit, Text: "the end"})
		rows, _ := stages(&s.st)
		if got := rows[event.Sparsify-event.Baseline]; got.Name != "sparsify" || got.State != want {
			t.Errorf("exit %d: %+v, want %q", exit, got, want)
		}
	}
}
