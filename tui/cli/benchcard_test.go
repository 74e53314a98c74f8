package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pare/core/bench"
)

// TestBenchCardPlan: what the Plan predicts needs no card, as text and as JSON.
func TestBenchCardPlan(t *testing.T) {
	args := []string{"bench", "card", "--plan", "--hw", "h100-sxm", "--model", "bert-base", "--treat", "full,lora,half+lora"}
	code, out, errs := call(t, args...)
	if code != 0 {
		t.Fatalf("%d %s", code, errs)
	}
	for _, want := range []string{"bert-base, training, bf16, 32 × 384 tokens", "nothing has run", "109,483,778", "296,450", "| half+lora"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	narrow(t, out)
	_, out, _ = call(t, append(args, "--json")...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		var r map[string]any
		if err := json.Unmarshal([]byte(l), &r); err != nil {
			t.Fatal(err)
		}
		if r["step_j"] != nil || r["of_ours"] != nil || r["plan"] == nil || r["of_planned"] == nil {
			t.Errorf("what was not measured must be null, what is predicted must not: %s", l)
		}
	}
	for _, bad := range [][]string{{"--treat", "quarter"}, {"--model", "bert-large"}, {"--peers", "fast"}, {"--hw", "no-such"}} {
		if code, _, errs := call(t, append([]string{"bench", "card", "--plan"}, bad...)...); code == 0 || strings.Count(errs, "\n") > 2 {
			t.Errorf("%v: exit code %d, %s", bad, code, errs)
		}
	}
}

// TestBenchCardTable: rows stand by treatment, and what was not measured is a dash.
func TestBenchCardTable(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	row := func(who, treatment string) bench.CardRow {
		return bench.CardRow{Who: who, Model: "llama2-7b-l8", Treatment: treatment, Precision: "bf16", Batch: 8, Tokens: 1024, StepMS: 123.45, TokensPerSec: 495208, MemoryMiB: 51234}
	}
	a, b, c := row("pare", "full"), row("torch compile", "cut=0.56+lora"), row("pare", "cut=0.56+lora")
	a.StepJ, a.Watts, a.Tier, a.Source, a.OfOurs, a.OfTheirs, a.OfPlanned = f(136.42), 691, "B", "nvml GPU-1", f(1), f(0.9), f(1)
	c.StepJ, c.Watts, c.Tier, c.Source, c.OfOurs, c.OfTheirs, c.OfPlanned = f(50.47), 650, "B", "nvml GPU-1", f(0.37), f(0.31), f(0.36)
	var out bytes.Buffer
	(&env{out: &out}).cardTable([]bench.CardRow{a, b, c})
	lines := strings.Split(out.String(), "\n")
	if !strings.Contains(lines[4], "full") || !strings.Contains(lines[6], "cut=0.56+lora") || !strings.Contains(lines[7], "torch compile") || !strings.Contains(lines[8], "pare") {
		t.Errorf("rows are not ordered by treatment, in the order they come:\n%s", out.String())
	}
	for i, want := range map[int]string{5: "136.42 B", 7: "| – ", 8: "| −63.0 % | −69.0 % | −64.0 % | 98 % |"} {
		if !strings.Contains(strings.Join(strings.Fields(lines[i]), " "), want) {
			t.Errorf("no %q in %s", want, lines[i])
		}
	}
	if !strings.Contains(out.String(), "nvml GPU-1, tier B") {
		t.Errorf("no source:\n%s", out.String())
	}
	narrow(t, out.String())
}

// narrow tests that a table fits 100 columns.
func narrow(t *testing.T, out string) {
	t.Helper()
	for _, l := range strings.Split(out, "\n") {
		if n := len([]rune(l)); n > 100 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

// TestBenchTrainOnACard: with --model bench train is bench card, with its flags; what is for the
// processor is refused beside it, and a card beside the processor's cases.
func TestBenchTrainOnACard(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--model gpt2-124m --device cpu", 1, "this measures a card"},
		{"--model gpt2-125m --device cpu", 1, "gpt2-125m"},
		{"--model gpt2-124m --device cpu --rounds 0", 1, "0 rounds"},
		{"--model gpt2-124m --on 1", 2, "--on"},
		{"--model gpt2-124m --only GPT", 2, "--only"},
		{"--model gpt2-124m --threads 1", 2, "--threads"},
		{"--device cuda", 2, "--model gpt2-124m"},
	} {
		if code, out, errs := call(t, append([]string{"bench", "train", "--json"}, strings.Fields(c.args)...)...); code != c.code || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%s: exit code %d, %q %q", c.args, code, out, errs)
		}
	}
}
