package deploy

import (
	"bytes"
	"testing"

	"pare/core/device/ref"
	"pare/core/model/safetensors"
	"pare/core/plan"
	"pare/core/tensor"
)

// FuzzLoad: whatever a file holds, it is refused in words or it is a model that
// can be counted, planned and written again, and comes back the same.
func FuzzLoad(f *testing.F) {
	m := net(f, 1, 3, 5, 2)
	for i := range m.Params {
		if !m.Prunable(i) {
			continue
		}
		p := &m.Params[i]
		p.Mask = tensor.NewMask(len(p.Data))
		p.Mask.Drop(i)
		if i == m.Param("fc.weight") {
			clear(p.Mask.Bits)
		}
		p.Mask.Apply(p.Data)
	}
	f.Add(written(f, m, Packed))
	f.Add(written(f, m, Safetensors))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := read(b)
		if err != nil {
			return
		}
		sound(t, b)
		for _, mode := range []plan.Mode{plan.Infer, plan.Train} {
			// A plan may be refused (softmax while training, say), not panic.
			if p, err := plan.Build(m, ref.New(), plan.Options{Mode: mode, Batch: 2}); err == nil {
				plan.Costs(p, plan.Weights(m, nil), 2)
			}
		}
	})
}

// FuzzGraph puts a drawn model description and metadata into an otherwise sound
// file, which the container's own fuzzing hardly reaches.
func FuzzGraph(f *testing.F) {
	m := net(f, 1, 3, 5, 2)
	s, err := safetensors.Parse(written(f, m, Safetensors))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Meta["graph"], Packed)
	f.Add(s.Meta["graph"], Safetensors)
	f.Add("null", Packed)
	f.Add(`{"values":[{"c":536870912,"h":1,"w":1},{}],"params":[{"name":"w","shape":[3,536870912],"role":"weight"}],"nodes":[{"name":"fc","op":"linear","in":[0],"out":1,"params":[0]}],"output":1}`, Packed)
	f.Fuzz(func(t *testing.T, graph, format string) {
		b, err := safetensors.Marshal(s.Tensors, map[string]string{"pare": format, "pare_version": version, "graph": graph})
		if err != nil {
			return // not UTF-8
		}
		sound(t, b)
	})
}

// sound reads a file and, when it is taken, holds it to what a model is.
func sound(t *testing.T, b []byte) {
	m, err := read(b)
	if err != nil {
		return
	}
	m.NumParams()
	m.Layers()
	for i := range m.Params {
		if p := &m.Params[i]; len(p.Data) != p.Shape.Len() {
			t.Fatalf("%s of %v holds %d values", p.Name, p.Shape, len(p.Data))
		}
	}
	var out bytes.Buffer
	if err := Write(&out, m, Packed); err != nil {
		return // names that meet, say
	}
	back, err := read(out.Bytes())
	if err != nil {
		t.Fatalf("written, but not read: %v", err)
	}
	if err := SameZeros(m, back); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := Write(&again, back, Packed); err != nil || !bytes.Equal(again.Bytes(), out.Bytes()) {
		t.Fatalf("written again it is another file: %v", err)
	}
}
