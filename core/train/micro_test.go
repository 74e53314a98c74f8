package train

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pare/core/data"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// zooNet is a model of the zoo with its weights, and random samples for it: labels of every
// token where its output is one of tokens, of which some have none.
func zooNet(t *testing.T, name string, in zoo.Input, classes, samples int) (*graph.Model, *data.Set) {
	t.Helper()
	m, _, err := zoo.New(name, 3, in, classes)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 5))
	set := &data.Set{Shape: []int{in.C, in.H, in.W}}
	per := max(m.Values[m.Output].Seq, 1)
	for range samples {
		for range m.Input().Len() {
			x := r.NormFloat64()
			if in.Tokens > 0 {
				x = float64(r.IntN(classes))
			}
			set.X = append(set.X, float32(x))
		}
		for k := range per {
			l := int32(r.IntN(m.Classes()))
			if per > 1 && k%3 == 1 {
				l = data.NoLabel
			}
			set.Labels = append(set.Labels, l)
		}
	}
	if in.Tokens > 0 {
		set.Shape = []int{in.Tokens}
	}
	return m, set
}

// nets are an MLP, one with dropout, a CNN without batch norm and a language model.
func nets(t *testing.T) map[string]func() (*graph.Model, *data.Set) {
	return map[string]func() (*graph.Model, *data.Set){
		"mlp": func() (*graph.Model, *data.Set) { return smallNet(t, 1) },
		"cnn": func() (*graph.Model, *data.Set) { return zooNet(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28}, 10, 40) },
		"text": func() (*graph.Model, *data.Set) {
			return zooNet(t, "gpt-nano", zoo.Input{C: 1, H: 1, W: 1, Tokens: 20, Vocab: 31}, 31, 40)
		},
	}
}

// TestMicros: a batch in parts, ragged ones too, gives the loss and the gradients of the
// batch in one go, within rounding, and leaves the same weights after some steps.
func TestMicros(t *testing.T) {
	for name, net := range nets(t) {
		for _, dev := range []device.Device{cpu.New(), ref.New()} {
			if dev.Name() == "ref" && name != "mlp" {
				continue // minutes; the compliance suite has it op by op
			}
			t.Run(name+"/"+dev.Name(), func(t *testing.T) {
				steps := func(micros int) (losses []float64, grads, weights [][]float32) {
					m, set := net()
					tr, err := New(m, dev, Options{Batch: 17, Micros: micros, Optim: device.Optim{Momentum: 0.9, WeightDecay: 1e-3}, Seed: 7, Threads: 2}, nil)
					if err != nil {
						t.Fatal(err)
					}
					defer tr.Close()
					r := rand.New(rand.NewPCG(1, 1))
					for i, n := range []int{17, 17, 11, 3} {
						rows := make([]int32, n)
						for k, v := range r.Perm(set.N())[:n] {
							rows[k] = int32(v)
						}
						res, err := tr.Step(set, rows, 0.02, int64(i+1))
						if err != nil {
							t.Fatal(err)
						}
						losses = append(losses, res.Loss, float64(res.Correct), float64(res.N))
						for p, w := range tr.Weights {
							if g := make([]float32, w.Shape.Len()); w.Train {
								if err := tr.bank.Grad(p, g); err != nil {
									t.Fatal(err)
								}
								grads = append(grads, g)
							}
						}
					}
					if err := tr.Pull(); err != nil {
						t.Fatal(err)
					}
					for _, p := range m.Params {
						weights = append(weights, p.Data)
					}
					return losses, grads, weights
				}
				losses, grads, weights := steps(0)
				for _, micros := range []int{2, 5, 17} {
					l, g, w := steps(micros)
					for i := range losses {
						if !(math.Abs(l[i]-losses[i]) <= 2e-6*math.Abs(losses[i])) {
							t.Errorf("%d parts: loss or count %d is %v, %v in one go", micros, i, l[i], losses[i])
						}
					}
					if d := apart(g, grads); !(d < 5e-6) {
						t.Errorf("%d parts: gradients are off by %.1e", micros, d)
					}
					if d := apart(w, weights); !(d < 1e-6) {
						t.Errorf("%d parts: weights are off by %.1e", micros, d)
					}
				}
			})
		}
	}
}

// apart is the largest difference as a share of the largest value, list by list.
func apart(got, want [][]float32) float64 {
	worst, most := 0.0, 0.0
	for _, w := range want {
		for _, v := range w {
			most = max(most, math.Abs(float64(v)))
		}
	}
	for i, w := range want {
		for j, v := range w {
			worst = max(worst, math.Abs(float64(got[i][j])-float64(v)))
		}
	}
	return worst / most
}

