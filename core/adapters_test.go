package core_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/core/device/ref"
	"pare/core/model/hf"
	"pare/core/model/peft"
)

// adapterOn is the adapter of core/model/peft's reference in a folder of its own, for the
// base model that it names.
func adapterOn(t *testing.T, base string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{peft.ConfigFile, peft.WeightsFile} {
		b, err := os.ReadFile(filepath.Join("model/peft/testdata/peft-llama", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == peft.ConfigFile {
			var c map[string]any
			if err := json.Unmarshal(b, &c); err != nil {
				t.Fatal(err)
			}
			c["base_model_name_or_path"] = base
			if b, err = json.Marshal(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOracleAdapterFolder: a folder of PEFT is a model, that of its base with the adapter
// merged; its logits are PEFT's.
func TestOracleAdapterFolder(t *testing.T) {
	b, err := os.ReadFile("model/peft/testdata/peft-llama/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		IDs    [][]int32 `json:"input_ids"`
		Logits []float32 `json:"logits"`
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	base, err := filepath.Abs("model/hf/testdata/hf-llama")
	if err != nil {
		t.Fatal(err)
	}
	off := func(dir string) (most float64) {
		t.Helper()
		if !core.IsFolder(dir) {
			t.Fatalf("%s is no folder of a model", dir)
		}
		for i, ids := range want.IDs {
			got := rowOf(t, dir, ids, "")
			for j, x := range got {
				most = max(most, math.Abs(float64(x-want.Logits[i*len(got)+j])))
			}
		}
		return most
	}
	dir := adapterOn(t, base)
	if d := off(dir); !(d <= 2e-5) {
		t.Errorf("logits are off by up to %g", d)
	}
	if d := off(base); d < 1e-2 {
		t.Fatalf("the adapter changes nothing: the base is off by %g", d)
	}
	// In one folder with a base that the adapter does not name.
	dir = adapterOn(t, "")
	for _, name := range []string{hf.ConfigFile, hf.WeightsFile} {
		b, err := os.ReadFile(filepath.Join(base, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if d := off(dir); !(d <= 2e-5) {
		t.Errorf("in one folder: logits are off by up to %g", d)
	}
	m, _, err := core.OpenModel(core.ModelSpec{Path: dir}, 1, core.Sample{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params {
		if p.Frozen {
			t.Errorf("%s does not train", p.Name)
		}
	}
}

// TestAdapterFolderRefuses: what is missing is said, with what to do.
func TestAdapterFolderRefuses(t *testing.T) {
	base, err := filepath.Abs("model/hf/testdata/hf-llama")
	if err != nil {
		t.Fatal(err)
	}
	other, err := filepath.Abs("model/hf/testdata/hf-bert")
	if err != nil {
		t.Fatal(err)
	}
	for base, say := range map[string]string{
		"":                           "names no base model: set base_model_name_or_path",
		"meta-llama/Llama-2-7b":      `is for the base model "meta-llama/Llama-2-7b", which is no folder here`,
		adapterOn(t, base):           "is an adapter, too: merge that one first",
		other:                        "peft: ",
		filepath.Join(base, "no"):    "which is no folder here",
		filepath.Join(base, "../.."): "which is no folder here",
	} {
		_, _, err := core.OpenModel(core.ModelSpec{Path: adapterOn(t, base)}, 1, core.Sample{})
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := core.PredictFolder(adapterOn(t, "nowhere"), ref.New(), "x.json", 1); err == nil || !strings.Contains(err.Error(), "no folder here") {
		t.Error(err)
	}
}

// TestAdapterBaseFromAnywhere: a relative base is that in the adapter's folder or above it,
// whatever folder the process works in: a run has its own.
func TestAdapterBaseFromAnywhere(t *testing.T) {
	from, err := filepath.Abs("model/hf/testdata")
	if err != nil {
		t.Fatal(err)
	}
	put := func(dir, model string) {
		t.Helper()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(from, model))); err != nil {
			t.Fatal(err)
		}
	}
	project, elsewhere := t.TempDir(), t.TempDir()
	dir := filepath.Join(project, "out", "adapter")
	if err := os.CopyFS(dir, os.DirFS(adapterOn(t, filepath.Join("models", "base")))); err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(project, "models", "base"), "hf-llama")
	put(filepath.Join(elsewhere, "models", "base"), "hf-bert") // another model, of the same name
	for _, at := range []string{project, elsewhere} {
		t.Chdir(at)
		if _, _, err := core.OpenModel(core.ModelSpec{Path: dir}, 1, core.Sample{}); err != nil {
			t.Errorf("from %s: %v", at, err)
		}
	}
	t.Chdir(project)
	if _, _, err := core.OpenModel(core.ModelSpec{Path: filepath.Join("out", "adapter")}, 1, core.Sample{}); err != nil {
		t.Error(err)
	}
}
