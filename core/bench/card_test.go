package bench

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/energy"
	"pare/core/graph"
	"pare/core/tensor"
	"pare/hwprofiles"
)

func treatment(t *testing.T, s string) Treatment {
	t.Helper()
	x, err := ParseTreatment(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestCardModels: the sizes are those that the field counts.
func TestCardModels(t *testing.T) {
	for name, want := range map[string]int64{
		"bert-base":    109_483_778,   // transformers' BertForSequenceClassification of bert-base-uncased
		"llama2-7b-l8": 1_881_214_976, // 6,738,415,616 of Llama 2 7B less 24 layers of 202,383,360
		"gpt2-124m":    124_439_808,   // OpenAI's smallest GPT-2
		"gpt2-355m":    354_823_168,
	} {
		c := cardModels[name]
		m, err := c.treat(treatment(t, "full"), c.tokens)
		if err != nil {
			t.Fatal(err)
		}
		if m.params != want || m.trained != want {
			t.Errorf("%s: %d parameters, %d trained, want %d", name, m.params, m.trained, want)
		}
	}
}

// TestTreatments: adapters freeze all else, cuts take the share of every layer that they
// say, and what a frozen layer's gradient would take is not in the plan.
func TestTreatments(t *testing.T) {
	for _, x := range []struct {
		model, treatment        string
		heads, hidden           int
		params, trained, layers int64
	}{
		{"bert-base", "lora", 12, 3072, 109_483_778 + 24*8*2*768, 24*8*2*768 + 2*769, 12},
		// A layer less 6 heads: 4 · 384 · 768 weights and 3 · 384 biases; less 1536 hidden
		// channels: 2 · 1536 · 768 weights and 1536 biases.
		{"bert-base", "half", 6, 1536, 109_483_778 - 12*(4*384*768+3*384+2*1536*768+1536), 0, 12},
		{"llama2-7b-l8", "half", 16, 5504, 1_881_214_976 - 8*(4*2048*4096+3*5504*4096), 0, 8},
		{"llama2-7b-l8", "half+lora", 16, 5504, 1_881_214_976 - 8*(4*2048*4096+3*5504*4096) + 16*8*(4096+2048), 16 * 8 * (4096 + 2048), 8},
		{"llama2-7b-l8", "cut=0.6+lora", 13, 4416, 1_881_214_976 - 8*(4*19*128*4096+3*(11008-4416)*4096) + 16*8*(4096+13*128), 16 * 8 * (4096 + 13*128), 8},
		{"gpt2-124m", "half+lora", 6, 1536, 124_439_808 - 12*(4*384*768+3*384+2*1536*768+1536) + 12*8*(768+3*384), 12 * 8 * (768 + 3*384), 12},
	} {
		c := cardModels[x.model]
		m, err := c.treat(treatment(t, x.treatment), c.tokens)
		if err != nil {
			t.Fatal(err)
		}
		if x.trained == 0 {
			x.trained = x.params
		}
		if m.heads != x.heads || m.hidden != x.hidden || m.params != x.params || m.trained != x.trained {
			t.Errorf("%s %s: %d heads, %d hidden, %d parameters, %d trained, want %+v", x.model, x.treatment, m.heads, m.hidden, m.params, m.trained, x)
		}
		if err := m.Verify(); err != nil {
			t.Errorf("%s %s: %v", x.model, x.treatment, err)
		}
		if !strings.Contains(x.treatment, "lora") {
			continue
		}
		p, ws, err := (&setup{CardOptions: CardOptions{Device: cpu.New(), Batch: 1}}).cardPlan(m)
		if err != nil {
			t.Fatal(err)
		}
		dw, dx, deep := 0, 0, 0
		for _, r := range p.Regions {
			for _, q := range r.Calls {
				switch q.Kernel {
				case device.LinearDW:
					dw++
					if w := ws[q.W[0]]; !w.Train {
						t.Errorf("%s %s: a gradient of %s, which is frozen", x.model, x.treatment, w.Name)
					}
				case device.EmbedD, device.PositionsD, device.SegmentD, device.PartD:
					t.Errorf("%s %s: %v, though no table and no norm trains", x.model, x.treatment, q.Kernel)
				case device.LinearDX:
					if dx++; strings.Contains(ws[q.W[0]].Name, ".0.") && strings.Contains(ws[q.W[0]].Name, "key") {
						deep++
					}
				}
			}
		}
		adapters := 2 * len(m.Adapters())
		kept := len(c.kept)
		if dw != adapters+kept || dx == 0 || deep > 0 {
			t.Errorf("%s %s: %d weight gradients for %d matrices of adapters and %d kept layers; %d gradients below the lowest adapter", x.model, x.treatment, dw, adapters, kept, deep)
		}
	}
	for _, bad := range []string{"", "lor", "half+", "half+full", "full+lora", "cut=", "cut=0", "cut=1", "cut=NaN", "cut=1.5+lora", "lora+lora", "24+half", "24-both+24", "2:4"} {
		if x, err := ParseTreatment(bad); err == nil {
			t.Errorf("treatment %q was read as %+v", bad, x)
		}
	}
}

// TestCardWork: multiply-adds of the Plan are those of a calculation by hand, and bf16
// halves what activations and read weights move, nothing else.
func TestCardWork(t *testing.T) {
	c := cardModels["bert-base"]
	m, err := c.treat(treatment(t, "full"), c.tokens)
	if err != nil {
		t.Fatal(err)
	}
	p, ws, err := (&setup{CardOptions: CardOptions{Device: cpu.New(), Batch: c.batch}}).cardPlan(m)
	if err != nil {
		t.Fatal(err)
	}
	hw := hwprofiles.Profile{Rates: map[string]hwprofiles.Rate{"bf16": {Achievable: &hwprofiles.Figure{Value: 1000}}}, BandwidthGBs: &hwprofiles.Figure{Value: 1}}
	half, whole := workOf(p, ws, c.batch, "bf16", &hw), workOf(p, ws, c.batch, "tf32", nil)
	rows, layer := int64(32*384), int64(4*768*768+2*768*3072)
	// Forward, dx and dw of each product, but for the lowest layer's inputs, which get a
	// gradient as the embeddings train; attention: 2 products forward, 5 backward.
	want := 3*12*layer*rows + 3*32*(768*768+2*768) + 7*12*32*384*384*768
	if half.MACs != want || whole.MACs != want {
		t.Errorf("%d and %d multiply-adds, want %d", half.MACs, whole.MACs, want)
	}
	if r := float64(half.Bytes) / float64(whole.Bytes); r < 0.5 || r > 0.6 {
		t.Errorf("%d bytes in bf16, %d in tf32", half.Bytes, whole.Bytes)
	}
	if whole.Seconds != nil || half.Seconds == nil || *half.Seconds < float64(half.Bytes)/1e9/2 {
		t.Errorf("seconds %v and %v", half.Seconds, whole.Seconds)
	}
}

// TestCardPlans: what is predicted falls from full to adapters, to a cut, to both.
func TestCardPlans(t *testing.T) {
	for _, model := range []string{"bert-base", "llama2-7b-l8"} {
		var rows []CardRow
		o := CardOptions{Device: cpu.New(), Precision: "bf16", Model: model, Rounds: 1, Window: time.Second, Hardware: "h100-sxm", Report: func(r CardRow) { rows = append(rows, r) }}
		for _, s := range []string{"full", "lora", "half", "half+lora", "cut=0.6+lora"} {
			o.Treatments = append(o.Treatments, treatment(t, s))
		}
		if err := CardPlans(o); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 5 || *rows[0].OfPlanned != 1 {
			t.Fatalf("%+v", rows)
		}
		for i, r := range rows[1:] {
			if !(*r.OfPlanned < *rows[i].OfPlanned) {
				t.Errorf("%s: %s is predicted at %.3f of full, %s at %.3f", model, rows[i].Treatment, *rows[i].OfPlanned, r.Treatment, *r.OfPlanned)
			}
		}
	}
	if err := CardPlans(CardOptions{Device: cpu.New(), Model: "bert-large"}); err == nil || !strings.Contains(err.Error(), "bert-base") {
		t.Errorf("error %v", err)
	}
}

// TestCardTwoFour: on a fake card whose 2:4 products take half, training and inference run
// on them and say how many; the masks are 2:4 as the treatment says, but of the last layer.
func TestCardTwoFour(t *testing.T) {
	for _, infer := range []bool{false, true} {
		dev, card := cudatest.New(1<<30, cuda.BF16)
		card.Takes = map[string]float32{"Run": 1, "RunSparse": 0.5}
		c := small()["llama"]
		s := &setup{CardOptions: CardOptions{Device: dev, Precision: "bf16", Model: "llama", Infer: infer, Batch: 2, Tokens: 16, Rounds: 1, Window: time.Microsecond}, model: c}
		var rows []CardRow
		s.Report = func(r CardRow) { rows = append(rows, r) }
		for _, x := range []string{"full", "24", "24-both", "24+lora"} {
			m, err := c.treat(treatment(t, x), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.Treatments, s.models = append(s.Treatments, treatment(t, x)), append(s.models, m)
			for _, l := range m.Layers() {
				p := m.Params[l.Param]
				n, k := p.Shape[0], p.Shape[1]
				down := p.Mask != nil
				for i := 0; i < n*k && down; i++ {
					kept := 0
					for j := range 4 {
						if row := i/k/4*4 + j; row < n && p.Mask.Kept(row*k+i%k) {
							kept++
						}
					}
					down = kept == 2
				}
				if pairs := tensor.TwoInFour(p.Mask, n, k); pairs != (x != "full" && l.Name != "lm_head") || down != (x == "24-both" && l.Name != "lm_head") {
					t.Errorf("%s, %s: 2:4 %t, along outputs %t", x, l.Name, pairs, down)
				}
			}
		}
		planned, err := s.planned()
		if err != nil {
			t.Fatal(err)
		}
		cs := s.ours(dev, planned)
		if err := s.turns(cs, noMeter(t)); err != nil {
			t.Fatal(err)
		}
		for _, c := range cs {
			c.shut()
		}
		both, forward, adapted := 14, 14, 14
		if !infer { // below the lowest adapters, on queries and values, nothing needs a gradient
			both, adapted = both+14, adapted+11
		}
		for i, want := range []*TwoFourRow{nil, {Used: forward, Products: both}, {Used: both, Products: both}, {Used: forward, Products: adapted}} {
			got := rows[i].TwoFour
			if (got == nil) != (want == nil) || got != nil && (got.Used != want.Used || got.Products != want.Products || !(got.NowMS < got.DenseMS)) {
				t.Errorf("inference %t, %s: %+v, want %+v", infer, rows[i].Treatment, got, want)
			}
		}
	}
}

// TestReached: the share of a predicted saving that was measured.
func TestReached(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	if s, ok := (CardRow{OfOurs: f(0.75), OfPlanned: f(0.7)}).Reached(); !ok || math.Abs(s-0.25/0.3) > 1e-12 {
		t.Errorf("%v %v", s, ok)
	}
	for _, r := range []CardRow{{}, {OfOurs: f(1)}, {OfOurs: f(1), OfPlanned: f(1)}} {
		if s, ok := r.Reached(); ok {
			t.Errorf("%v of a saving that nothing predicts or measures", s)
		}
	}
}

// small are the architectures at sizes for a processor.
func small() map[string]cardModel {
	gpt := gptOnCard(2, 64, 4)
	llama := llamaOnCard(2, 64, 4, 192, 100, 2, 16)
	llama.half = true
	return map[string]cardModel{"gpt": gpt, "bert": bertOnCard(2, 64, 4, 100, 2, 16), "llama": llama}
}

// TestCardContenders: on a fake card contenders take turns, a large model's stand on it
// one at a time, and what they held is given back.
func TestCardContenders(t *testing.T) {
	dev, _ := cudatest.New(1<<30, cuda.BF16)
	for _, large := range []bool{false, true} {
		c := small()["llama"]
		c.large = large
		s := &setup{CardOptions: CardOptions{Device: dev, Precision: "bf16", Model: "llama", Batch: 2, Tokens: 16, Rounds: 2, Window: time.Microsecond, Report: func(CardRow) {}}, model: c}
		for _, x := range []string{"full", "half+lora"} {
			m, err := c.treat(treatment(t, x), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.Treatments, s.models = append(s.Treatments, treatment(t, x)), append(s.models, m)
		}
		before, err := dev.Free()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.planned()
		if err != nil {
			t.Fatal(err)
		}
		cs, most, on := s.ours(dev, rows), 0, 0
		for _, c := range cs {
			open := c.open
			c.open = func() (onCard, error) {
				on++
				most = max(most, on)
				x, err := open()
				return counted{x, &on}, err
			}
		}
		if err := s.turns(cs, noMeter(t)); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 2, true: 1}[large]; most != want {
			t.Errorf("large %v: %d models stood on the card at once, want %d", large, most, want)
		}
		for _, c := range cs {
			if c.row.StepJ != nil || c.row.Tier != "" || c.row.OfOurs != nil {
				t.Errorf("joules that nobody measured: %+v", c.row)
			}
			if !(c.row.MemoryMiB > 0) || len(c.speeds) != 2 || !(c.row.StepMS > 0) {
				t.Errorf("%+v after %d turns", c.row, len(c.speeds))
			}
			c.shut()
		}
		if cs[1].row.MemoryMiB >= cs[0].row.MemoryMiB {
			t.Errorf("half of the model with adapters holds %.1f MiB, all of it %.1f", cs[1].row.MemoryMiB, cs[0].row.MemoryMiB)
		}
		if after, err := dev.Free(); err != nil || before-after > 64<<20 { // what the device keeps for products
			t.Errorf("%d bytes are not given back (%v)", before-after, err)
		}
	}
}

// noMeter reads no counter.
func noMeter(t *testing.T) *energy.Meter {
	t.Helper()
	m, err := energy.Open(energy.Options{GPU: energy.GPUNone, Source: energy.SourceProfile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() }) //nolint:errcheck // only read
	return m
}

type counted struct {
	onCard
	on *int
}

func (c counted) close() {
	*c.on--
	c.onCard.close()
}

// TestPeerNets opens each architecture in PyTorch on the processor, with each treatment,
// and takes a step. openCard fails where it has other parameters than ours.
// PARE_TORCH_PYTHON is an interpreter with torch: without one the test is skipped, as in CI.
func TestPeerNets(t *testing.T) {
	python := os.Getenv("PARE_TORCH_PYTHON")
	if python == "" {
		t.Skip("set PARE_TORCH_PYTHON to a Python with torch")
	}
	p, err := startPeers(python)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, c := range small() {
		for _, x := range []string{"full", "lora", "half", "half+lora", "cut=0.25+lora"} {
			t.Run(name+"/"+x, func(t *testing.T) {
				m, err := c.treat(treatment(t, x), 16)
				if err != nil {
					t.Fatal(err)
				}
				s := &setup{CardOptions: CardOptions{Precision: "bf16", Batch: 2, Tokens: 16, Treatments: []Treatment{treatment(t, x)}}, model: c, models: []*treated{m}}
				on, err := p.openCard(s.question(0, "eager", "cpu"), m)
				if err != nil {
					t.Fatal(err)
				}
				defer on.close()
				if sec, err := on.window(time.Millisecond); err != nil || !(sec > 0) {
					t.Errorf("a step takes %v s (%v)", sec, err)
				}
				s.Infer = true
				in, err := p.openCard(s.question(0, "eager", "cpu"), m)
				if err != nil {
					t.Fatal(err)
				}
				defer in.close()
				if sec, err := in.window(time.Millisecond); err != nil || !(sec > 0) {
					t.Errorf("an inference takes %v s (%v)", sec, err)
				}
				m.params++
				if _, err := p.openCard(s.question(0, "eager", "cpu"), m); err == nil || !strings.Contains(err.Error(), "another one") {
					t.Errorf("another model was taken for ours: %v", err)
				}
			})
		}
	}
}

// TestValues: matrices get a variance of 0.02², factors 1, what is added 0.
func TestValues(t *testing.T) {
	n := 1 << 17
	x := values(&graph.Param{Role: graph.Weight, Shape: []int{n}}, 7, nil)
	sum, sq := 0.0, 0.0
	for _, v := range x {
		sum, sq = sum+float64(v), sq+float64(v)*float64(v)
	}
	if mean, sd := sum/float64(n), math.Sqrt(sq/float64(n)); math.Abs(mean) > 4e-4 || math.Abs(sd-0.02) > 2e-4 {
		t.Errorf("mean %g, standard deviation %g", mean, sd)
	}
	if y := values(&graph.Param{Role: graph.Scale, Shape: []int{3}}, 7, x); y[0] != 1 || y[2] != 1 || &y[0] != &x[0] {
		t.Errorf("factors %v", y)
	}
	if y := values(&graph.Param{Role: graph.Shift, Shape: []int{3}}, 7, x); y[0] != 0 || y[2] != 0 {
		t.Errorf("shifts %v", y)
	}
}
