package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// Names of the files of a folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
)

// carried are the files of a folder that a model's training does not touch.
var carried = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
	"tokenizer.model", "generation_config.json", "preprocessor_config.json",
}

// File is one file of a folder to be written.
type File struct {
	Name  string
	Write func(w io.Writer) error
}

// Files are those of a folder that transformers loads as m: config.json,
// model.safetensors and what is carried along unchanged from the folder that m came
// from, if there is one (nil, or gone since). classes are the names of the labels.
//
// Shapes that config.json cannot express are refused: layers of different sizes, heads
// that were cut from models whose width is heads × size, factors of a low rank, ops
// that the architecture does not have.
func Files(m *graph.Model, from *Dir, classes []string) ([]File, error) {
	files, err := write(m, from, classes)
	if err != nil {
		return nil, fmt.Errorf("hf: model %s: %w", m.Name, err)
	}
	return files, nil
}

func write(m *graph.Model, from *Dir, classes []string) ([]File, error) {
	config, err := describe(m)
	if err != nil {
		return nil, err
	}
	if a := (&shapes{m: m}).node("rope"); from == nil && a.Base > 0 {
		config["rope_parameters"] = map[string]any{"rope_type": "default", "rope_theta": a.Base}
	}
	text, err := merge(config, from, classes)
	if err != nil {
		return nil, err
	}
	layout, err := layoutOf(m, text)
	if err != nil {
		return nil, err
	}
	var ts []safetensors.Tensor
	for _, p := range m.Params {
		shape, x := p.Shape, make([]float32, len(p.Data))
		for i, v := range p.Data {
			x[i] = v + 0 // no zero of a mask is negative
		}
		if layout[p.Name].transposed {
			x, shape = transpose(x, shape[0], shape[1]), tensor.Shape{shape[1], shape[0]}
		}
		ts = append(ts, safetensors.FromFloat32(p.Name, lead(p.Name, shape), x))
		if p.Name == bertDecoderBias { // the one that older versions of transformers take
			ts = append(ts, safetensors.FromFloat32(bertBias, shape, x))
		}
	}
	files := []File{
		{ConfigFile, func(w io.Writer) error { _, err := w.Write(text); return err }},
		{WeightsFile, func(w io.Writer) error { return safetensors.Write(w, ts, map[string]string{"format": "pt"}) }},
	}
	if from == nil || from.Path == "" {
		return files, nil
	}
	for _, name := range carried {
		b, err := os.ReadFile(filepath.Join(from.Path, name))
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			files = append(files, File{name, func(w io.Writer) error { _, err := w.Write(b); return err }})
		}
	}
	return files, nil
}

// merge is config.json: the folder's own where it is of the same kind, with what
// follows from the graph.
func merge(config map[string]any, from *Dir, classes []string) ([]byte, error) {
	all := map[string]any{}
	if from != nil {
		for k, v := range from.raw {
			all[k] = v
		}
		if t := from.Config.ModelType; config["model_type"] == "llama" && (t == "mistral" || t == "qwen2") {
			delete(config, "model_type")
			delete(config, "architectures")
		}
	}
	for k, v := range config {
		all[k] = v
	}
	delete(all, "torch_dtype") // the older name of dtype
	delete(all, "transformers_version")
	if len(classes) > 0 && slices.Contains([]string{"ViTForImageClassification", "BertForSequenceClassification", "DistilBertForSequenceClassification"}, fmt.Sprint(archOf(all))) {
		names, ids := map[string]string{}, map[string]int{}
		for i, c := range classes {
			names[strconv.Itoa(i)], ids[c] = c, i
		}
		all["id2label"], all["label2id"] = names, ids
		delete(all, "num_labels")
	}
	b, err := json.MarshalIndent(all, "", "  ")
	return append(b, '\n'), err
}

func archOf(all map[string]any) any {
	if l, ok := all["architectures"].([]string); ok && len(l) > 0 {
		return l[0]
	}
	return nil
}

// layoutOf builds the model that a config.json describes and tests that it is m, but
// for the values of its parameters. It tells how they lie in the file.
func layoutOf(m *graph.Model, text []byte) (map[string]layout, error) {
	d := &Dir{tensors: map[string]*safetensors.Tensor{}, plain: true}
	if err := json.Unmarshal(text, &d.Config); err != nil {
		return nil, err
	}
	for _, p := range m.Params {
		d.tensors[p.Name] = &safetensors.Tensor{Name: p.Name, Shape: p.Shape}
	}
	in := m.Input()
	o := Options{Tokens: in.Seq, Segments: in.Seq > 0 && in.C == 2, Pads: !slices.ContainsFunc(m.Nodes, func(n graph.Node) bool {
		return n.Op == "attention" && len(n.In) > 0 && n.In[len(n.In)-1] == 0
	})}
	built, err := d.Build(o)
	if err != nil {
		return nil, fmt.Errorf("what it has become is not of its architecture: %w", err)
	}
	for _, q := range built.Params {
		i := m.Param(q.Name)
		if i < 0 || !slices.Equal(m.Params[i].Shape, q.Shape) {
			return nil, fmt.Errorf("parameter %s would be %v by config.json: it cannot express this model", q.Name, q.Shape)
		}
	}
	if err := same(m, built); err != nil {
		return nil, fmt.Errorf("%w: config.json cannot express this model", err)
	}
	return d.layout, nil
}

// same tests that two graphs compute the same, given the same parameters by name.
func same(a, b *graph.Model) error {
	if len(a.Nodes) != len(b.Nodes) {
		return fmt.Errorf("it has %d ops, its architecture %d", len(a.Nodes), len(b.Nodes))
	}
	for i, x := range a.Nodes {
		y := b.Nodes[i]
		if x.Op != y.Op || !reflect.DeepEqual(x.Attrs, y.Attrs) || !slices.Equal(x.In, y.In) || x.Out != y.Out || len(x.Params) != len(y.Params) {
			return fmt.Errorf("op %s is not that of its architecture, %s", x.Name, y.Name)
		}
		for k, p := range x.Params {
			if q := b.Params[y.Params[k]]; a.Params[p].Name != q.Name {
				return fmt.Errorf("op %s takes parameter %s, in its architecture %s", x.Name, a.Params[p].Name, q.Name)
			}
		}
	}
	return nil
}

// lead is a parameter's shape in the file: ViT's have an axis of one element in front.
func lead(name string, s tensor.Shape) []int {
	switch name {
	case "vit.embeddings.cls_token":
		return append([]int{1, 1}, s...)
	case "vit.embeddings.position_embeddings":
		return append([]int{1}, s...)
	}
	return s
}

// transpose turns a matrix [n, k] into [k, n].
func transpose(x []float32, n, k int) []float32 {
	y := make([]float32, len(x))
	for i := range n {
		for j := range k {
			y[j*n+i] = x[i*k+j]
		}
	}
	return y
}
