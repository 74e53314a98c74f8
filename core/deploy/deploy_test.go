package deploy

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

var minusZero = float32(math.Copysign(0, -1))

// failer is what helpers need of a *testing.T, *testing.F or *rapid.T.
type failer interface{ Fatal(args ...any) }

// net has one of each: a convolution, batch norm, and linear layers whose
// outputs are no multiple of four.
func net(t failer, c, k, hidden, classes int) *graph.Model {
	b := &graph.Net{M: graph.New("net", c, 5, 5)}
	b.M.InputName = "pixels"
	x := b.Op("a1", "relu", b.Norm("bn", b.Conv("conv", 0, k, 3, 1, 1, 1, true)))
	x = b.Op("flat", "flatten", b.Pool("pool", "maxpool", x, 2, 2))
	b.Linear("out", b.Op("a2", "relu", b.Linear("fc", x, hidden)), classes)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	s := uint32(1)
	for i := range b.M.Params {
		p := &b.M.Params[i]
		p.Data = make([]float32, p.Shape.Len())
		for j := range p.Data {
			s = s*1664525 + 1013904223
			p.Data[j] = float32(int32(s)) / (1 << 31)
		}
	}
	return b.M
}

// rules are the ways in which a layer loses weights.
var rules = []string{"none", "element", "blocks", "all", "all but one", "one"}

// mask drops part of a weight by a rule.
func mask(t *rapid.T, p *graph.Param, rule string) {
	n, k := p.Shape[0], p.Shape[1:].Len()
	m := tensor.NewMask(n * k)
	switch rule {
	case "none":
		return
	case "element":
		for i := range n * k {
			if rapid.IntRange(0, 3).Draw(t, "drop") > 0 {
				m.Drop(i)
			}
		}
	case "blocks":
		for nb := 0; nb < n; nb += blockRows {
			for j := range k {
				if rapid.IntRange(0, 3).Draw(t, "drop") > 0 {
					for i := nb; i < min(nb+blockRows, n); i++ {
						m.Drop(i*k + j)
					}
				}
			}
		}
	case "all", "all but one":
		clear(m.Bits)
		if rule == "all but one" {
			m.Keep(rapid.IntRange(0, n*k-1).Draw(t, "kept"))
		}
	case "one":
		m.Drop(rapid.IntRange(0, n*k-1).Draw(t, "dropped"))
	}
	p.Mask = m
	m.Apply(p.Data)
}

// written gives the bytes of an export.
func written(t failer, m *graph.Model, format string) []byte {
	var b bytes.Buffer
	if err := Write(&b, m, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte) (*graph.Model, error) {
	f, err := safetensors.Parse(b)
	if err != nil {
		return nil, err
	}
	return fromFile(f)
}

// TestRoundTrip: a file read back is the model that was written, bit by bit, −0
// but for its sign, and its masks: packed as they were, plain where the zeros
// are.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := net(t, rapid.IntRange(1, 2).Draw(t, "c"), rapid.IntRange(1, 6).Draw(t, "k"), rapid.IntRange(1, 9).Draw(t, "hidden"), rapid.IntRange(1, 5).Draw(t, "classes"))
		for i := range m.Params {
			p := &m.Params[i]
			if rapid.Bool().Draw(t, "minus zeros") {
				p.Data[rapid.IntRange(0, len(p.Data)-1).Draw(t, "at")] = minusZero
			}
			if m.Prunable(i) {
				mask(t, p, rapid.SampledFrom(rules).Draw(t, "rule"))
			}
		}
		before := m.WeightHash()
		want := m.Clone()
		for i := range want.Params {
			want.Params[i].Data = positiveZeros(want.Params[i].Data)
		}
		for _, format := range []string{Packed, Safetensors} {
			b := written(t, m, format)
			if m.WeightHash() != before {
				t.Fatalf("%s: writing changed the model", format)
			}
			back, err := read(b)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if err := SameZeros(m, back); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			for i := range want.Params {
				p, q := &want.Params[i], &back.Params[i]
				for j := range p.Data {
					if math.Float32bits(p.Data[j]) != math.Float32bits(q.Data[j]) {
						t.Fatalf("%s: %s[%d] is %g, was %g", format, p.Name, j, q.Data[j], p.Data[j])
					}
				}
				exact := p.Mask
				if format == Safetensors && want.Prunable(i) {
					exact = tensor.MaskOfZeros(p.Data)
				}
				if !exact.Equal(q.Mask) {
					t.Fatalf("%s: mask of %s changed: %d zeros, were %d", format, p.Name, q.Mask.Zeros(), exact.Zeros())
				}
			}
			if back.StructHash() != m.StructHash() || back.InputName != "pixels" {
				t.Fatalf("%s: the structure changed", format)
			}
			if format == Packed && back.WeightHash() != want.WeightHash() {
				t.Fatal("packed: the hash of the weights changed")
			}
			if again := written(t, back, format); !bytes.Equal(again, b) {
				t.Fatalf("%s: written again it is another file", format)
			}
		}
	})
}

