// Package deploy writes a pared model for use elsewhere and reads it back:
//
//	packed       our own: kept values and where they belong, small on disk and
//	             ready for the kernels that skip zeros
//	safetensors  every value in place, zeros included; reads anywhere
//	onnx         opset 17, for other runtimes; zeros are zeros
//
// Every file is read again and compared before it is called done; the comparison
// is core's, its parts (SameZeros, MaxDiff) are here. deploy imports core/graph,
// core/tensor and the file formats of core/model. It knows no stages.
package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"pare/core/graph"
	"pare/core/model/onnx"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// Format names, as recipes write them.
const (
	Packed      = "packed"
	Safetensors = "safetensors"
	ONNX        = "onnx"
)

// version of the metadata in our safetensors files.
const version = "1"

// Write writes m in the given format. m's data must be filled.
func Write(w io.Writer, m *graph.Model, format string) error {
	switch format {
	case ONNX:
		b, err := onnx.Export(m, onnx.Options{Input: m.InputName, Output: m.OutputName})
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case Packed, Safetensors:
	default:
		return fmt.Errorf("export format %q: choose packed, safetensors or onnx", format)
	}
	g, err := json.Marshal(m)
	if err != nil {
		return err
	}
	meta := map[string]string{"format": "pt", "pare": format, "pare_version": version, "graph": string(g)}
	var ts []safetensors.Tensor
	for i := range m.Params {
		p := &m.Params[i]
		if len(p.Data) != p.Shape.Len() {
			return fmt.Errorf("export: parameter %s has no values", p.Name)
		}
		if format == Packed && p.Mask.Zeros() > 0 {
			t, err := pack(p)
			if err != nil {
				return fmt.Errorf("export %s: %w", p.Name, err)
			}
			ts = append(ts, t...)
			continue
		}
		ts = append(ts, safetensors.FromFloat32(p.Name, p.Shape, positiveZeros(p.Data)))
	}
	return safetensors.Write(w, ts, meta)
}

// Load reads a file that Write made (packed or safetensors) back into a model,
// masks included: in a plain file they are where the zeros are.
func Load(path string) (*graph.Model, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := fromFile(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func fromFile(f *safetensors.File) (*graph.Model, error) {
	g, ok := f.Meta["graph"]
	if !ok {
		return nil, fmt.Errorf("holds weights but no model: only .safetensors files written by pare can be loaded; give the .onnx file instead")
	}
	if v := f.Meta["pare_version"]; v != version {
		return nil, fmt.Errorf("written by another version of pare (format %q, this program reads %s): export it with this one", v, version)
	}
	format := f.Meta["pare"]
	if format != Packed && format != Safetensors {
		return nil, fmt.Errorf("is neither packed nor plain, but %q: %s", format, again)
	}
	m := &graph.Model{}
	if err := json.Unmarshal([]byte(g), m); err != nil {
		return nil, fmt.Errorf("its model description does not parse: %w: %s", err, again)
	}
	if err := m.Verify(); err != nil {
		return nil, fmt.Errorf("its model description is not sound: %w: %s", err, again)
	}
	if err := roomFor(m, f); err != nil {
		return nil, err
	}
	for i := range m.Params {
		p := &m.Params[i]
		t, ok := f.Get(p.Name)
		if !ok {
			if err := unpack(f, p); err != nil {
				return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
			}
			continue
		}
		x, err := t.Float32()
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		if !p.Shape.Equal(t.Shape) {
			return nil, fmt.Errorf("parameter %s is %v in the file, the model needs %v: %s", p.Name, tensor.Shape(t.Shape), p.Shape, again)
		}
		p.Data = x
		if format == Safetensors && m.Prunable(i) {
			p.Mask = tensor.MaskOfZeros(p.Data)
		}
	}
	return m, m.Verify()
}

// again is the way out of a file whose parts do not fit each other.
const again = "the file is damaged or was changed, export the model again"

// roomFor refuses a small file that describes a huge model, before room is made
// for it. Removed weights cost a packed file next to nothing, so up to 64 MiB of
// values come free, and each byte of the file may stand for 1 KiB: 99.9 % zeros
// in blocks need a quarter of that.
func roomFor(m *graph.Model, f *safetensors.File) error {
	const free, perByte = 64 << 20 / 4, 1 << 10 / 4 // in values
	values, bytes := int64(0), int64(0)
	for i := range m.Params {
		values += int64(m.Params[i].Shape.Len()) // each below 2^31
	}
	for i := range f.Tensors {
		bytes += int64(len(f.Tensors[i].Data))
	}
	if values-free > perByte*bytes {
		return fmt.Errorf("describes a model of %d values, but holds only %d bytes: %s", values, bytes, again)
	}
	return nil
}

// positiveZeros copies x with every −0 as +0: some sparse kernels tell them
// apart.
func positiveZeros(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		if v != 0 {
			y[i] = v
		}
	}
	return y
}

// SameZeros checks that a file read back keeps every removed weight at zero and
// has the same shapes.
func SameZeros(m, back *graph.Model) error {
	byName := map[string]*graph.Param{}
	for i := range back.Params {
		byName[back.Params[i].Name] = &back.Params[i]
	}
	for i := range m.Params {
		p := &m.Params[i]
		q, ok := byName[p.Name]
		if !ok {
			return fmt.Errorf("the file lost parameter %s", p.Name)
		}
		if !p.Shape.Equal(q.Shape) {
			return fmt.Errorf("the file has %s as %v, the model as %v", p.Name, q.Shape, p.Shape)
		}
		if p.Mask == nil {
			continue
		}
		if len(q.Data) != p.Shape.Len() {
			return fmt.Errorf("the file has %d values of %s, the model %d", len(q.Data), p.Name, p.Shape.Len())
		}
		for j, v := range q.Data {
			if !p.Mask.Kept(j) && v != 0 {
				return fmt.Errorf("the file revived weight %d of %s, which was pared away", j, p.Name)
			}
		}
	}
	return nil
}

// MaxDiff is the largest difference between two lists of logits; +Inf when one
// of them is not a number or the lengths differ.
func MaxDiff(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		x := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(x) {
			return math.Inf(1)
		}
		d = max(d, x)
	}
	return d
}
