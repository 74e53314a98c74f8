package interp

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/model/onnx"
)

// Case is the outcome of one case of an operator suite.
type Case struct {
	Name    string   `json:"name"`   // folder, from the root of the suite
	Ops     []string `json:"ops"`    // that its graph has
	Opset   int64    `json:"opset"`  //
	Outcome string   `json:"result"` // pass | fail | unsupported
	Why     string   `json:"why,omitempty"`
}

// Outcomes of a case.
const (
	Pass        = "pass"
	Fail        = "fail"
	Unsupported = "unsupported"
)

// Suite runs every case below a folder: a folder is a case if it has a model.onnx and
// test_data_set_N with input_K.pb and output_K.pb, as those of the onnx project
// (onnx/backend/test/data). A case is unsupported if an operator, a type or a form of
// input in it is not claimed; then Why says which. Outputs may differ by 1e-3 of their
// size and 1e-7, as in the project's own runner.
func Suite(dir string, report func(Case)) error {
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "model.onnx" {
			return err
		}
		folder := filepath.Dir(path)
		sets, err := filepath.Glob(filepath.Join(folder, "test_data_set_*"))
		if err != nil || len(sets) == 0 {
			return err
		}
		found = true
		name, err := filepath.Rel(dir, folder)
		if err != nil {
			return err
		}
		report(runCase(filepath.ToSlash(name), path, sets))
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("%s holds no cases: give a folder with model.onnx and test_data_set_0 in it or below", dir)
	}
	return err
}

func runCase(name, path string, sets []string) Case {
	c := Case{Name: name, Outcome: Pass}
	end := func(outcome string, err error) Case {
		c.Outcome, c.Why = outcome, err.Error()
		return c
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return end(Fail, err)
	}
	m, err := onnx.Decode(b)
	if err != nil {
		return end(Unsupported, err)
	}
	ops := map[string]bool{}
	for _, n := range m.Graph.Nodes {
		if !ops[n.Op] {
			ops[n.Op] = true
			c.Ops = append(c.Ops, n.Op)
		}
	}
	for _, o := range m.Opsets {
		c.Opset = max(c.Opset, o.Version)
	}
	p, err := Compile(m)
	if u := (Unknown{}); errors.As(err, &u) || errors.Is(err, errType) {
		return end(Unsupported, err)
	} else if err != nil {
		return end(Fail, err)
	}
	p.lax = true // some cases say shapes that their inputs do not have
	for _, set := range sets {
		in := map[string]*Tensor{}
		files, err := filepath.Glob(filepath.Join(set, "input_*.pb"))
		if err != nil {
			return end(Fail, err)
		}
		for i := range files {
			t, err := readProto(filepath.Join(set, fmt.Sprintf("input_%d.pb", i)))
			if err != nil {
				return end(Unsupported, err)
			}
			if i < len(m.Graph.Inputs) {
				v := m.Graph.Inputs[i]
				in[v.Name] = asBFloat16(t, v)
			}
		}
		got, err := p.Run(in)
		if errors.Is(err, errType) {
			return end(Unsupported, err)
		} else if err != nil {
			return end(Fail, err)
		}
		for i, o := range m.Graph.Outputs {
			want, err := readProto(filepath.Join(set, fmt.Sprintf("output_%d.pb", i)))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return end(Unsupported, err)
			}
			if err := same(got[o.Name], asBFloat16(want, o)); err != nil {
				return end(Fail, fmt.Errorf("output %s: %w", o.Name, err))
			}
		}
	}
	return c
}

// asBFloat16 reads the suite's bfloat16 tensors, which it writes as uint16.
func asBFloat16(t *Tensor, v onnx.ValueInfo) *Tensor {
	if t.Type != onnx.Uint16 || v.Type == nil || v.Type.Elem != onnx.BFloat16 {
		return t
	}
	f := &Tensor{Type: onnx.BFloat16, Shape: t.Shape, F: make([]float32, len(t.I))}
	for i, b := range t.I {
		f.F[i] = math.Float32frombits(uint32(b) << 16)
	}
	return f
}

// errType marks what is not claimed: a type of tensor.
var errType = errors.New("not supported")

func readProto(path string) (*Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := onnx.DecodeTensor(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no tensor: sequences and optional values are not supported", filepath.Base(path))
	}
	return FromProto(p)
}

// same compares an output with the suite's.
func same(got, want *Tensor) error {
	if got.Type != want.Type || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("is %v %v, want %v %v", got.Type, got.Shape, want.Type, want.Shape)
	}
	if !slices.Equal(got.I, want.I) || !slices.Equal(got.S, want.S) {
		return fmt.Errorf("is %s, want %s", short(got), short(want))
	}
	near := 1e-3
	if got.Type == onnx.BFloat16 { // its steps are larger, and some cases cut off instead of rounding
		near = 1. / 128
	}
	for i := range len(got.F) + len(got.D) {
		a, b := got.at(i), want.at(i)
		if a == b || a != a && b != b || math.Abs(a-b) <= 1e-7+near*math.Abs(b) {
			continue
		}
		return fmt.Errorf("element %d is %g, want %g", i, a, b)
	}
	return nil
}

func short(t *Tensor) string {
	s := fmt.Sprint(t.I, t.S)
	if len(s) > 120 {
		s = s[:120] + "…"
	}
	return strings.TrimSpace(s)
}
