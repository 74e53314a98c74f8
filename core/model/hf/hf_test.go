package hf_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/model/hf"
	"pare/core/model/safetensors"
)

// folder writes a changed copy of testdata/hf-llama.
func folder(t *testing.T, config func(map[string]any), tensors func([]safetensors.Tensor) []safetensors.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/hf-llama/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		config(c)
	}
	if text, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open("testdata/hf-llama/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	ts := f.Tensors
	if tensors != nil {
		ts = tensors(ts)
	}
	b, err := safetensors.Marshal(ts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"config.json": text, "model.safetensors": b} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(dir string, tokens int) error {
	d, err := hf.Open(dir)
	if err != nil {
		return err
	}
	_, err = d.Graph(tokens)
	return err
}

// TestErrors: one line that names the file's field or tensor.
func TestErrors(t *testing.T) {
	set := func(k string, v any) func(map[string]any) { return func(c map[string]any) { c[k] = v } }
	for _, c := range []struct {
		name, want string
		config     func(map[string]any)
		tensors    func([]safetensors.Tensor) []safetensors.Tensor
		tokens     int
	}{
		{"type", `model_type "mamba" is not known: known are bert, distilbert, gpt2`, set("model_type", "mamba"), nil, 8},
		{"size", "hidden_size = -3", set("hidden_size", -3), nil, 8},
		{"layers", `tensor "model.layers.2.input_layernorm.weight" is missing`, set("num_hidden_layers", 1<<24), nil, 8}, // at once
		{"shape", `is 104×48, config.json makes it 104×96`, set("hidden_size", 96), nil, 8},
		{"activation", `activation "relu2" is not known`, set("hidden_act", "relu2"), nil, 8},
		{"rope", `rotary positions of type "su" are not supported`, set("rope_scaling", map[string]any{"type": "su", "factor": 2}), nil, 8},
		{"rope factor", `need a factor of at least 1`, set("rope_scaling", map[string]any{"type": "linear"}), nil, 8},
		{"rope list", `type longrope: 2 values in short_factor, need 6`, set("rope_scaling", map[string]any{"type": "longrope", "factor": 2, "short_factor": []int{1, 2}}), nil, 8},
		{"rope part", `partial_rotary_factor = 0.5 is not supported`, set("rope_parameters", map[string]any{"partial_rotary_factor": 0.5}), nil, 8},
		{"window", "beyond the sliding window of 4", set("sliding_window", 4), nil, 8},
		{"long", "made for up to 64", nil, nil, 65},
		{"heads", "k_proj.weight\" is 24×48, config.json makes it 36×48", set("num_key_value_heads", 3), nil, 8},
		{"missing", `tensor "model.norm.weight" is missing`, nil, func(ts []safetensors.Tensor) []safetensors.Tensor {
			var l []safetensors.Tensor
			for _, x := range ts {
				if x.Name != "model.norm.weight" {
					l = append(l, x)
				}
			}
			return l
		}, 8},
		{"extra", `tensor "model.extra" belongs to nothing`, nil, func(ts []safetensors.Tensor) []safetensors.Tensor {
			return append(ts, safetensors.FromFloat32("model.extra", []int{1}, []float32{1}))
		}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := load(folder(t, c.config, c.tensors), c.tokens)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if err := load(t.TempDir(), 8); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, c := range []struct{ file, text, want string }{
		{"config.json", `{"model_type": "llama", `, "config.json: unexpected end of JSON input: correct it, or download it again"},
		{"model.safetensors", "", "no weights: put model.safetensors beside it"},
		{"pytorch_model.bin", "x", "pytorch_model.bin, which is not read: save them as model.safetensors"},
	} {
		dir := folder(t, nil, nil)
		if c.file != "config.json" {
			if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
				t.Fatal(err)
			}
		}
		if c.text != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := load(dir, 8); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.file, err, c.want)
		}
	}
}

// TestShards: an index and two files are the same model as one file.
func TestShards(t *testing.T) {
	whole, err := hf.Open("testdata/hf-llama")
	if err != nil {
		t.Fatal(err)
	}
	want, err := whole.Graph(8)
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, nil, nil)
	f, err := safetensors.Open(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	weights := map[string]string{}
	for i, ts := range [][]safetensors.Tensor{f.Tensors[:7], f.Tensors[7:]} {
		name := []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}[i]
		b, err := safetensors.Marshal(ts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, x := range ts {
			weights[x.Name] = name
		}
	}
	write := func(m map[string]string) {
		b, err := json.Marshal(map[string]any{"weight_map": m})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(weights)
	d, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Graph(8)
	if err != nil {
		t.Fatal(err)
	}
	want.Name = got.Name
	if got.WeightHash() != want.WeightHash() {
		t.Error("the shards are another model than the file")
	}
	for _, c := range []struct{ file, want string }{{"../model.safetensors", "lie beside the index"}, {"model-00002-of-00002.safetensors", "does not have it"}} {
		bad := maps.Clone(weights)
		bad[f.Tensors[0].Name] = c.file
		write(bad)
		if err := load(dir, 8); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// FuzzConfig: whatever a config.json says, opening ends in a model or an error.
func FuzzConfig(f *testing.F) {
	for _, name := range []string{"hf-llama", "hf-gpt2"} {
		text, err := os.ReadFile(filepath.Join("testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, 8)
	}
	f.Add([]byte(`{"model_type":"gpt2","n_embd":0}`), 0)
	f.Add([]byte(`{"model_type":"llama","head_dim":-1,"hidden_size":48,"num_attention_heads":4}`), -1)
	weights, err := os.ReadFile("testdata/hf-llama/model.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), weights, 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, config []byte, tokens int) {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = load(dir, tokens) // no panic, no endless loop
	})
}
