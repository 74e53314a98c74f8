package lowrank_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/lowrank"
	"pare/core/model/safetensors"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// TestOracleSingularValues: those of PyTorch, in float64.
func TestOracleSingularValues(t *testing.T) {
	dir := filepath.Join("testdata", "masks")
	if d := os.Getenv("PARE_ORACLES"); d != "" {
		dir = filepath.Join(d, "masks")
	}
	f, err := safetensors.Open(filepath.Join(dir, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for i := range f.Tensors {
		w := &f.Tensors[i]
		layer, ok := strings.CutSuffix(w.Name, ".weight")
		text, err := os.ReadFile(filepath.Join(dir, "singular-values."+layer+".txt"))
		if !ok || err != nil || len(w.Shape) != 2 {
			continue
		}
		cases++
		t.Run(layer, func(t *testing.T) {
			x, err := w.Float32()
			if err != nil {
				t.Fatal(err)
			}
			got, err := lowrank.Spectrum(x, w.Shape[0], w.Shape[1])
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(string(text))
			if len(got) != len(want) {
				t.Fatalf("%d values, want %d", len(got), len(want))
			}
			for i, s := range want {
				var v float64
				if _, err := fmt.Sscan(s, &v); err != nil {
					t.Fatal(err)
				}
				if !(math.Abs(got[i]-v) <= 1e-10*math.Max(1, v)) {
					t.Errorf("value %d is %.15g, want %.15g", i, got[i], v)
				}
			}
			// The approximation's error is the values left out (Eckart & Young).
			rank := lowrank.RankOf(got, 0.9)
			down, up, err := lowrank.Factors(x, w.Shape[0], w.Shape[1], rank)
			if err != nil {
				t.Fatal(err)
			}
			lost, all := 0.0, 0.0
			for n := range w.Shape[0] {
				for k := range w.Shape[1] {
					v := float64(x[n*w.Shape[1]+k])
					all += v * v
					for r := range rank {
						v -= float64(up[n*rank+r]) * float64(down[r*w.Shape[1]+k])
					}
					lost += v * v
				}
			}
			if e := lowrank.Energy(got, rank); !(e >= 0.9) || !(lowrank.Energy(got, rank-1) < 0.9) || !(math.Abs(1-lost/all-e) < 1e-5) {
				t.Errorf("rank %d keeps %.6f of the energy, by its factors %.6f", rank, e, 1-lost/all)
			}
		})
	}
	if cases == 0 {
		t.Fatalf("no case in %s", dir)
	}
}

func TestRankOf(t *testing.T) {
	for _, x := range []struct {
		sigma  []float64
		energy float64
		want   int
	}{{[]float64{3, 0, 0}, 1, 1}, {[]float64{2, 2, 2, 2}, 0.5, 2}, {[]float64{2, 2, 2, 2}, 0.51, 3}, {[]float64{0, 0}, 0.9, 1}, {[]float64{4, 3}, 1, 2}} {
		if got := lowrank.RankOf(x.sigma, x.energy); got != x.want {
			t.Errorf("%v at %g: rank %d, want %d", x.sigma, x.energy, got, x.want)
		}
	}
	if b := lowrank.BreakEven(300, 784); math.Abs(b-216.974) > 1e-3 {
		t.Errorf("break-even of 300×784 at %g", b)
	}
}

// TestFactorise: of full rank the two layers compute what the one did; what cannot be
// factorised is refused and stays as it was.
func TestFactorise(t *testing.T) {
	b := &graph.Net{M: graph.New("mlp", 14, 1, 1)}
	b.Linear("out", b.Op("relu", "relu", b.Linear("in", 0, 20)), 5)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	m, r := b.M, rand.New(rand.NewPCG(1, 1))
	for i := range m.Params {
		p := &m.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for k := range p.Data {
			p.Data[k] = float32(r.NormFloat64())
		}
	}
	before := logits(t, m)
	down, up, err := lowrank.Factors(m.Params[0].Data, 20, 14, 14)
	if err != nil {
		t.Fatal(err)
	}
	f := graph.Factorise{Layer: "in", Rank: 14, Down: down, Up: up}
	whole := m.Clone()
	if _, err := f.Apply(m); err != nil {
		t.Fatal(err)
	}
	after := logits(t, m)
	for i := range before {
		if !(math.Abs(float64(before[i]-after[i])) < 1e-4) {
			t.Fatalf("output %d is %g, was %g", i, after[i], before[i])
		}
	}
	var names []string
	for _, l := range m.Layers() {
		names = append(names, l.Name)
	}
	if strings.Join(names, " ") != "in.down in.up out" || m.Param("in.bias") < 0 || m.Param("in.weight") >= 0 {
		t.Errorf("layers %v", names)
	}
	groups, err := m.Groups() // the rank is a group of channels like any other
	if err != nil || groups[1].Name != "in.down" || groups[1].Refused != "" {
		t.Errorf("%+v, %v", groups, err)
	}
	mask := tensor.NewMask(20 * 14)
	mask.Drop(3)
	masked := whole.Clone()
	masked.Params[0].Mask = mask
	lora := whole.Clone()
	if _, err := (graph.AttachLoRA{Layer: "in", Rank: 2, Alpha: 2}).Apply(lora); err != nil {
		t.Fatal(err)
	}
	short := f
	short.Up = up[1:]
	for _, x := range []struct {
		m    *graph.Model
		f    graph.Factorise
		want string
	}{{masked, f, "mask"}, {lora, f, "adapter"}, {whole, short, "factors"}, {m, f, "no layer"}} {
		hash := x.m.WeightHash()
		if _, err := x.f.Apply(x.m); err == nil || !strings.Contains(err.Error(), x.want) || x.m.WeightHash() != hash {
			t.Errorf("%v, want %q", err, x.want)
		}
	}
}

func logits(t *testing.T, m *graph.Model) []float32 {
	t.Helper()
	x := make([]float32, 2*m.Input().Len())
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	return devicetest.Outputs(t, ref.New(), m, x)
}

// counted is a device on which a call takes as many ns as it has multiply-adds.
type counted struct{ device.Device }

func (d counted) Compile(p *device.Plan, b device.Bank, threads int) (device.Exec, error) {
	e, err := d.Device.Compile(p, b, threads)
	return countedExec{e, p, b.Weights()}, err
}

type countedExec struct {
	device.Exec
	p  *device.Plan
	ws []device.Weight
}

func (e countedExec) Times() (l []time.Duration) {
	for _, r := range e.p.Regions {
		for _, c := range r.Calls {
			l = append(l, time.Duration(device.CostOf(e.p, e.ws, &c, 1).MACs))
		}
	}
	return l
}

// TestProbe: a rank at break-even is refused without timing, a small one of a large
// layer is seen to be faster.
func TestProbe(t *testing.T) {
	s := lowrank.Setup{Batch: 64, Optim: device.Optim{Momentum: 0.9}, Threads: 1}
	v, err := lowrank.Probe(cpu.New(), s, "fc", 300, 784, 217, 0.99)
	if err != nil || v.Faster || v.StepUS != 0 || !strings.Contains(v.String(), "below rank 217.0") {
		t.Errorf("%v, %v", v, err)
	}
	v, err = lowrank.Probe(counted{cpu.New()}, s, "fc", 300, 784, 16, 0.8)
	if err != nil || !v.Faster || !(v.FactorsUS > 0) {
		t.Errorf("%v, %v", v, err)
	}
	if v, err = lowrank.Probe(cpu.New(), lowrank.Setup{Batch: 2, Seq: 9, Threads: 1}, "fc", 8, 8, 3, 1); err != nil || v.StepUS <= 0 {
		t.Errorf("%v, %v", v, err)
	}
}

func TestSelect(t *testing.T) {
	b := &graph.Net{M: graph.New("net", 4, 1, 1)}
	b.Linear("b.fc", b.Linear("a.fc", b.Linear("fc2", 0, 4), 4), 2)
	any := func(graph.Layer) error { return nil }
	not := func(l graph.Layer) error {
		if l.Name == "fc2" {
			return fmt.Errorf("fc2 is refused")
		}
		return nil
	}
	none := func(l graph.Layer) error { return fmt.Errorf("%s is too narrow", l.Name) }
	names := func(words []string, ok func(graph.Layer) error) string {
		l, err := lowrank.Select(b.M, words, ok)
		if err != nil {
			return err.Error()
		}
		s := ""
		for _, x := range l {
			s += x.Name + " "
		}
		return s
	}
	for _, x := range []struct{ got, want string }{
		{names(nil, any), "fc2 a.fc b.fc "}, {names([]string{"fc"}, any), "a.fc b.fc "}, {names([]string{"a.fc", "fc2"}, any), "fc2 a.fc "},
		{names(nil, not), "a.fc b.fc "}, {names([]string{"fc2"}, not), "fc2 is refused"}, {names([]string{"c"}, any), `no layer is named "c": net has fc2, a.fc, b.fc`},
		{names(nil, none), "net has no layer for it: fc2 is too narrow, a.fc is too narrow, b.fc is too narrow"},
	} {
		if x.got != x.want {
			t.Errorf("%q, want %q", x.got, x.want)
		}
	}
}
