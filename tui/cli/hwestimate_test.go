package cli

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/hwprofiles"
)

// TestHWEstimate: one row a machine, this one first; what is not known, and why
// zeros bring nothing, stands under the table.
func TestHWEstimate(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	code, out, errs := call(t, "hw", "estimate", "lenet-300-100")
	if code != 0 || errs != "" {
		t.Fatalf("%d %s", code, errs)
	}
	row := map[string]string{}
	for _, l := range strings.Split(out, "\n") {
		if f := strings.Fields(l); len(f) > 0 && row[f[0]] == "" {
			row[strings.TrimSuffix(f[0], ",")] = l
		}
	}
	for name, want := range map[string]string{
		hwprofiles.Local().Name: "this machine", "h100-sxm": "  0 %  ", "jetson-orin-nano-8": "40 % plus launches", "raspberry-pi-5": "(CPU ms)",
	} {
		if !strings.Contains(row[name], want) {
			t.Errorf("no %q in the row of %s: %q\n%s", want, name, row[name], out)
		}
	}
	var head []string
	for _, l := range strings.Split(out, "\n") {
		if strings.HasPrefix(l, "hardware ") {
			head = regexp.MustCompile(` {2,}`).Split(l, -1)
		}
	}
	for name, l := range row { // no cell is left empty
		if slices.Contains([]string{hwprofiles.Local().Name, "h100-sxm", "jetson-orin-nano-8", "raspberry-pi-5"}, name) && len(regexp.MustCompile(` {2,}`).Split(l, -1)) != len(head) {
			t.Errorf("%q under %q", l, head)
		}
	}
	for _, want := range []string{"90 % zeros (block4x1), batch ", "tier E", "no gain on h100-sxm: no kernel there skips 4×1 blocks", "bound by launches", "launch costs is unknown"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, errs = call(t, "hw", "estimate", "resnet-8", "--hw", "l4", "--hw", "apple-m2", "--pattern", "neuron", "--zeros", "0.5", "--batch", "64", "--json")
	var ls []event.Ledger
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var l event.Ledger
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %q %s", err, line, errs)
		}
		ls = append(ls, l)
	}
	if len(ls) != 2 || ls[0].Hardware != "l4" || ls[0].Batch != 64 || ls[0].Now.Zeros != 0.5 || ls[0].Dense.StepEnergy.UJ == nil || ls[1].Dense.StepEnergy.UJ != nil || ls[1].Text != "no prediction on apple-m2: f32 rate is unknown" {
		t.Errorf("%+v", ls)
	}
	for arg, want := range map[string]int{"--zeros=1.5": 2, "--pattern=diagonal": 2, "--batch=-1": 2, "--hw=abacus": 1} {
		if code, _, errs := call(t, "hw", "estimate", "mlp", arg); code != want || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d: %s", arg, code, errs)
		}
	}
}

// TestNoCardSaysWhich: a card that is there and fails is not said to be missing.
func TestNoCardSaysWhich(t *testing.T) {
	if got := noCard(errors.New("device cuda: NVIDIA H100: cublasLt: library not found")); got != "the card here cannot be used" {
		t.Error(got)
	}
}

// TestHWEstimateInBF16: a card that is elsewhere is predicted in the precision that --device
// names; without --hw, which would ask for this machine's card, that is an error.
func TestHWEstimateInBF16(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := core.OpenDevice("cuda:bf16"); err == nil {
		t.Skip("a card is here: what a machine without one says shows on such a machine alone")
	}
	step := func(device string) float64 {
		t.Helper()
		code, out, errs := call(t, "hw", "estimate", "gpt-nano", "--hw", "h100-sxm", "--pattern", "width", "--zeros", "0.5", "--json", "--device", device)
		var l event.Ledger
		if err := json.Unmarshal([]byte(out), &l); code != 0 || err != nil {
			t.Fatalf("%d %v: %q %s", code, err, out, errs)
		}
		if said := strings.Contains(errs, "no card here, so a step is planned as for the processor"); said != (device != "auto") {
			t.Errorf("%s: %s", device, errs)
		}
		return l.Dense.StepCPUUS
	}
	if wide, half := step("auto"), step("cuda:bf16"); !(half < wide) {
		t.Errorf("a step takes %.1f µs in bf16, %.1f in float32", half, wide)
	}
	if code, out, errs := call(t, "hw", "estimate", "gpt-nano", "--hw", "h100-sxm", "--device", "cuda:bf61"); code != 2 || out != "" || !strings.Contains(errs, "bf61") {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if code, out, errs := call(t, "hw", "estimate", "gpt-nano", "--device", "cuda:bf16"); code != 1 || out != "" || !strings.HasPrefix(errs, "pare: device cuda: no NVIDIA driver that CUDA can use: ") || strings.Count(errs, "cuda:") > 1 {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestHWEstimateCutsAsACardDoes: for a card the channels that are left are those that a run
// there leaves, whatever stands here.
func TestHWEstimateCutsAsACardDoes(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	params := map[string]int64{}
	for _, hw := range []string{"h100-sxm", "raspberry-pi-5"} {
		code, out, errs := call(t, "hw", "estimate", "lenet-300-100", "--hw", hw, "--pattern", "neuron", "--zeros", "0.37", "--json")
		var l event.Ledger
		if err := json.Unmarshal([]byte(out), &l); code != 0 || err != nil {
			t.Fatalf("exit %d, %v: %q", code, err, errs)
		}
		params[hw] = l.Now.Params
	}
	if params["h100-sxm"] == params["raspberry-pi-5"] {
		t.Errorf("cut to the same numbers of channels: %v", params)
	}
}
