package peft_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/peft"
	"pare/core/plan"
	"pare/core/plan/devicetest"
)

// reference is reference.json of an oracle.
type reference struct {
	Base      string    `json:"base"`
	InputIDs  [][]int32 `json:"input_ids"`
	Logits    []float64 `json:"logits"`
	Loss      float64   `json:"loss"`
	Trainable int       `json:"trainable"`
	AdamW     struct {
		LR          float64    `json:"lr"`
		Betas       [2]float32 `json:"betas"`
		Eps         float32    `json:"eps"`
		WeightDecay float32    `json:"weight_decay"`
		Losses      []float64  `json:"losses"`
	} `json:"adamw"`
}

// bases is where base models are kept.
const bases = "../hf/testdata"

// TestOraclePEFT: logits, loss, the number of trained values and eight steps of AdamW
// on the adapter alone, on both devices; the frozen model stays as it is.
func TestOraclePEFT(t *testing.T) {
	folder, from := "testdata", bases
	if dir := os.Getenv("PARE_ORACLES"); dir != "" {
		folder, from = dir, dir
	}
	cases, err := filepath.Glob(filepath.Join(folder, "peft-*"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in %s", folder)
	}
	for _, dir := range cases {
		for _, dev := range devicetest.Devices(t) {
			t.Run(filepath.Base(dir)+"/"+dev.Name(), func(t *testing.T) { oracle(t, dir, from, dev) })
		}
	}
}

func oracle(t *testing.T, dir, bases string, dev device.Device) {
	text, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want reference
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	m := open(t, filepath.Join(bases, want.Base), len(want.InputIDs[0]))
	base := m.Clone()
	if _, _, err := peft.Read(dir, m); err != nil {
		t.Fatal(err)
	}
	if n := trainable(m); n != want.Trainable {
		t.Errorf("%d values train, want %d", n, want.Trainable)
	}
	r := newRunner(t, m, dev, want.InputIDs, device.Optim{Kind: device.AdamW, Beta1: want.AdamW.Betas[0], Beta2: want.AdamW.Betas[1], Eps: want.AdamW.Eps, WeightDecay: want.AdamW.WeightDecay})
	r.step.LR = float32(want.AdamW.LR)
	res := r.run(t, plan.Eval)
	if d := math.Abs(res.Loss - want.Loss); !(d < 1e-5) {
		t.Errorf("loss %.7f, want %.7f", res.Loss, want.Loss)
	}
	if d := r.off(want.Logits); !(d <= 2e-5) {
		t.Errorf("logits are off by up to %g", d)
	}
	for i, w := range want.AdamW.Losses {
		r.step.Index = int64(i + 1)
		if res := r.run(t, plan.Train); !(math.Abs(res.Loss-w) <= 1e-5*w) {
			t.Errorf("loss before step %d is %.6f, want %.6f", i+1, res.Loss, w)
		}
	}
	moved := 0 // of a sequence of two tokens, say, queries have no gradient
	for i, p := range m.Params {
		x := make([]float32, len(p.Data))
		if err := r.bank.Get(i, x); err != nil {
			t.Fatal(err)
		}
		switch same := slices.Equal(x, p.Data); {
		case same:
		case p.Frozen:
			t.Fatalf("%s is frozen and moved", p.Name)
		case base.Param(p.Name) < 0:
			moved++
		}
	}
	if l := want.AdamW.Losses; moved == 0 && len(l) > 1 && math.Abs(l[0]-l[len(l)-1]) > 1e-4 {
		t.Error("the loss falls and no adapter moved")
	}
}

func open(t *testing.T, dir string, tokens int) *graph.Model {
	t.Helper()
	d, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Graph(tokens)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func trainable(m *graph.Model) (n int) {
	for _, p := range m.Params {
		if !p.Frozen && p.Role != graph.Running {
			n += p.Shape.Len()
		}
	}
	return n
}

// runner runs plans of a causal language model on one batch.
type runner struct {
	m    *graph.Model
	dev  device.Device
	bank device.Bank
	step device.Step
	o    device.Optim
}

func newRunner(t *testing.T, m *graph.Model, dev device.Device, ids [][]int32, o device.Optim) *runner {
	t.Helper()
	r := &runner{m: m, dev: dev, o: o, step: device.Step{N: len(ids), Index: 1}}
	for _, row := range ids {
		for k, id := range row {
			r.step.X = append(r.step.X, float32(id))
			label := int32(device.NoLabel)
			if k+1 < len(row) {
				label = row[k+1]
			}
			r.step.Labels = append(r.step.Labels, label)
		}
	}
	r.step.Out = make([]float32, len(ids)*len(ids[0])*m.Classes())
	var err error
	if r.bank, err = dev.NewBank(plan.Weights(m, nil), o.Slots()); err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params {
		if err := r.bank.Set(i, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *runner) run(t *testing.T, mode plan.Mode) device.Result {
	t.Helper()
	p, err := plan.Build(r.m, r.dev, plan.Options{Mode: mode, Batch: r.step.N, Optim: r.o})
	if err != nil {
		t.Fatal(err)
	}
	ex, err := r.dev.Compile(p, r.bank, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer ex.Close()
	res, err := ex.Run(&r.step)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (r *runner) off(want []float64) (d float64) {
	if len(want) != len(r.step.Out) {
		return math.Inf(1)
	}
	for i, v := range want {
		d = math.Max(d, math.Abs(v-float64(r.step.Out[i])))
	}
	return d
}

// adapted is a base model with adapters of several ranks and scales, B not zero, and
// a norm that trains beside them.
func adapted(t *testing.T, name, norm string, rs bool) *graph.Model {
	m, rng := open(t, filepath.Join(bases, name), 7), rand.New(rand.NewPCG(8, 8))
	var names []string
	for i, l := range m.Layers() {
		if m.Adaptable(l, 4) == nil && i%3 < 2 {
			names = append(names, l.Name)
		}
	}
	for n, l := range names {
		if _, err := (graph.AttachLoRA{Layer: l, Rank: 3 + n%2, Alpha: 5 + float64(n%3), RSLoRA: rs, Seed: 4}).Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (graph.Freeze{Except: []string{norm}}).Apply(m); err != nil {
		t.Fatal(err)
	}
	for i := range m.Params {
		if p := &m.Params[i]; !p.Frozen {
			for k := range p.Data {
				p.Data[k] += float32(rng.NormFloat64() * 0.1)
			}
		}
	}
	return m
}

// written are adapters that Write saves, by base model.
var written = map[string]struct {
	norm string
	o    peft.Options
}{
	"hf-llama": {"model.norm", peft.Options{Task: "CAUSAL_LM", RSLoRA: true}},
	"hf-gpt2":  {"transformer.ln_f", peft.Options{Task: "CAUSAL_LM", FanInFanOut: true}},
}

// TestWriteRead: what Write saves Read puts on the base model again, bit for bit.
func TestWriteRead(t *testing.T) {
	for name, w := range written {
		m, dir := adapted(t, name, w.norm, w.o.RSLoRA), filepath.Join(t.TempDir(), "adapter")
		if err := peft.Write(dir, m, w.o); err != nil {
			t.Fatal(err)
		}
		back := open(t, filepath.Join(bases, name), 7)
		c, rs, err := peft.Read(dir, back)
		if err != nil {
			t.Fatal(err)
		}
		if back.WeightHash() != m.WeightHash() {
			t.Errorf("%s: another model after the round trip", name)
		}
		if len(rs) != len(m.Adapters())+1 || c.FanInFanOut != w.o.FanInFanOut || len(c.RankPattern) == 0 || len(c.AlphaPattern) == 0 {
			t.Errorf("%s: %d rewrites, %+v", name, len(rs), c)
		}
	}
}

// TestPEFT: PEFT loads what Write saves, with the same logits, and Read takes what
// PEFT saves. PARE_PEFT_PYTHON names a Python with torch, transformers and peft.
func TestPEFT(t *testing.T) {
	python := os.Getenv("PARE_PEFT_PYTHON")
	if python == "" {
		t.Skip("PARE_PEFT_PYTHON names no Python with peft")
	}
	ids := [][]int32{{5, 1, 17, 3, 3, 9, 20}, {2, 2, 8, 30, 11, 0, 4}}
	call := func(t *testing.T, mode, base, dir string, in any) (out struct {
		Logits    []float64 `json:"logits"`
		Trainable int       `json:"trainable"`
	}) {
		t.Helper()
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, filepath.Join("testdata", "check.py"), mode, filepath.Join(bases, base), dir)
		cmd.Stdin = bytes.NewReader(text)
		cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "TRANSFORMERS_VERBOSITY=error")
		var problems bytes.Buffer
		cmd.Stderr = &problems
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, problems.String())
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatalf("%v in %.300s", err, b)
		}
		return out
	}
	logits := func(t *testing.T, m *graph.Model, want []float64) {
		t.Helper()
		r := newRunner(t, m, cpu.New(), ids, device.Optim{})
		r.run(t, plan.Eval)
		if d := r.off(want); !(d <= 2e-5) {
			t.Errorf("logits are off by up to %g", d)
		}
	}
	for name, w := range written {
		t.Run("write/"+name, func(t *testing.T) {
			m, dir := adapted(t, name, w.norm, w.o.RSLoRA), t.TempDir()
			if err := peft.Write(dir, m, w.o); err != nil {
				t.Fatal(err)
			}
			logits(t, m, call(t, "load", name, dir, ids).Logits)
		})
	}
	type config = map[string]any
	for label, x := range map[string]struct {
		base   string
		config config
	}{
		"plain":    {"hf-llama", config{"r": 4, "lora_alpha": 8, "target_modules": []string{"q_proj", "down_proj"}}},
		"rslora":   {"hf-llama", config{"r": 5, "lora_alpha": 3, "use_rslora": true, "target_modules": "all-linear"}},
		"patterns": {"hf-llama", config{"r": 4, "rank_pattern": config{"v_proj": 2, "layers.1.*.down_proj": 6}, "alpha_pattern": config{"v_proj": 20}, "target_modules": []string{"v_proj", "down_proj"}}},
		"gpt2":     {"hf-gpt2", config{"r": 3, "fan_in_fan_out": true, "target_modules": []string{"c_attn", "c_proj"}, "modules_to_save": []string{"ln_f"}}},
		"biases":   {"hf-gpt2", config{"r": 3, "fan_in_fan_out": true, "target_modules": []string{"c_fc"}, "bias": "all"}},
		"own-bias": {"hf-gpt2", config{"r": 3, "fan_in_fan_out": true, "target_modules": []string{"c_fc"}, "bias": "lora_only"}},
	} {
		t.Run("read/"+label, func(t *testing.T) {
			dir := t.TempDir()
			x.config["task_type"] = "CAUSAL_LM"
			out := call(t, "make", x.base, dir, config{"ids": ids, "config": x.config})
			m := open(t, filepath.Join(bases, x.base), len(ids[0]))
			if _, _, err := peft.Read(dir, m); err != nil {
				t.Fatal(err)
			}
			if n := trainable(m); n != out.Trainable {
				t.Errorf("%d values train, with PEFT %d", n, out.Trainable)
			}
			logits(t, m, out.Logits)
		})
	}
}

// TestConfigRefused: what would compute something else is refused by name.
func TestConfigRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"peft_type":"IA3"}`:                                "peft_type",
		`{"peft_type":"LORA","use_dora":true}`:               "use_dora",
		`{"peft_type":"LORA","layer_replication":[[0,2]]}`:   "layer_replication",
		`{"peft_type":"LORA","lora_bias":true}`:              "lora_bias",
		`{"peft_type":"LORA","r":0}`:                         "r = 0",
		`{"peft_type":"LORA","lora_dropout":1}`:              "lora_dropout",
		`{"peft_type":"LORA","bias":"some"}`:                 "bias",
		`{"peft_type":"LORA","init_lora_weights":"pissa"}`:   "init_lora_weights",
		`{"peft_type":"LORA","rank_pattern":{"q":0}}`:        "rank_pattern",
		`{"peft_type":"LORA","alpha_pattern":{"(":1}}`:       "alpha_pattern",
		`{"peft_type":"LORA","alpha_pattern":{"a{1000}":1}}`: "counted",
		`{"peft_type":"LORA","target_parameters":["x"]}`:     "target_parameters",
		`[`: "unexpected",
		`{"peft_type":"LORA","base_model_name_or_path":"` + strings.Repeat("x", 1<<20) + `"}`: "bytes",
	} {
		if _, err := peft.ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

// TestReadRefused: an adapter of another model is refused and changes nothing.
func TestReadRefused(t *testing.T) {
	m := open(t, filepath.Join(bases, "hf-gpt2"), 7)
	hash := m.WeightHash()
	if _, _, err := peft.Read("testdata/peft-llama", m); err == nil || !strings.Contains(err.Error(), "another one") || m.WeightHash() != hash {
		t.Errorf("an adapter of another model: %v", err)
	}
	if err := peft.Write(t.TempDir(), m, peft.Options{}); err == nil || !strings.Contains(err.Error(), "no adapters") {
		t.Errorf("a model without adapters: %v", err)
	}
}

// FuzzParseConfig: a configuration never panics, and what is read can be used.
func FuzzParseConfig(f *testing.F) {
	b, err := os.ReadFile("testdata/peft-llama/adapter_config.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"peft_type":"LORA","r":4,"rank_pattern":{"q_proj":2,".*":3},"alpha_pattern":{"a|b":1.5},"target_modules":"all-linear","init_lora_weights":"gaussian"}`))
	f.Add([]byte(`{"peft_type":"LORA","rank_pattern":{"(((((((((a*)*)*)*)*)*)*)*)*":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := peft.ParseConfig(b)
		if err != nil {
			return
		}
		if c.Rank < 1 || !(c.Dropout >= 0 && c.Dropout < 1) || c.Alpha-c.Alpha != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

// FuzzRead: an adapter's files never panic, and what is refused changes nothing.
func FuzzRead(f *testing.F) {
	config, err := os.ReadFile("testdata/peft-llama/adapter_config.json")
	if err != nil {
		f.Fatal(err)
	}
	weights, err := os.ReadFile("testdata/peft-llama/adapter_model.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	d, err := hf.Open(filepath.Join(bases, "hf-llama"))
	if err != nil {
		f.Fatal(err)
	}
	base, err := d.Graph(3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(config, weights)
	f.Add([]byte(`{"peft_type":"LORA","r":4,"lora_alpha":1,"bias":"all","modules_to_save":["norm"]}`), weights)
	f.Add([]byte(`{"peft_type":"LORA","r":2}`), weights[:4000])
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		dir, m := t.TempDir(), base.Clone()
		for name, b := range map[string][]byte{peft.ConfigFile: config, peft.WeightsFile: weights} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		hash := m.StructHash()
		if _, _, err := peft.Read(dir, m); err != nil {
			if m.StructHash() != hash {
				t.Fatalf("refused, and another model: %v", err)
			}
			return
		}
		if len(m.Adapters()) == 0 || m.Verify() != nil {
			t.Fatal("read, and no adapter")
		}
	})
}
