package hf_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/plan/devicetest"
	"pare/core/tensor"
)

// open builds the model of a folder in testdata.
func open(t *testing.T, dir string, o hf.Options) (*hf.Dir, *graph.Model) {
	t.Helper()
	d, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	return d, m
}

// save writes the files of a model into a new folder.
func save(t *testing.T, m *graph.Model, from *hf.Dir, classes []string) string {
	t.Helper()
	files, err := hf.Files(m, from, classes)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		w, err := os.Create(filepath.Join(dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// equal tests that a folder holds m.
func equal(t *testing.T, m *graph.Model, dir string, o hf.Options) {
	t.Helper()
	_, got := open(t, dir, o)
	got.Name = m.Name
	if got.WeightHash() != m.WeightHash() {
		t.Error("read again it has other weights")
	}
	if a, b := names(got), names(m); !slices.Equal(a, b) {
		t.Errorf("read again it has the layers %v, want %v", a, b)
	}
}

func names(m *graph.Model) (l []string) {
	for _, n := range m.Nodes {
		l = append(l, n.Op+" "+n.Name)
	}
	return l
}

// TestRoundTrip: every kind of folder, written and read again; with and without the
// folder it came from, where that adds nothing.
func TestRoundTrip(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(oracles(), "hf-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatal("no cases")
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			o := hf.Options{Tokens: 8}
			d, m := open(t, dir, o)
			again := save(t, m, d, nil)
			equal(t, m, again, o)
			if c := d.Config; c.ModelType != "qwen2" && c.RopeScaling == nil && (c.Rope == nil || c.Rope.Factor == 0) && !c.ByLayer {
				equal(t, m, save(t, m, nil, nil), o)
			}
			b, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			var was, is map[string]any
			if err := json.Unmarshal(b, &was); err != nil {
				t.Fatal(err)
			}
			if b, err = os.ReadFile(filepath.Join(again, "config.json")); err == nil {
				err = json.Unmarshal(b, &is)
			}
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range was { // what the graph does not tell stays
				if _, ok := is[k]; !ok && v != nil && k != "transformers_version" && k != "torch_dtype" {
					t.Errorf("config.json lost %s = %v", k, v)
				}
			}
			loads(t, again, m)
		})
	}
}

// loads tests that transformers takes a folder without complaint and computes what m
// does, where PARE_HF_PYTHON names a Python that has it.
func loads(t *testing.T, dir string, m *graph.Model) {
	t.Helper()
	python := os.Getenv("PARE_HF_PYTHON")
	if python == "" {
		return
	}
	in := m.Input()
	x := make([]float32, 2*in.Len())
	for i := range x {
		if x[i] = float32(1 + i*7%19); in.Seq == 0 {
			x[i] = x[i]/15 - 1
		}
	}
	text, err := json.Marshal(map[string]any{"x": x, "tokens": in.Seq, "image": []int{in.C, in.H, in.W}, "out": devicetest.Outputs(t, ref.New(), m, x)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/loads.py", dir)
	cmd.Stdin = bytes.NewReader(text)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("transformers: %v\n%s", err, said)
	}
	said = bytes.TrimSpace(said)
	t.Logf("%s", said[bytes.LastIndexByte(said, '\n')+1:])
}

// ffn cuts the inner network of every layer of a BERT to n neurons.
func ffn(m *graph.Model, n, last int) {
	for i := range m.Params {
		p := &m.Params[i]
		rows := n
		if strings.Contains(p.Name, "layer.1.") {
			rows = last
		}
		switch {
		case strings.HasSuffix(p.Name, "intermediate.dense.weight"), strings.HasSuffix(p.Name, "intermediate.dense.bias"):
			p.Shape = append(tensor.Shape{rows}, p.Shape[1:]...)
			p.Data = p.Data[:p.Shape.Len()]
		case strings.HasSuffix(p.Name, "output.dense.weight") && !strings.Contains(p.Name, "attention"):
			old := p.Shape[1]
			var x []float32
			for r := range p.Shape[0] {
				x = append(x, p.Data[r*old:r*old+rows]...)
			}
			p.Shape, p.Data = tensor.Shape{p.Shape[0], rows}, x
		}
	}
}

// TestCutRoundTrip: fewer neurons are a smaller intermediate_size, if all layers have
// as many.
func TestCutRoundTrip(t *testing.T) {
	d, m := open(t, "testdata/hf-bert", hf.Options{Tokens: 8})
	ffn(m, 33, 33)
	for i := range m.Nodes { // channels follow from the weights
		n := m.Nodes[i]
		if n.Op == "linear" {
			m.Values[n.Out].C = m.Params[n.Params[0]].Shape[0]
		} else if n.Op == "gelu" {
			m.Values[n.Out] = m.Values[n.In[0]]
		}
	}
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	dir := save(t, m, d, nil)
	equal(t, m, dir, hf.Options{Tokens: 8})
	loads(t, dir, m)
	ffn(m, 33, 20)
	if _, err := hf.Files(m, d, nil); err == nil || !strings.Contains(err.Error(), "intermediate_size is 33 in layer 0 and 20 in layer 1") {
		t.Errorf("layers of two sizes: %v", err)
	}
}

// TestFreshClassifier: an encoder gets a classifier of the data's size, is written as
// a model with it, and keeps one that fits.
func TestFreshClassifier(t *testing.T) {
	for _, name := range []string{"hf-bert-mlm", "hf-distilbert-mlm", "hf-vit", "hf-bert-tokens"} {
		t.Run(name, func(t *testing.T) {
			o := hf.Options{Tokens: 8, Classes: 5, Seed: 3}
			d, m := open(t, filepath.Join("testdata", name), o)
			if v := m.Values[m.Output]; v.C != 5 || v.Seq != 0 {
				t.Fatalf("output is %v, want 5 scores", v)
			}
			if !slices.Contains(d.Fresh(), "classifier") {
				t.Errorf("fresh layers are %v", d.Fresh())
			}
			other, again := o, o
			other.Seed = 4
			if _, x := open(t, filepath.Join("testdata", name), other); x.WeightHash() == m.WeightHash() {
				t.Error("another seed draws the same weights")
			}
			if _, x := open(t, filepath.Join("testdata", name), again); x.WeightHash() != m.WeightHash() {
				t.Error("the same seed draws other weights")
			}
			dir := save(t, m, d, []string{"a", "b", "c", "d", "e"})
			loads(t, dir, m)
			equal(t, m, dir, hf.Options{Tokens: 8})
			equal(t, m, dir, o)
			if d, _ := open(t, dir, o); len(d.Fresh()) > 0 {
				t.Errorf("the classifier that was written is drawn again: %v", d.Fresh())
			}
		})
	}
	d, m := open(t, "testdata/hf-bert", hf.Options{Tokens: 8, Classes: 3})
	if len(d.Fresh()) > 0 {
		t.Errorf("a classifier that fits is drawn again: %v", d.Fresh())
	}
	_ = m
}

// TestFilesRefuse: what config.json cannot express is no folder.
func TestFilesRefuse(t *testing.T) {
	b := &graph.Net{M: graph.New("mlp", 4, 1, 1)}
	b.Linear("fc", 0, 3)
	if _, err := hf.Files(b.M, nil, nil); err == nil || !strings.Contains(err.Error(), "is none of GPT-2") {
		t.Errorf("an MLP: %v", err)
	}
	d, m := open(t, "testdata/hf-bert", hf.Options{Tokens: 8})
	for i := range m.Nodes {
		if m.Nodes[i].Op == "gelu" {
			m.Nodes[i].Op = "relu"
			break
		}
	}
	if _, err := hf.Files(m, d, nil); err == nil || !strings.Contains(err.Error(), "config.json cannot express this model") {
		t.Errorf("an activation that one layer has alone: %v", err)
	}
}
