package infer_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pare/core/deploy"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/infer"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// pared is a zoo model with that share of zeros in blocks of rows×1; 0 rows
// leave it dense.
func pared(t testing.TB, name string, rows int, zeros float64) *graph.Model {
	t.Helper()
	for _, i := range zoo.List() {
		if i.Name != name {
			continue
		}
		m, _, err := zoo.New(name, 1, i.Input, i.Classes)
		if err != nil {
			t.Fatal(err)
		}
		if rows > 0 {
			drop(m, rows, zeros)
		}
		return m
	}
	t.Fatalf("no model %s", name)
	return nil
}

func drop(m *graph.Model, rows int, zeros float64) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, l := range m.Layers() {
		p := &m.Params[l.Param]
		n, k := p.Shape[0], p.Shape[1:].Len()
		p.Mask = tensor.NewMask(n * k)
		for nb := 0; nb < n; nb += rows {
			for j := range k {
				if r.Float64() >= zeros {
					continue
				}
				for i := nb; i < min(nb+rows, n); i++ {
					p.Mask.Drop(i*k + j)
				}
			}
		}
		p.Mask.Apply(p.Data)
	}
}

// exported writes m to a file in a format of deploy.
func exported(t testing.TB, m *graph.Model, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := deploy.Write(&b, m, format); err != nil {
		t.Fatal(err)
	}
	name := "m.safetensors"
	if format == deploy.ONNX {
		name = "m.onnx"
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string, o ...infer.Option) *infer.Net {
	t.Helper()
	n, err := infer.Open(path, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func samples(n int) []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}

func run(t testing.TB, n *infer.Net, x []float32) []float32 {
	t.Helper()
	out := make([]float32, len(x)/n.Input().Len()*n.Output().Len())
	if err := n.Run(x, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAgainstReference: every kind of file says what the model in memory says on
// the scalar device, for single samples, ragged tiles and ragged batches.
func TestAgainstReference(t *testing.T) {
	for _, name := range []string{"lenet-300-100", "lenet-5"} {
		for _, rows := range []int{0, 1, 4, 16} {
			m := pared(t, name, rows, 0.9)
			for _, format := range []string{deploy.Packed, deploy.Safetensors, deploy.ONNX} {
				t.Run(fmt.Sprintf("%s/%d rows/%s", name, rows, format), func(t *testing.T) {
					path := exported(t, m, format)
					n, slow := open(t, path, infer.Batch(24)), open(t, path, infer.On(ref.New()))
					if f := n.Layers()[0].Format; name == "lenet-300-100" && f != fmt.Sprintf("%d×1", rows) && (f != "dense" || rows > 0) {
						t.Errorf("%+v", n.Layers()[0])
					}
					x := samples(50 * n.Input().Len())
					want := run(t, slow, x)
					for _, b := range []int{1, 2, 3, 5, 7, 8, 15, 17, 24, 25, 50} {
						got := run(t, n, x[:b*n.Input().Len()])
						if d := deploy.MaxDiff(got, want[:len(got)]); !(d <= 1e-4) {
							t.Errorf("%d samples: off by %g", b, d)
						}
					}
				})
			}
		}
	}
}

// TestSameBits: the batch, the threads and what ran before change nothing, of many samples
// and of few.
func TestSameBits(t *testing.T) {
	path := exported(t, pared(t, "lenet-5", 4, 0.9), deploy.Packed)
	first := open(t, path)
	f := first.Input().Len()
	x := samples(70 * f)
	want := run(t, first, x)
	for _, o := range [][]infer.Option{{infer.Batch(16)}, {infer.Batch(33), infer.Threads(3)}, {infer.Threads(0)}, {infer.Batch(1000)}} {
		n := open(t, path, o...)
		run(t, n, x[:3*f])
		for i, v := range run(t, n, x) {
			if math.Float32bits(v) != math.Float32bits(want[i]) {
				t.Fatalf("output %d is %g, was %g", i, v, want[i])
			}
		}
		for b := 1; b <= 16; b++ {
			if got, want := run(t, n, x[:b*f]), run(t, first, x[:b*f]); !slices.Equal(got, want) {
				t.Fatalf("%d samples: %v, were %v", b, got, want)
			}
		}
	}
	// A batch of one is the single sample's plan for all.
	one := open(t, path, infer.Batch(1))
	all := run(t, one, x)
	for i := range 70 {
		got := run(t, first, x[i*f:(i+1)*f])
		for j, v := range got {
			if v != all[i*len(got)+j] {
				t.Fatalf("sample %d alone: %v", i, got)
			}
		}
	}
}

// TestNoAllocations: a call makes no garbage.
func TestNoAllocations(t *testing.T) {
	for _, rows := range []int{0, 16} {
		n := open(t, exported(t, pared(t, "lenet-300-100", rows, 0.9), deploy.Packed))
		for _, b := range []int{1, 5, 64, 70} {
			x := samples(b * n.Input().Len())
			out := make([]float32, b*n.Output().Len())
			if got := testing.AllocsPerRun(50, func() {
				if err := n.Run(x, out); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%d rows, %d samples: %g allocations in a call", rows, b, got)
			}
		}
	}
}

// TestConcurrent: many goroutines on one net get what each would get alone, and
// Close waits for them.
func TestConcurrent(t *testing.T) {
	path := exported(t, pared(t, "lenet-300-100", 4, 0.9), deploy.Packed)
	for _, threads := range []int{1, 2} {
		n := open(t, path, infer.Batch(16), infer.Threads(threads))
		f, k := n.Input().Len(), n.Output().Len()
		x := samples(20 * f)
		var want [21][]float32 // by the number of samples
		for b := 1; b <= 20; b++ {
			want[b] = run(t, n, x[:b*f])
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				out := make([]float32, 20*k)
				for i := range 30 {
					b := 1 + (g*7+i)%20
					if err := n.Run(x[:b*f], out[:b*k]); err != nil {
						t.Error(err)
						return
					}
					for j := range out[:b*k] {
						if out[j] != want[b][j] {
							t.Errorf("%d samples: output %d is %g, alone it was %g", b, j, out[j], want[b][j])
							return
						}
					}
				}
			})
		}
		wg.Wait()
		for range 4 { // some of these end in an error, none in a crash
			wg.Go(func() {
				out := make([]float32, 20*k)
				for n.Run(x, out) == nil {
				}
			})
		}
		for range 2 {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
	}
}

// TestNames: what a net says of itself, from a file that has names and from one
// that has none.
func TestNames(t *testing.T) {
	m := pared(t, "lenet-5", 16, 0.9)
	dense, packed := open(t, exported(t, pared(t, "lenet-5", 0, 0), deploy.Packed)), open(t, exported(t, m, deploy.Packed))
	if got, want := packed.Input(), (infer.Port{Name: "input", C: 1, H: 28, W: 28}); got != want {
		t.Errorf("input %+v", got)
	}
	if got, want := packed.Output(), (infer.Port{Name: "logits", C: 10, H: 1, W: 1}); got != want {
		t.Errorf("output %+v", got)
	}
	if packed.Name() != "lenet-5" || len(packed.Layers()) != len(m.Layers()) {
		t.Errorf("%s %+v", packed.Name(), packed.Layers())
	}
	if d, p := dense.Resident(), packed.Resident(); p > d/2 {
		t.Errorf("%d bytes resident, %d dense", p, d)
	}
	m.InputName, m.OutputName = "pixels", "scores"
	for _, format := range []string{deploy.Packed, deploy.ONNX} {
		n := open(t, exported(t, m, format))
		if n.Input().Name != "pixels" || n.Output().Name != "scores" {
			t.Errorf("%s: %+v, %+v", format, n.Input(), n.Output())
		}
	}
}

// small is a device on which plans do not fit: what cannot run is said at once.
type small struct{ device.Device }

func (small) Compile(*device.Plan, device.Bank, int) (device.Exec, error) {
	return nil, fmt.Errorf("this machine is too small")
}

// TestErrors: one line that says what is wrong.
func TestErrors(t *testing.T) {
	path := exported(t, pared(t, "lenet-300-100", 0, 0), deploy.Packed)
	bad := filepath.Join(t.TempDir(), "bad.safetensors")
	if err := os.WriteFile(bad, []byte("no such thing"), 0o644); err != nil {
		t.Fatal(err)
	}
	pickled := filepath.Join(t.TempDir(), "net.pt")
	if err := os.WriteFile(pickled, []byte("PK"), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := func(path string, o ...infer.Option) error { _, err := infer.Open(path, o...); return err }
	n := open(t, path)
	bare := pared(t, "lenet-300-100", 0, 0)
	bare.Params[0].Data = nil
	_, noValues := infer.New(bare)
	for _, c := range []struct {
		err  error
		want []string
	}{
		{opened("none.safetensors"), []string{"none.safetensors", "no such file"}},
		{opened("none.onnx"), []string{"none.onnx", "no such file"}},
		{opened("none"), []string{"none", "no such file"}},
		{opened("infer.go"), []string{"infer.go", "unknown kind of file", ".safetensors"}},
		{opened(pickled), []string{pickled, "torch.onnx.export"}},
		{opened("."), []string{"no config.json", "model.safetensors"}},
		{opened(bad), []string{bad}},
		{opened(path, infer.Batch(0)), []string{"batch of 0 samples"}},
		{opened(path, infer.On(small{cpu.New()})), []string{"too small"}},
		{noValues, []string{"fc1.weight", "0 values"}},
		{n.Run(nil, nil), []string{"0 values", "784 a sample"}},
		{n.Run(make([]float32, 785), make([]float32, 10)), []string{"785 values", "784 a sample (1×28×28)"}},
		{n.Run(make([]float32, 2*784), make([]float32, 10)), []string{"room for 10 values", "makes 20 of 2 samples, 10 each"}},
		{n.Run(make([]float32, 784), make([]float32, 11)), []string{"room for 11 values", "makes 10"}},
	} {
		if c.err == nil {
			t.Errorf("no error, want %q", c.want)
			continue
		}
		for _, w := range append(c.want, "") {
			if !strings.Contains(c.err.Error(), w) || strings.Contains(c.err.Error(), "\n") {
				t.Errorf("%q, want %q in one line", c.err, w)
			}
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Run(make([]float32, 784), make([]float32, 10)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
}

// TestModelIsNotKept: what happens to the model later does not change a net.
func TestModelIsNotKept(t *testing.T) {
	m := pared(t, "lenet-300-100", 4, 0.9)
	n, err := infer.New(m)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	x := samples(2 * n.Input().Len())
	want := run(t, n, x)
	for i := range m.Params {
		clear(m.Params[i].Data)
		if m.Params[i].Mask != nil {
			clear(m.Params[i].Mask.Bits)
		}
	}
	if d := deploy.MaxDiff(run(t, n, x), want); d != 0 {
		t.Errorf("off by %g", d)
	}
}

// wideMLP is 784-1024-1024-10.
func wideMLP(b *testing.B) *graph.Model {
	fc := &graph.Net{M: graph.New("784-1024-1024-10", 784, 1, 1)}
	x := fc.Op("relu1", "relu", fc.Linear("fc1", 0, 1024))
	x = fc.Op("relu2", "relu", fc.Linear("fc2", x, 1024))
	fc.Linear("fc3", x, 10)
	if fc.Err != nil {
		b.Fatal(fc.Err)
	}
	if err := zoo.Init(fc.M, 1); err != nil {
		b.Fatal(err)
	}
	return fc.M
}

// benchmark times calls of batch samples.
func benchmark(b *testing.B, n *infer.Net, batch int) {
	x, out := samples(batch*n.Input().Len()), make([]float32, batch*n.Output().Len())
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Run(x, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n.Resident())/1024, "KiB-resident")
}

// BenchmarkRun: calls of one sample and of 64, dense and with 90 % of the
// weights gone in blocks of 16×1 and others.
func BenchmarkRun(b *testing.B) {
	dense := wideMLP(b)
	for _, rows := range []int{0, 1, 4, 16} {
		m := dense.Clone()
		name := "dense"
		if rows > 0 {
			drop(m, rows, 0.9)
			name = fmt.Sprintf("90%%-%dx1", rows)
		}
		n := open(b, exported(b, m, deploy.Packed))
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/batch%d", name, batch), func(b *testing.B) { benchmark(b, n, batch) })
		}
	}
}

// BenchmarkFew: calls of few samples, dense and with 90 % of the weights gone.
func BenchmarkFew(b *testing.B) {
	for _, dense := range []*graph.Model{pared(b, "lenet-5", 0, 0), pared(b, "lenet-300-100", 0, 0), wideMLP(b)} {
		for _, rows := range []int{0, 1, 4, 8, 16} {
			m, name := dense.Clone(), dense.Name+"/dense"
			if rows > 0 {
				drop(m, rows, 0.9)
				name = fmt.Sprintf("%s/90%%-%dx1", dense.Name, rows)
			}
			n := open(b, exported(b, m, deploy.Packed))
			for _, batch := range []int{1, 2, 3, 4, 5, 7} {
				b.Run(fmt.Sprintf("%s/batch%d", name, batch), func(b *testing.B) { benchmark(b, n, batch) })
			}
		}
	}
}

// BenchmarkShares: calls of one sample by the share of zeros. Formats that the chooser takes
// for the gain of larger calls must not take longer than dense, whose time is that of 0.
func BenchmarkShares(b *testing.B) {
	dense := wideMLP(b)
	for _, rows := range []int{1, 4, 8, 16} {
		for _, zeros := range []float64{0, 0.3, 0.5, 0.7, 0.8, 0.9} {
			m := dense.Clone()
			drop(m, rows, zeros)
			n := open(b, exported(b, m, deploy.Packed))
			b.Run(fmt.Sprintf("%dx1/%g/%s", rows, zeros, n.Layers()[0].Format), func(b *testing.B) { benchmark(b, n, 1) })
		}
	}
}

// TestSequence: a model of sequences takes ids and makes logits for every token.
func TestSequence(t *testing.T) {
	m, err := zoo.GPT{Layers: 1, Width: 32, Heads: 2, Vocabulary: 20, Tokens: 9}.Build("gpt", 1)
	if err != nil {
		t.Fatal(err)
	}
	net, err := infer.New(m, infer.Batch(4))
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	if in, out := net.Input().Len(), net.Output().Len(); in != 9 || out != 9*20 {
		t.Fatalf("takes %d values and makes %d, want 9 and 180", in, out)
	}
	ids := make([]float32, 5*9)
	for i := range ids {
		ids[i] = float32(i * 7 % 20)
	}
	all := make([]float32, 5*180)
	if err := net.Run(ids, all); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		one := make([]float32, 180)
		if err := net.Run(ids[9*i:9*i+9], one); err != nil {
			t.Fatal(err)
		}
		for k, v := range one {
			if d := math.Abs(float64(v - all[180*i+k])); !(d < 1e-5) {
				t.Fatalf("sequence %d alone: logit %d is %g, among five %g", i, k, v, all[180*i+k])
			}
		}
	}
	ids[3] = 20
	if err := net.Run(ids, all); err == nil || !strings.Contains(err.Error(), "whole numbers from 0 to 19") {
		t.Errorf("an id beyond the table: %v", err)
	}
}
