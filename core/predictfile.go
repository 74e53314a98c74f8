package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/data/numpy"
	"pare/core/device"
	"pare/core/graph"
	"pare/core/infer"
	"pare/core/model/onnx"
	"pare/core/model/safetensors"
)

// Tensor is an input or output of PredictFile as JSON writes it.
type Tensor struct {
	Shape []int     `json:"shape"`
	Data  []float32 `json:"data"`
}

// Outputs is what PredictFile returns.
type Outputs struct {
	Outputs map[string]Tensor `json:"outputs"`
}

// predictBatch is the batch of PredictFile. It does not change results.
const predictBatch = 64

// PredictFile runs a model on the samples of a file (.safetensors, .npy or
// JSON). The input's shape is [B, …sample] or one sample without a batch axis;
// the output has the shape [B, classes], of sequences [B, tokens, classes], and the
// graph's own name, else "logits".
func PredictFile(m *graph.Model, dev device.Device, path string, threads int) (*Outputs, error) {
	in, err := readInput(path, m.InputName, m.Input().Seq > 0 && m.Input().C == 2)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", path, err)
	}
	return predictOn(m, dev, in, path, threads)
}

// predictOn runs a model on the samples in, which are those of the file at path.
func predictOn(m *graph.Model, dev device.Device, in Tensor, path string, threads int) (*Outputs, error) {
	v := m.Input()
	f := v.Len()
	n := 1
	for _, d := range in.Shape {
		n *= d
	}
	if n != len(in.Data) {
		return nil, fmt.Errorf("input %s: shape %v needs %d values, the file has %d", path, in.Shape, n, len(in.Data))
	}
	if !fits(in.Shape, v) {
		return nil, fmt.Errorf("input %s: shape %v does not fit: the model takes %s or [B, %d]", path, in.Shape, strings.ReplaceAll(fmt.Sprintf("[B, %v]", v), "×", ", "), f)
	}
	for i, x := range in.Data {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return nil, fmt.Errorf("input %s: value %d is %v", path, i, x)
		}
	}
	b := n / f
	net, err := infer.New(m, infer.On(dev), infer.Threads(threads), infer.Batch(max(1, min(b, predictBatch))))
	if err != nil {
		return nil, err
	}
	defer net.Close() //nolint:errcheck // nothing left to do with it
	o := net.Output()
	out := Tensor{Shape: []int{b, o.Len()}, Data: make([]float32, b*o.Len())}
	if o.Seq > 0 {
		out.Shape = []int{b, o.Seq, o.C}
	}
	if err := net.Run(in.Data, out.Data); err != nil {
		return nil, err
	}
	if err := allFinite(out.Data); err != nil {
		return nil, fmt.Errorf("input %s: %w", path, err)
	}
	return &Outputs{map[string]Tensor{o.Name: out}}, nil
}

// allFinite is an error where a model answers with what is no number.
func allFinite(y []float32) error {
	for _, v := range y {
		if v-v != 0 {
			return fmt.Errorf("the model gives %g: its weights are not finite or too large: get it again or train it anew", v)
		}
	}
	return nil
}

// fits reports whether a file's shape is one or more samples of v.
func fits(s []int, v graph.Value) bool {
	last := func(k int) int {
		n := 1
		for _, d := range s[len(s)-k:] {
			n *= d
		}
		return n
	}
	switch len(s) {
	case 1:
		return s[0] == v.Len()
	case 2:
		return s[1] == v.Len() || v.C == 1 && s[0] == v.H && s[1] == v.W
	case 3:
		return s[0] == v.C && s[1] == v.H && s[2] == v.W || v.C == 1 && s[1] == v.H && s[2] == v.W || s[1]*s[2] == v.Len()
	case 4:
		return last(3) == v.Len() && s[1] == v.C && s[2] == v.H
	}
	return false
}

// readInput reads the tensor of a file; JSON calls it name. With segments it may hold the
// ids of tokens and their segments apart.
func readInput(path, name string, segments bool) (Tensor, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		f, err := safetensors.Open(path)
		if err != nil {
			return Tensor{}, err
		}
		if len(f.Tensors) != 1 {
			return Tensor{}, fmt.Errorf("holds %d tensors, need exactly one", len(f.Tensors))
		}
		x, err := f.Tensors[0].Float32()
		return Tensor{f.Tensors[0].Shape, x}, err
	case ".npy":
		return readNumpy(path)
	case ".json":
		b, err := os.ReadFile(path)
		if err != nil {
			return Tensor{}, err
		}
		return parseInput(b, name, segments)
	}
	return Tensor{}, fmt.Errorf("unknown kind of file: give .safetensors, .npy or .json")
}

// readNumpy reads a .npy file of numbers, in C or in Fortran order.
func readNumpy(path string) (Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Tensor{}, err
	}
	a, err := numpy.New(bytes.NewReader(b), int64(len(b)), int64(len(b)), "its array")
	switch {
	case err != nil:
		return Tensor{}, err
	case a.IsText():
		return Tensor{}, errors.New("holds texts, the model takes numbers")
	}
	k := a.Item()
	t := Tensor{a.Shape, make([]float32, a.N()*k)}
	for i := range a.N() {
		if err := a.Next(); err != nil {
			return Tensor{}, err
		}
		a.Floats(t.Data[i*k : (i+1)*k])
	}
	return t, nil
}

func parseInput(b []byte, name string, segments bool) (Tensor, error) {
	var m map[string]Tensor
	if err := json.Unmarshal(b, &m); err != nil {
		return Tensor{}, fmt.Errorf(`not of the form {"input": {"shape": […], "data": […]}}: %w`, err)
	}
	if types, ok := m[onnx.Segments]; ok && segments && len(m) == 2 {
		delete(m, onnx.Segments)
		for k, ids := range m {
			if !slices.Equal(ids.Shape, types.Shape) || len(ids.Data) != len(types.Data) {
				return Tensor{}, fmt.Errorf("%s has shape %v and %s %v: need a segment for each token", k, ids.Shape, onnx.Segments, types.Shape)
			}
			both := Tensor{Shape: append(slices.Clone(ids.Shape), 2)}
			for i, id := range ids.Data {
				both.Data = append(both.Data, id, types.Data[i])
			}
			m[k] = both
		}
	}
	if len(m) != 1 {
		return Tensor{}, fmt.Errorf("names %d inputs, the model has one", len(m))
	}
	for k, t := range m {
		if k != "input" && k != name {
			return Tensor{}, fmt.Errorf("names the input %q; this model's is called %q", k, cmp.Or(name, "input"))
		}
		n := 1
		for _, d := range t.Shape {
			if d < 1 || n > len(t.Data) {
				return Tensor{}, fmt.Errorf("shape %v does not fit %d values", t.Shape, len(t.Data))
			}
			n *= d
		}
		return t, nil
	}
	return Tensor{}, nil
}
