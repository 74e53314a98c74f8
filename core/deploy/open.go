package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"pare/core/graph"
	"pare/core/model/onnx"
	"pare/core/tensor"
)

// Open reads a model file of any kind this program knows: .safetensors as Write
// made it, packed or plain, and .onnx. Names in it may be anything: they come
// without what would upset a terminal, and the model's own is fit to name files.
func Open(path string) (*graph.Model, error) {
	m, err := open(path)
	if err != nil {
		return nil, err
	}
	return m, Tidy(m)
}

// Tidy cleans the names of a model that came from outside, see Open.
func Tidy(m *graph.Model) error {
	m.Name = slug(m.Name)
	for i := range m.Nodes {
		m.Nodes[i].Name = Printable(m.Nodes[i].Name)
	}
	for i := range m.Params {
		m.Params[i].Name = Printable(m.Params[i].Name)
	}
	return m.Verify()
}

// MaskZeros makes the exact zeros of pared layers masks, for formats that have none.
func MaskZeros(m *graph.Model) {
	for _, l := range m.Layers() {
		p := &m.Params[l.Param]
		if k := tensor.MaskOfZeros(p.Data); float64(k.Zeros()) >= fewZeros*float64(len(p.Data)) {
			p.Mask = k
		}
	}
}

// Printable drops control characters.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

// slug makes a name of letters, digits, dots, dashes and underscores.
func slug(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-':
			return r
		}
		return '-'
	}, s), "-.")
	if s = s[:min(len(s), 60)]; s == "" {
		return "model"
	}
	return s
}

// nameless are the names that exporters give to every graph (PyTorch, old and new;
// tf2onnx; onnxmltools): such a model is called as its file.
var nameless = map[string]bool{"": true, "main_graph": true, "torch_jit": true, "torch-jit-export": true, "tf2onnx": true, "graph": true, "main": true}

func open(path string) (*graph.Model, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".onnx":
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("model: %w", err)
		}
		m, err := onnx.ImportIn(b, filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", path, err)
		}
		if m.InputName, m.OutputName, err = onnx.Names(b); err != nil {
			return nil, fmt.Errorf("model %s: %w", path, err)
		}
		if nameless[m.Name] {
			m.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		}
		MaskZeros(m)
		return m, nil
	case ".safetensors":
		return Load(path)
	}
	i, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model: %w: check the path; nothing is downloaded", err)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if i.IsDir() {
		return nil, fmt.Errorf("model %s: the folder has no config.json: give a folder of Hugging Face, with config.json and model.safetensors, or a file", path)
	}
	if way := elsewhere[strings.ToLower(filepath.Ext(path))]; way != "" {
		return nil, fmt.Errorf("model %s is not read here: %s", path, way)
	}
	return nil, fmt.Errorf("model %s: unknown kind of file; give an .onnx file, a .safetensors file written by pare, or a folder of Hugging Face", path)
}

const (
	fromTorch = "PyTorch's pickled files are programs that run when they are opened; write the model with torch.onnx.export, or a folder with transformers' save_pretrained"
	fromKeras = "write the model as .onnx, with tf2onnx say"
)

// elsewhere are kinds of model files that others write, and the way from there.
var elsewhere = map[string]string{
	".pt": fromTorch, ".pth": fromTorch, ".ckpt": fromTorch, ".bin": fromTorch, ".pkl": fromTorch,
	".h5": fromKeras, ".keras": fromKeras, ".pb": fromKeras, ".tflite": fromKeras,
}

// fewZeros is the share of exact zeros from which a layer of a file counts as
// pared: trained weights are hardly ever zero by chance.
const fewZeros = 0.02
