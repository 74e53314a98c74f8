package hf_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pare/core/device"
	"pare/core/model/hf"
	"pare/core/plan"
	"pare/core/plan/devicetest"
)

// oracles is a folder of folders hf-…, computed by transformers: that of PARE_ORACLES,
// or what is kept in testdata.
func oracles() string {
	if dir := os.Getenv("PARE_ORACLES"); dir != "" {
		return dir
	}
	return "testdata"
}

// reference is reference.json.
type reference struct {
	InputIDs  [][]int32          `json:"input_ids"`
	Segments  [][]int32          `json:"token_type_ids"`
	Mask      [][]int32          `json:"attention_mask"`
	Pixels    []float32          `json:"pixel_values"` // [samples, channels, height, width]
	Labels    json.RawMessage    `json:"labels"`       // of samples, or of tokens; of causal models the ids themselves
	Logits    []float64          `json:"logits"`
	Loss      float64            `json:"loss"`
	GradNorms map[string]float64 `json:"grad_norms"`
	AdamW     struct {
		LR          float64    `json:"lr"`
		Betas       [2]float32 `json:"betas"`
		Eps         float32    `json:"eps"`
		WeightDecay float32    `json:"weight_decay"`
		Losses      []float64  `json:"losses"`
	} `json:"adamw"`
}

// TestOracle: logits, loss, gradients and eight steps of AdamW of models that
// transformers made, on the reference device and on the processor.
func TestOracle(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(oracles(), "hf-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in %s (%v)", oracles(), err)
	}
	for _, dir := range dirs {
		for _, dev := range devicetest.Devices(t) {
			t.Run(filepath.Base(dir)+"/"+dev.Name(), func(t *testing.T) { agrees(t, dir, dev) })
		}
	}
}

// step is the batch of a reference case: all its samples.
func (r *reference) step(t *testing.T, causal bool) *device.Step {
	s := &device.Step{N: max(len(r.InputIDs), 1), Index: 1, LR: float32(r.AdamW.LR), Out: make([]float32, len(r.Logits)), X: r.Pixels}
	var flat []int32
	var rows [][]int32
	if json.Unmarshal(r.Labels, &flat) != nil {
		if flat = nil; json.Unmarshal(r.Labels, &rows) != nil && !causal {
			t.Fatalf("labels are %.40s", r.Labels)
		}
	}
	for _, l := range rows {
		for _, v := range l {
			flat = append(flat, max(v, device.NoLabel)) // transformers leaves out −100
		}
	}
	if s.Labels = flat; len(r.InputIDs) == 0 {
		s.N = len(flat)
	}
	if causal {
		s.Labels = nil
	}
	for i, ids := range r.InputIDs {
		for k, id := range ids {
			s.X = append(s.X, float32(id))
			if r.Segments != nil {
				s.X = append(s.X, float32(r.Segments[i][k]))
			}
			if !causal {
				continue
			}
			label := int32(device.NoLabel) // the last token has none to predict
			if k+1 < len(ids) {
				label = ids[k+1]
			}
			s.Labels = append(s.Labels, label)
		}
	}
	return s
}

func agrees(t *testing.T, dir string, dev device.Device) {
	text, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want reference
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	d, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Without a mask transformers attends to padding.
	o := hf.Options{Pads: want.Mask == nil, Segments: want.Segments != nil}
	if len(want.InputIDs) > 0 {
		o.Tokens = len(want.InputIDs[0])
	}
	m, err := d.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	task, err := d.Task()
	if err != nil {
		t.Fatal(err)
	}
	step := want.step(t, task == hf.CausalLM)
	n, labelled := step.N, 0
	for _, l := range step.Labels {
		if l != device.NoLabel {
			labelled++
		}
	}
	optim := device.Optim{Kind: device.AdamW, Beta1: want.AdamW.Betas[0], Beta2: want.AdamW.Betas[1], Eps: want.AdamW.Eps, WeightDecay: want.AdamW.WeightDecay}
	bank, err := dev.NewBank(plan.Weights(m, nil), optim.Slots())
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range m.Params {
		if err := bank.Set(i, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	exec := func(mode plan.Mode) device.Exec {
		p, err := plan.Build(m, dev, plan.Options{Mode: mode, Batch: n, Optim: optim})
		if err != nil {
			t.Fatal(err)
		}
		ex, err := dev.Compile(p, bank, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ex.Close() })
		return ex
	}
	run := func(ex device.Exec) device.Result {
		res, err := ex.Run(step)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := run(exec(plan.Grads))
	if d := math.Abs(res.Loss - want.Loss); !(d < 1e-5) || res.N != labelled {
		t.Errorf("loss %.7f over %d tokens, want %.7f over %d", res.Loss, res.N, want.Loss, labelled)
	}
	worst, largest := 0.0, 0.0
	for i, v := range want.Logits {
		worst, largest = math.Max(worst, math.Abs(v-float64(step.Out[i]))), math.Max(largest, math.Abs(v))
	}
	if !(worst <= 1e-5*math.Max(largest, 1)) {
		t.Errorf("logits are off by up to %g", worst)
	}
	if len(want.GradNorms) != len(m.Params) {
		t.Errorf("%d parameters, want %d", len(m.Params), len(want.GradNorms))
	}
	for i, p := range m.Params {
		g := make([]float32, len(p.Data))
		if err := bank.Grad(i, g); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range g {
			sum += float64(v) * float64(v)
		}
		w, ok := want.GradNorms[p.Name]
		// The gradient of a bias of keys is nothing but rounding.
		if d := math.Abs(math.Sqrt(sum) - w); !ok || !(d <= 1e-4*w+1e-7) {
			t.Errorf("gradient of %s has the norm %g, want %g (known: %v)", p.Name, math.Sqrt(sum), w, ok)
		}
	}
	train := exec(plan.Train)
	for i, w := range want.AdamW.Losses {
		step.Index = int64(i + 1)
		if res := run(train); !(math.Abs(res.Loss-w) < 2e-5) {
			t.Errorf("loss before step %d is %.6f, want %.6f", i+1, res.Loss, w)
		}
	}
}