// TestMicrosOfFewLabels: a part without any label counts for nothing; a batch without one
// is an error still.
func TestMicrosOfFewLabels(t *testing.T) {
	var weights [2][]float32
	for i, micros := range []int{0, 4} {
		m, set := zooNet(t, "gpt-nano", zoo.Input{C: 1, H: 1, W: 1, Tokens: 8, Vocab: 11}, 11, 8)
		for k := range set.Labels {
			if k/8 != 5 {
				set.Labels[k] = data.NoLabel
			}
		}
		tr, err := New(m, cpu.New(), Options{Batch: 4, Micros: micros, Threads: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		r, err := tr.Step(set, []int32{1, 2, 5, 7}, 0.1, 1)
		if err != nil || r.N != 5 {
			t.Fatalf("%d parts: %+v, %v", micros, r, err)
		}
		if _, err := tr.Step(set, []int32{0, 1, 2, 3}, 0.1, 2); err == nil || !strings.Contains(err.Error(), "no token of this batch has a label") {
			t.Errorf("%d parts, none with a label: %v", micros, err)
		}
		if err := tr.Pull(); err != nil {
			t.Fatal(err)
		}
		for _, p := range m.Params {
			weights[i] = append(weights[i], p.Data...)
		}
	}
	if d := apart(weights[1:], weights[:1]); !(d < 1e-6) {
		t.Errorf("weights are off by %.1e", d)
	}
}

// TestMicrosFailBetween: what is wrong with a later part leaves the weights and the state
// as they were, and the next step begins anew.
func TestMicrosFailBetween(t *testing.T) {
	step := func(wrong bool) []float32 {
		m, set := zooNet(t, "gpt-nano", zoo.Input{C: 1, H: 1, W: 1, Tokens: 8, Vocab: 11}, 11, 8)
		tr, err := New(m, cpu.New(), Options{Batch: 4, Micros: 4, Optim: device.Optim{Momentum: 0.9}, Threads: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		if wrong {
			bad := *set
			bad.X = slices.Clone(set.X)
			bad.X[6*8+3] = 99 // an id that the vocabulary does not have, in the third part
			if _, err := tr.Step(&bad, []int32{0, 3, 6, 7}, 0.1, 1); err == nil {
				t.Fatal("a wrong id passed")
			}
		}
		if _, err := tr.Step(set, []int32{4, 1, 2, 5}, 0.1, 1); err != nil {
			t.Fatal(err)
		}
		if err := tr.Pull(); err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, p := range m.Params {
			all = append(all, p.Data...)
		}
		return all
	}
	if !slices.Equal(step(true), step(false)) {
		t.Error("half a step was left behind")
	}
}

// TestMicrosMemory: values of a step in parts take the room of one part, and what is counted
// of it is what ran: the multiply-adds of the whole batch.
func TestMicrosMemory(t *testing.T) {
	for name, net := range nets(t) {
		var values, macs [2]int64
		for i, micros := range []int{0, 4} {
			m, _ := net()
			tr, err := New(m, cpu.New(), Options{Batch: 64, Micros: micros, Threads: 1}, nil)
			if err != nil {
				t.Fatal(err)
			}
			values[i], macs[i] = tr.Plan.Values(), tr.StepCost(64).MACs
			if got := tr.StepCost(64).MACs + tr.StepCost(16).MACs; 4*got != 5*macs[i] {
				t.Errorf("%s in %d parts: %d multiply-adds for 64 and 16 samples, %d for 64", name, micros, got, macs[i])
			}
			tr.Close()
		}
		if macs[0] != macs[1] || values[0] != 4*values[1] {
			t.Errorf("%s: %d bytes of values and %d multiply-adds in one go, %d and %d in 4 parts", name, values[0], macs[0], values[1], macs[1])
		}
	}
}

// TestGradientsInParts: the gradients that scores ask for are taken in parts, too.
func TestGradientsInParts(t *testing.T) {
	var sums [2][][]float32
	for i, micros := range []int{0, 3} {
		m, set := smallNet(t, 1)
		tr, err := New(m, cpu.New(), Options{Batch: 9, Micros: micros, Threads: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		sum, abs, err := tr.Gradients(set, [][]int32{{0, 1, 2, 3, 4, 5, 6, 7, 8}, {9, 10, 11, 12, 13, 14, 15, 16, 17, 18}})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range [][][]float32{sum, abs} {
			for _, x := range l {
				if x != nil {
					sums[i] = append(sums[i], x)
				}
			}
		}
	}
	if d := apart(sums[1], sums[0]); !(d < 1e-6) {
		t.Errorf("off by %.1e", d)
	}
}

// TestTooLargeNamesTheWay: a batch that does not fit a card is refused with the number of
// parts in which it does; it is the least power of two.
func TestTooLargeNamesTheWay(t *testing.T) {
	dev, card := cudatest.New(1<<23, cuda.F32)
	open := func(micros int) error {
		m, _ := zooNet(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28}, 10, 1)
		tr, err := New(m, dev, Options{Batch: 2048, Micros: micros}, nil)
		if err == nil {
			tr.Close()
		}
		return err
	}
	err := open(0)
	if !errors.Is(err, device.ErrMemory) || card.Calls("Launch") > 0 {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`; or keep the batch of 2048: train.accumulate = (\d+), in parts of (\d+)$`).FindStringSubmatch(err.Error())
	if found == nil {
		t.Fatal(err)
	}
	parts, _ := strconv.Atoi(found[1]) //nolint:errcheck // digits
	if err := open(parts); err != nil || strconv.Itoa(2048/parts) != found[2] {
		t.Errorf("in %d parts: %v", parts, err)
	}
	if err := open(parts / 2); err == nil || !strings.Contains(err.Error(), found[0]) {
		t.Errorf("in %d parts: %v", parts/2, err)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left on the card: %v", l)
	}
}

// TestRecomputeIsAWayOut: on cards of more and more memory the error names values made
// again and parts together, parts alone, and each of them; what it names fits.
func TestRecomputeIsAWayOut(t *testing.T) {
	seen := map[string]bool{}
	for memory := int64(900 << 10); memory < 64<<20; memory += max(16<<10, (memory-2<<20)/3) {
		dev, card := cudatest.New(memory, cuda.F32)
		open := func(o Options) error {
			m, _ := zooNet(t, "gpt-nano", zoo.Input{C: 1, H: 1, W: 1, Tokens: 64, Vocab: 63}, 63, 1)
			o.Batch = 64
			tr, err := New(m, dev, o, nil)
			if err == nil {
				tr.Close()
			}
			return err
		}
		err := open(Options{})
		if err == nil {
			break
		}
		_, ways, _ := strings.Cut(err.Error(), "; or keep the batch of 64: ")
		for _, way := range strings.Split(ways, "; or ") {
			var o Options
			o.Recompute = strings.Contains(way, "train.recompute = true")
			if found := regexp.MustCompile(`train.accumulate = (\d+), in parts of \d+$`).FindStringSubmatch(way); found != nil {
				o.Micros, _ = strconv.Atoi(found[1]) //nolint:errcheck // digits
			}
			if way == "" { // nothing fits
				continue
			}
			seen[fmt.Sprint(o.Recompute, o.Micros > 0)] = true
			if err := open(o); err != nil {
				t.Errorf("%d bytes, %s: %v", memory, way, err)
			}
		}
		if l := card.Leaks(); len(l) > 0 {
			t.Fatalf("left on the card: %v", l)
		}
	}
	if len(seen) != 3 {
		t.Errorf("ways that were named: %v", seen)
	}
}

// TestEvaluatorInParts: an evaluation alone takes no more samples at a time than training
// does in one go, so that a card that holds the one holds the other; its score is the same.
func TestEvaluatorInParts(t *testing.T) {
	m, set := zooNet(t, "lenet-5", zoo.Input{C: 1, H: 28, W: 28}, 10, 64)
	score := func(dev device.Device, o Options) (Score, error) {
		e, err := NewEvaluator(m, dev, o)
		if err != nil {
			return Score{}, err
		}
		defer e.Close()
		return e.Eval(set)
	}
	whole, err := score(cpu.New(), Options{Batch: 64})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := score(cpu.New(), Options{Batch: 64, Micros: 8})
	if err != nil || parts.Correct != whole.Correct || parts.N != whole.N || math.Abs(parts.Loss-whole.Loss) > 1e-6*whole.Loss {
		t.Errorf("in parts %+v, %v, else %+v", parts, err, whole)
	}
	small, _ := cudatest.New(4<<20, cuda.F32)
	if _, err := score(small, Options{Batch: 64}); !errors.Is(err, device.ErrMemory) {
		t.Fatalf("%v: the card is to be too small for %d samples", err, EvalBatch)
	}
	if _, err := score(small, Options{Batch: 64, Micros: 8}); err != nil {
		t.Errorf("in parts: %v", err)
	}
}

// TestPartsThatAreNamed: no part of fewer samples than a tile is named, since values take
// the room of one at least: batch norm over vectors, which can make nothing of a single
// sample, never gets such parts proposed.
func TestPartsThatAreNamed(t *testing.T) {
	named, least := 0, 128
	for memory := int64(2 << 20); memory < 64<<20; memory += 256 << 10 {
		b := graph.Net{M: graph.New("norms", 4, 1, 1)}
		b.Linear("out", b.Op("relu", "relu", b.Norm("norm", b.Linear("fc", 0, 8192))), 2)
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		if err := zoo.Init(b.M, 1); err != nil {
			t.Fatal(err)
		}
		dev, _ := cudatest.New(memory, cuda.F32)
		tr, err := New(b.M, dev, Options{Batch: 128}, nil)
		if err == nil {
			tr.Close()
			break
		}
		for _, part := range regexp.MustCompile(`in parts of (\d+)`).FindAllStringSubmatch(err.Error(), -1) {
			n, _ := strconv.Atoi(part[1]) //nolint:errcheck // digits
			named, least = named+1, min(least, n)
		}
	}
	if named == 0 || least != cuda.T {
		t.Errorf("%d ways in parts, the smallest of %d samples, a tile has %d", named, least, cuda.T)
	}
}