// TestRaggedBlocks: blocks that reach over the last output are blocks, in a
// convolution too, and are stored as such.
func TestRaggedBlocks(t *testing.T) {
	m := net(t, 2, 6, 7, 3)
	for _, name := range []string{"conv.weight", "fc.weight"} {
		p := &m.Params[m.Param(name)]
		n, k := p.Shape[0], p.Shape[1:].Len()
		p.Mask = tensor.NewMask(n * k)
		for nb := 0; nb < n; nb += blockRows {
			for j := 0; j < k; j += 2 {
				for i := nb; i < min(nb+blockRows, n); i++ {
					p.Mask.Drop(i*k + j)
				}
			}
		}
		p.Mask.Apply(p.Data)
	}
	f, err := safetensors.Parse(written(t, m, Packed))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conv.weight.blocks", "conv.weight.index", "conv.weight.rows", "fc.weight.blocks", "out.weight"} {
		if _, ok := f.Get(name); !ok {
			t.Errorf("the file has no %s", name)
		}
	}
	// 6 filters in two block rows, 18 weights each, half of them kept.
	if b, ok := f.Get("conv.weight.blocks"); ok && (b.Shape[0] != 18 || b.Shape[1] != 4) {
		t.Errorf("blocks %v", b.Shape)
	}
	back, err := fromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	if back.WeightHash() != m.WeightHash() {
		t.Error("the weights changed")
	}
}

// TestWideLayer: more inputs than 16 bits can count.
func TestWideLayer(t *testing.T) {
	const wide = 1<<16 + 3
	b := &graph.Net{M: graph.New("wide", wide, 1, 1)}
	b.Linear("fc", 0, 3)
	m := b.M
	for i := range m.Params {
		m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
	}
	w := &m.Params[0]
	w.Mask = tensor.NewMask(3 * wide)
	clear(w.Mask.Bits)
	for i := range 3 { // the last input only
		w.Data[(i+1)*wide-1] = float32(i + 1)
		w.Mask.Keep((i+1)*wide - 1)
	}
	back, err := read(written(t, m, Packed))
	if err != nil {
		t.Fatal(err)
	}
	if back.WeightHash() != m.WeightHash() {
		t.Error("the weights changed")
	}
}

// TestPackedIsSmaller: at 90 % zeros a packed file takes at most a fifth of the
// plain one by single weights (values and a bit each), less by blocks.
func TestPackedIsSmaller(t *testing.T) {
	for _, size := range []int{1, blockRows} {
		b := &graph.Net{M: graph.New("m", 200, 1, 1)}
		b.Linear("fc", 0, 120)
		m := b.M
		for i := range m.Params {
			m.Params[i].Data = make([]float32, m.Params[i].Shape.Len())
			for j := range m.Params[i].Data {
				m.Params[i].Data[j] = 1
			}
		}
		w := &m.Params[0]
		w.Mask = tensor.NewMask(w.Shape.Len())
		for i := range w.Data {
			if (i/200/size*200+i%200)%10 != 0 {
				w.Mask.Drop(i)
			}
		}
		w.Mask.Apply(w.Data)
		if share := float64(w.Mask.Zeros()) / float64(w.Mask.N); share != 0.9 {
			t.Fatalf("%g zeros", share)
		}
		plain, packed := len(written(t, m, Safetensors)), len(written(t, m, Packed))
		if packed > plain/5 {
			t.Errorf("blocks of %d: packed %d bytes, plain %d", size, packed, plain)
		}
	}
}

