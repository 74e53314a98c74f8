package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/model/onnx"
	"pare/core/model/onnx/interp"
)

// RunOnly is a model that runs, and that the engine cannot train.
type RunOnly struct {
	Why error // why the engine cannot hold it
	p   *interp.Program
}

// OpenRunOnly opens an .onnx file that LoadModel refused with the error why. Where it
// does not run either, the error says both.
func OpenRunOnly(path string, why error) (*RunOnly, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, why
	}
	m, err := onnx.DecodeIn(b, filepath.Dir(path))
	if err != nil {
		return nil, why
	}
	p, err := interp.Compile(m)
	if err != nil {
		return nil, fmt.Errorf("%w; nor can it be run as it is: %w", why, err)
	}
	return &RunOnly{Why: why, p: p}, nil
}

// Values is a tensor as JSON writes it, whatever its type.
type Values struct {
	Shape []int `json:"shape"`
	Data  any   `json:"data"` // []float32, []float64, []int64, []bool or []string
}

// Predict runs the model on the tensors of a file: .safetensors or .npy for models with
// one input, JSON {"NAME": {"shape": […], "data": […]}} for all. Products take that many
// threads, 0 all.
func (r *RunOnly) Predict(path string, threads int) (map[string]map[string]Values, error) {
	in := map[string]*interp.Tensor{}
	ports := r.p.Inputs()
	if strings.EqualFold(filepath.Ext(path), ".json") {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var m map[string]struct {
			Shape []int   `json:"shape"`
			Data  []digit `json:"data"`
		}
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf(`input %s: not of the form {"input": {"shape": […], "data": […]}}: %w`, path, err)
		}
		for name, t := range m {
			i := slices.IndexFunc(ports, func(v onnx.ValueInfo) bool { return v.Name == name })
			if i < 0 && len(ports) == 1 && name == "input" {
				i = 0
			}
			if i < 0 {
				var known []string
				for _, v := range ports {
					known = append(known, v.Name)
				}
				return nil, fmt.Errorf("input %s: the model has no input %q: it has %s", path, name, strings.Join(known, ", "))
			}
			x, err := numbers(ports[i], t.Shape, t.Data)
			if err != nil {
				return nil, fmt.Errorf("input %s: %s: %w", path, name, err)
			}
			in[ports[i].Name] = x
		}
	} else {
		if len(ports) != 1 {
			return nil, fmt.Errorf("input %s: the model has %d inputs: give JSON that names them", path, len(ports))
		}
		t, err := readInput(path, ports[0].Name, false)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", path, err)
		}
		l := make([]digit, len(t.Data))
		for i, v := range t.Data {
			l[i] = digit{json.Number(fmt.Sprint(v))}
		}
		if in[ports[0].Name], err = numbers(ports[0], t.Shape, l); err != nil {
			return nil, fmt.Errorf("input %s: %w", path, err)
		}
	}
	r.p.Threads = threads
	out, err := r.p.Run(in)
	if err != nil {
		return nil, err
	}
	res := map[string]Values{}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		res[name] = valuesOf(out[name])
	}
	return map[string]map[string]Values{"outputs": res}, nil
}

// digit is a number of a file, or one of true and false, which are 1 and 0.
type digit struct{ json.Number }

// UnmarshalJSON implements json.Unmarshaler.
func (d *digit) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		d.Number = "1"
		return nil
	case "false":
		d.Number = "0"
		return nil
	}
	return json.Unmarshal(b, &d.Number)
}

// numbers makes a tensor of the type that the model wants.
func numbers(v onnx.ValueInfo, shape []int, data []digit) (*interp.Tensor, error) {
	t := onnx.Float
	if v.Type != nil && v.Type.Elem != 0 {
		t = v.Type.Elem
	}
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > len(data)/d+1 {
			return nil, fmt.Errorf("shape %v does not fit %d values", shape, len(data))
		}
		n *= d
	}
	if n != len(data) {
		return nil, fmt.Errorf("shape %v does not fit %d values", shape, len(data))
	}
	x := &interp.Tensor{Type: t, Shape: shape}
	for i, d := range data {
		switch t {
		case onnx.Float, onnx.Float16, onnx.BFloat16:
			f, err := d.Float64()
			if err != nil {
				return nil, fmt.Errorf("value %d is %q, need a number", i, d.Number)
			}
			x.F = append(x.F, float32(f))
		case onnx.Double:
			f, err := d.Float64()
			if err != nil {
				return nil, fmt.Errorf("value %d is %q, need a number", i, d.Number)
			}
			x.D = append(x.D, f)
		case onnx.String:
			return nil, errors.New("texts as inputs are not supported")
		default:
			k, err := d.Int64()
			if err != nil {
				return nil, fmt.Errorf("value %d is %q, the model takes %v", i, d.Number, t)
			}
			if t == onnx.Bool && k != 0 {
				k = 1
			}
			x.I = append(x.I, k)
		}
	}
	return x, nil
}

func valuesOf(t *interp.Tensor) Values {
	v := Values{Shape: t.Shape}
	switch {
	case t.F != nil:
		v.Data = t.F
	case t.D != nil:
		v.Data = t.D
	case t.Type == onnx.Bool:
		b := make([]bool, len(t.I))
		for i, x := range t.I {
			b[i] = x != 0
		}
		v.Data = b
	case t.S != nil:
		v.Data = t.S
	default:
		v.Data = t.I
	}
	return v
}
