package prune

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

var update = flag.Bool("update", false, "rewrite testdata/masks.safetensors.gz from $PARE_ORACLES")

const (
	compact = "testdata/masks.safetensors.gz"
	rowsL2  = "rows-l2-0.50"
)

var oracleCases = []string{"global-l1-0.83", "layer-l1-0.70", rowsL2, "2of4-l1"}

// oracle holds the three weights of a LeNet-300-100 and what PyTorch 2.11 makes
// of them: case → one mask per layer.
type oracle struct {
	weights [][]float32
	shapes  []tensor.Shape
	masks   map[string][]*tensor.Mask
}

// TestOracle compares with the masks of torch.nn.utils.prune (global and per
// layer by L1, rows by L2) and 2:4 by magnitude, bit by bit. It reads
// $PARE_ORACLES/masks, or else a copy with bitsets for masks.
func TestOracle(t *testing.T) {
	o := readOracle(t)
	if *update {
		writeCompact(t, o)
	}
	t.Run("masks", func(t *testing.T) {
		t.Run(oracleCases[0], func(t *testing.T) {
			o.compare(t, oracleCases[0], masksOf(t, o.model(t), Spec{Score: "magnitude", Pattern: "element", Distribution: "global"}, 0.83))
		})
		t.Run(oracleCases[1], func(t *testing.T) {
			o.compare(t, oracleCases[1], masksOf(t, o.model(t), Spec{Score: "magnitude", Pattern: "element", Distribution: "layer"}, 0.70))
		})
		t.Run(oracleCases[2], func(t *testing.T) { o.compare(t, rowsL2, o.rows(t)) })
		t.Run(oracleCases[3], func(t *testing.T) {
			var got []*tensor.Mask
			for i, w := range o.weights {
				m, err := TwoOfFour(w, o.shapes[i])
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, m)
			}
			o.compare(t, oracleCases[3], got)
			o.compare(t, oracleCases[3], masksOf(t, o.model(t), Spec{Score: "magnitude", Pattern: "2:4", Distribution: "layer"}, half))
		})
	})
}

// model is the network the weights come from; head, if any, reads its output.
func (o *oracle) model(t *testing.T, head ...int) *graph.Model {
	t.Helper()
	b := &graph.Net{M: graph.New("oracle", o.shapes[0][1], 1, 1)}
	x := 0
	for i, s := range o.shapes {
		x = b.Linear(fmt.Sprint(i), x, s[0])
	}
	for i, n := range head {
		x = b.Linear(fmt.Sprintf("head%d", i), x, n)
	}
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	for i := range b.M.Params {
		b.M.Params[i].Data = make([]float32, b.M.Params[i].Shape.Len())
	}
	for i, w := range o.weights {
		copy(b.M.Params[b.M.Param(fmt.Sprintf("%d.weight", i))].Data, w)
	}
	return b.M
}

// rows cuts half of all neurons. PyTorch masks the rows of every layer, also of
// the last: a layer behind it, which is skipped, makes its rows neurons too. The
// share is that of the rows and columns that go with half of all channels.
func (o *oracle) rows(t *testing.T) []*tensor.Mask {
	t.Helper()
	m := o.model(t, 2)
	left, all, in := 0, 0, o.shapes[0][1]
	for _, s := range o.shapes {
		left += s[0] / 2 * in
		all += s.Len()
		in = s[0] / 2
	}
	s := Spec{Score: "magnitude", Pattern: "neuron", Distribution: "layer", Skip: []string{"head0"}}
	cuts, _, err := Cut(m, s, 1-float64(left)/float64(all), NewBase(m))
	if err != nil {
		t.Fatal(err)
	}
	var got []*tensor.Mask
	for i, s := range o.shapes {
		mask := tensor.NewMask(s.Len())
		for j := range s.Len() {
			mask.Drop(j)
		}
		for _, r := range cuts[i].Keep {
			for j := r * s[1]; j < (r+1)*s[1]; j++ {
				mask.Keep(j)
			}
		}
		got = append(got, mask)
	}
	return got
}

func (o *oracle) compare(t *testing.T, name string, got []*tensor.Mask) {
	t.Helper()
	for i, want := range o.masks[name] {
		if got[i].Equal(want) {
			continue
		}
		n, first := 0, -1
		for j := range o.weights[i] {
			if got[i].Kept(j) != want.Kept(j) {
				if n++; first < 0 {
					first = j
				}
			}
		}
		t.Errorf("layer %d: %d zeros, PyTorch has %d; %d places differ, the first is %d with weight %g", i, got[i].Zeros(), want.Zeros(), n, first, o.weights[i][first])
	}
}

// masksOf runs Masks and gives the resulting mask of every layer.
func masksOf(t *testing.T, m *graph.Model, s Spec, share float64) []*tensor.Mask {
	t.Helper()
	set, _, err := Masks(m, s, share)
	if err != nil {
		t.Fatal(err)
	}
	m = m.Clone()
	for _, x := range set {
		if _, err := x.Apply(m); err != nil {
			t.Fatal(err)
		}
	}
	var l []*tensor.Mask
	for _, x := range m.Layers() {
		l = append(l, m.Params[x.Param].Mask)
	}
	return l
}

func readOracle(t *testing.T) *oracle {
	t.Helper()
	if dir := os.Getenv("PARE_ORACLES"); dir != "" {
		w, err := safetensors.Open(filepath.Join(dir, "masks", "weights.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := safetensors.Open(filepath.Join(dir, "masks", "masks.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return parseOracle(t, w, func(name string, n int) *tensor.Mask {
			bytes := uint8s(t, m, name)
			mask := tensor.NewMask(n)
			for i, b := range bytes {
				if b == 0 {
					mask.Drop(i)
				}
			}
			return mask
		})
	}
	z, err := os.Open(compact)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	r, err := gzip.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return parseOracle(t, f, func(name string, n int) *tensor.Mask {
		return tensor.MaskFromBytes(uint8s(t, f, name), n)
	})
}

func parseOracle(t *testing.T, w *safetensors.File, mask func(name string, n int) *tensor.Mask) *oracle {
	t.Helper()
	o := &oracle{masks: map[string][]*tensor.Mask{}}
	for i := 0; i < 3; i++ {
		x, ok := w.Get(fmt.Sprintf("%d.weight", i))
		if !ok {
			t.Fatalf("no weight of layer %d", i)
		}
		data, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		o.weights = append(o.weights, data)
		o.shapes = append(o.shapes, tensor.Shape(x.Shape))
		for _, c := range oracleCases {
			m := mask(fmt.Sprintf("%s.%d", c, i), len(data))
			if m == nil {
				t.Fatalf("mask %s.%d does not fit %d weights", c, i, len(data))
			}
			o.masks[c] = append(o.masks[c], m)
		}
	}
	return o
}

func uint8s(t *testing.T, f *safetensors.File, name string) []uint8 {
	t.Helper()
	x, ok := f.Get(name)
	if !ok {
		t.Fatalf("no mask %s", name)
	}
	b, err := x.Uint8s()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeCompact(t *testing.T, o *oracle) {
	t.Helper()
	var ts []safetensors.Tensor
	for i, w := range o.weights {
		ts = append(ts, safetensors.FromFloat32(fmt.Sprintf("%d.weight", i), o.shapes[i], w))
		for _, c := range oracleCases {
			b := o.masks[c][i].Bytes()
			ts = append(ts, safetensors.FromUint8(fmt.Sprintf("%s.%d", c, i), []int{len(b)}, b))
		}
	}
	b, err := safetensors.Marshal(ts, nil)
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	g, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(compact, z.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