// TestSameZeros: what a file must not do to a pared model.
func TestSameZeros(t *testing.T) {
	m := net(t, 1, 2, 3, 2)
	i := m.Param("fc.weight")
	m.Params[i].Mask = tensor.NewMask(len(m.Params[i].Data))
	m.Params[i].Mask.Drop(1)
	m.Params[i].Mask.Apply(m.Params[i].Data)
	for _, c := range []struct {
		want  string
		spoil func(b *graph.Model)
	}{
		{"", func(*graph.Model) {}},
		{"", func(b *graph.Model) { b.Params[i].Data[1] = minusZero }},
		{"", func(b *graph.Model) { b.Params[i].Data[0] = 7 }}, // MaxDiff sees this
		{"the file revived weight 1 of fc.weight", func(b *graph.Model) { b.Params[i].Data[1] = 1e-30 }},
		{"the file revived weight 1 of fc.weight", func(b *graph.Model) { b.Params[i].Data[1] = float32(math.NaN()) }},
		{"the file lost parameter fc.weight", func(b *graph.Model) { b.Params[i].Name = "fc.w" }},
		{"the file has fc.weight as 4×3, the model as 3×8", func(b *graph.Model) { b.Params[i].Shape = tensor.Shape{4, 3} }},
		{"the file has 0 values of fc.weight, the model 24", func(b *graph.Model) { b.Params[i].Data = nil }},
	} {
		back := m.Clone()
		c.spoil(back)
		err := SameZeros(m, back)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	// A plain file whose writer did not apply the mask.
	m.Params[i].Data[1] = 3
	back, err := read(written(t, m, Safetensors))
	if err != nil {
		t.Fatal(err)
	}
	if SameZeros(m, back) == nil {
		t.Error("a weight came back to life unseen")
	}
	// The packed file has no room for it.
	if back, err = read(written(t, m, Packed)); err != nil || SameZeros(m, back) != nil {
		t.Errorf("packed: %v, %v", err, SameZeros(m, back))
	}
}

func TestMaxDiff(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{nil, nil, 0},
		{[]float32{1, 2}, []float32{1, 2}, 0},
		{[]float32{0}, []float32{minusZero}, 0},
		{[]float32{1, 2, 3}, []float32{1, 2.5, 2.75}, 0.5},
		{[]float32{1}, []float32{1, 2}, math.Inf(1)},
		{[]float32{nan}, []float32{1}, math.Inf(1)},
		{[]float32{1, 9}, []float32{1, nan}, math.Inf(1)},
		{[]float32{nan}, []float32{nan}, math.Inf(1)},
		{[]float32{inf}, []float32{inf}, math.Inf(1)},
		{[]float32{inf}, []float32{-inf}, math.Inf(1)},
	} {
		if got := MaxDiff(c.a, c.b); got != c.want {
			t.Errorf("%v, %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestWriteRefuses: what cannot be written says why.
func TestWriteRefuses(t *testing.T) {
	bare := net(t, 1, 1, 1, 1)
	bare.Params[0].Data = nil
	twice := net(t, 1, 2, 3, 2) // fc.weight packs into the name of another
	i := twice.Param("fc.weight")
	twice.Params[i].Mask = tensor.MaskOfZeros(make([]float32, twice.Params[i].Shape.Len()))
	twice.Params[twice.Param("fc.bias")].Name = "fc.weight.rows"
	flat := net(t, 1, 2, 3, 2)
	flat.Params[flat.Param("fc.bias")].Mask = tensor.MaskOfZeros(make([]float32, 3))
	for _, c := range []struct {
		m            *graph.Model
		format, want string
	}{
		{net(t, 1, 1, 1, 1), "zip", `export format "zip": choose packed, safetensors or onnx`},
		{bare, Packed, "parameter conv.weight has no values"},
		{twice, Packed, "fc.weight.rows"},
		{flat, Packed, "export fc.bias: only weights of two and more axes are packed"},
	} {
		if err := Write(&bytes.Buffer{}, c.m, c.format); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for _, format := range []string{Packed, Safetensors, ONNX} {
		if err := Write(full{}, net(t, 1, 1, 1, 1), format); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s on a full disk: %v", format, err)
		}
	}
}
