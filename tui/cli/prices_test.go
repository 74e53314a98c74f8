package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pare/core"
	"pare/core/deploy"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// TestInspectSaysWhatToExpect: a model with zeros is shown with the format of each
// layer, what it is expected to take, and where that is known from.
func TestInspectSaysWhatToExpect(t *testing.T) {
	m, _, err := zoo.New("lenet-300-100", 1, zoo.Input{C: 1, H: 28, W: 28}, 10)
	if err != nil {
		t.Fatal(err)
	}
	w := &m.Params[m.Layers()[0].Param]
	w.Mask = tensor.NewMask(w.Shape.Len())
	for i := range w.Data {
		if k := w.Shape[1]; (i/k/4*k+i%k)*7919%101 < 95 { // of blocks of 4×1
			w.Mask.Drop(i)
			w.Data[i] = 0
		}
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(f, m, deploy.Packed); err != nil {
		t.Fatal(err)
	}
	f.Close() //nolint:errcheck // what was not written does not read
	code, out, errs := call(t, "inspect", path, "--json")
	var got struct {
		Prices string
		Layers []layerInfo
	}
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	if !strings.HasPrefix(got.Prices, "measured 2") {
		t.Errorf("prices: %q", got.Prices)
	}
	fc1, out1 := got.Layers[0], got.Layers[len(got.Layers)-1]
	if fc1.Format == "dense" || !(fc1.Expected > 0 && fc1.Expected < 0.85) || !strings.Contains(fc1.Why, "× the dense time") {
		t.Errorf("95 %% zeros: %+v", fc1)
	}
	if out1.Format != "dense" || out1.Expected != 1 || out1.Why != "no zeros" {
		t.Errorf("no zeros: %+v", out1)
	}
	code, again, _ := call(t, "inspect", path)
	if code != 0 || !strings.Contains(again, fc1.Why) || !strings.HasSuffix(again, "\nwhat formats cost: "+got.Prices+"\n") {
		t.Errorf("exit %d: %s", code, again)
	}
	if code, dense, _ := call(t, "inspect", "lenet-300-100"); code != 0 || strings.Contains(dense, "cost") {
		t.Errorf("without zeros there is nothing to measure: exit %d, %s", code, dense)
	}
	// Device ref has no clock of its own.
	if code, out, _ := call(t, "inspect", path, "--device", "ref"); code != 0 || !strings.HasSuffix(out, "\nwhat formats cost: defaults\n") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestRunKeepsItsPrices: the recipe of a session says what formats cost and where
// that was measured.
func TestRunKeepsItsPrices(t *testing.T) {
	dir := t.TempDir()
	args := func(a ...string) []string { return append([]string{"--sessions", dir}, a...) }
	if code, out, errs := call(t, args("run", "--model", "mlp", "--data", "iris", "--epochs", "2", "--prune-epochs", "2", "--plain")...); code == 1 || code == 2 {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	l, err := filepath.Glob(filepath.Join(dir, "*", "recipe.toml"))
	if err != nil || len(l) != 1 {
		t.Fatalf("%v, %v", l, err)
	}
	b, err := os.ReadFile(l[0])
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?s)\[plan\]\nsource = 'measured 2.*\[plan\.linear\]\n.*4×1' = \[.*\[plan\.conv_small\]`).Match(b) {
		t.Errorf("%s", b)
	}
}

// TestRecipeIsPredictedForItsDevice: what a recipe should bring is predicted for the device
// that it runs on; where that is not here, it is said.
func TestRecipeIsPredictedForItsDevice(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.toml")
	predict := func(device string, flags ...string) (out, errs string) {
		t.Helper()
		text := "version = 1\n[prune]\npattern = \"neuron\"\ntarget = 0.5\n[hardware]\ndevice = \"" + device + "\"\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := call(t, append([]string{"inspect", "lenet-300-100", "--recipe", file}, flags...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		return out, errs
	}
	const filled = "channels at a time" // of the processor's kernels, not of ref
	if out, _ := predict("cpu"); !strings.Contains(out, filled) {
		t.Errorf("for the processor: %s", out)
	}
	if out, errs := predict("ref"); strings.Contains(out, filled) || errs != "" {
		t.Errorf("for ref: %s%s", out, errs)
	}
	if out, _ := predict("ref", "--device", "cpu"); !strings.Contains(out, filled) {
		t.Errorf("for the processor, as asked: %s", out)
	}
	if _, err := core.OpenDevice("cuda"); err == nil {
		return // a card is here
	}
	if out, errs := predict("cuda"); !strings.Contains(out, filled) || !strings.Contains(errs, "not cuda") {
		t.Errorf("without a card: %s%s", out, errs)
	}
}
