// Package hf reads the folders in which Hugging Face keeps models: config.json and
// safetensors, one file or shards with an index. It turns GPT-2, Llama, Qwen2 and
// Mistral (causal language models) into a graph whose parameters keep the names of
// the files. It imports core/graph, core/model/safetensors and core/tensor.
package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/model/safetensors"
	"pare/core/tensor"
)

// Dir is an opened folder: its configuration and where its tensors are.
type Dir struct {
	Path   string
	Config Config

	tensors map[string]*safetensors.Tensor
}

// Config are the fields of config.json that shape a model. Absent fields are zero.
type Config struct {
	ModelType string `json:"model_type"`
	Tied      *bool  `json:"tie_word_embeddings"`
	Vocab     int    `json:"vocab_size"`

	// GPT-2.
	Width     int     `json:"n_embd"`
	Heads     int     `json:"n_head"`
	Layers    int     `json:"n_layer"`
	Places    int     `json:"n_positions"`
	Inner     int     `json:"n_inner"`
	Eps       float32 `json:"layer_norm_epsilon"`
	Act       string  `json:"activation_function"`
	ScaleAttn *bool   `json:"scale_attn_weights"`
	ByLayer   bool    `json:"scale_attn_by_inverse_layer_idx"`
	CrossAttn bool    `json:"add_cross_attention"`

	// Llama and its relatives.
	Hidden        int     `json:"hidden_size"`
	Intermediate  int     `json:"intermediate_size"`
	HiddenLayers  int     `json:"num_hidden_layers"`
	AttnHeads     int     `json:"num_attention_heads"`
	KVHeads       int     `json:"num_key_value_heads"`
	HeadDim       int     `json:"head_dim"`
	RMSEps        float32 `json:"rms_norm_eps"`
	HiddenAct     string  `json:"hidden_act"`
	MaxPositions  int     `json:"max_position_embeddings"`
	RopeTheta     float64 `json:"rope_theta"`
	RopeScaling   *Rope   `json:"rope_scaling"`
	Rope          *Rope   `json:"rope_parameters"`
	AttnBias      bool    `json:"attention_bias"`
	MLPBias       bool    `json:"mlp_bias"`
	SlidingWindow int     `json:"sliding_window"`
	UseWindow     *bool   `json:"use_sliding_window"`
}

// Rope describes rotary positions.
type Rope struct {
	Theta float64 `json:"rope_theta"`
	Type  string  `json:"rope_type"`
	Old   string  `json:"type"` // of older files
}

// builders make the graph of each model_type.
var builders = map[string]func(b *builder) error{"gpt2": gpt2, "llama": llama, "mistral": llama, "qwen2": llama}

// Open reads config.json and the headers of the tensors of a folder.
func Open(dir string) (*Dir, error) {
	d := &Dir{Path: dir, tensors: map[string]*safetensors.Tensor{}}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	if err := json.Unmarshal(text, &d.Config); err != nil {
		return nil, fmt.Errorf("hf: %s: %w", filepath.Join(dir, "config.json"), err)
	}
	if builders[d.Config.ModelType] == nil {
		return nil, fmt.Errorf("hf: %s: model_type %q is not known: known are %s", filepath.Join(dir, "config.json"), d.Config.ModelType, strings.Join(slices.Sorted(maps.Keys(builders)), ", "))
	}
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("hf: %s: %w", dir, err)
	}
	return d, nil
}

// open finds the tensors: in model.safetensors, or where an index says.
func (d *Dir) open() error {
	index, err := os.ReadFile(filepath.Join(d.Path, "model.safetensors.index.json"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return d.add("model.safetensors", nil)
	case err != nil:
		return err
	}
	var in struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(index, &in); err != nil {
		return fmt.Errorf("model.safetensors.index.json: %w", err)
	}
	shards := map[string][]string{}
	for name, file := range in.Map {
		if file != filepath.Base(file) || file == "" || file == ".." {
			return fmt.Errorf("model.safetensors.index.json: tensor %q is in file %q: shards lie beside the index", name, file)
		}
		shards[file] = append(shards[file], name)
	}
	if len(shards) == 0 {
		return errors.New("model.safetensors.index.json names no tensors")
	}
	for _, file := range slices.Sorted(maps.Keys(shards)) {
		if err := d.add(file, shards[file]); err != nil {
			return err
		}
	}
	return nil
}

// add takes in the tensors of a file: those named, or all for nil.
func (d *Dir) add(file string, names []string) error {
	f, err := safetensors.Open(filepath.Join(d.Path, file))
	if err != nil {
		return err
	}
	if names == nil {
		for _, t := range f.Tensors {
			names = append(names, t.Name)
		}
	}
	for _, name := range names {
		t, ok := f.Get(name)
		if !ok {
			return fmt.Errorf("the index puts tensor %q into %s, which does not have it", name, file)
		}
		d.tensors[name] = t
	}
	return nil
}

// Graph is the model for sequences of tokens tokens, with its weights.
func (d *Dir) Graph(tokens int) (*graph.Model, error) {
	b := &builder{Net: graph.Net{M: graph.NewSequence(filepath.Base(d.Path), 1, tokens)}, d: d, c: &d.Config, used: map[string]bool{}}
	err := builders[d.Config.ModelType](b)
	if err == nil {
		err = b.Err
	}
	if err == nil {
		err = b.rest()
	}
	if err == nil {
		err = b.M.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("hf: %s: %w", d.Path, err)
	}
	return b.M, nil
}

// builder builds a graph from the tensors of a folder. It is a Net whose layers
// take their weights by name, and keeps the first error.
type builder struct {
	graph.Net
	d    *Dir
	c    *Config
	used map[string]bool
}

// param takes a tensor as a parameter, transposed if the file has it so.
func (b *builder) param(name string, role graph.Role, shape tensor.Shape, transposed bool) int {
	if b.Err != nil {
		return 0
	}
	t, ok := b.d.tensors[name]
	if !ok {
		b.Err = fmt.Errorf("tensor %q is missing: the folder is incomplete, or config.json is of another model", name)
		return 0
	}
	want := shape
	if transposed {
		want = tensor.Shape{shape[1], shape[0]}
	}
	if !slices.Equal(t.Shape, []int(want)) {
		b.Err = fmt.Errorf("tensor %q is %v, config.json makes it %v", name, tensor.Shape(t.Shape), want)
		return 0
	}
	x, err := t.Float32()
	if err != nil {
		b.Err = err
		return 0
	}
	if transposed {
		y := make([]float32, len(x))
		for k := range shape[1] {
			for n := range shape[0] {
				y[n*shape[1]+k] = x[k*shape[0]+n]
			}
		}
		x = y
	}
	b.used[name] = true
	return b.M.AddParam(name, role, shape, x)
}

// node adds a node, unless there was an error before.
func (b *builder) node(name, op string, a graph.Attrs, params []int, in ...int) int {
	if b.Err != nil {
		return 0
	}
	v, err := b.M.Append(name, op, a, params, in...)
	b.Err = err
	return v
}

// linear is a linear layer with n outputs; GPT-2 keeps its weights [in, out].
func (b *builder) linear(name string, in, n int, bias, transposed bool) int {
	if b.Err != nil {
		return 0
	}
	p := []int{b.param(name+".weight", graph.Weight, tensor.Shape{n, b.M.Values[in].C}, transposed)}
	if bias {
		p = append(p, b.param(name+".bias", graph.Bias, tensor.Shape{n}, false))
	}
	return b.node(name, "linear", graph.Attrs{}, p, in)
}

// head is the layer that makes logits: a linear layer of its own, or the
// embedding's table once more.
func (b *builder) head(in int, table string, tied bool) int {
	if tied {
		delete(b.d.tensors, "lm_head.weight") // some files hold it twice
		return b.node("lm_head", "linear", graph.Attrs{}, []int{b.M.Param(table)}, in)
	}
	return b.linear("lm_head", in, b.c.Vocab, false, false)
}

// acts are the activation functions by their names there.
var acts = map[string]string{
	"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu", "tanh": "tanh",
}

func (b *builder) act(name, kind string, in int) int {
	op, ok := acts[kind]
	if !ok && b.Err == nil {
		b.Err = fmt.Errorf("activation %q is not known: known are %s", kind, strings.Join(slices.Sorted(maps.Keys(acts)), ", "))
	}
	return b.Op(name, op, in)
}

// buffers end the names of tensors that older files hold but no model needs: masks
// and rotation tables.
var buffers = []string{".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"}

// rest refuses tensors that nothing used: the graph would not be the file's model.
func (b *builder) rest() error {
	for _, name := range slices.Sorted(maps.Keys(b.d.tensors)) {
		if !b.used[name] && !slices.ContainsFunc(buffers, func(end string) bool { return strings.HasSuffix(name, end) }) {
			return fmt.Errorf("tensor %q belongs to nothing in a %s model of this config.json: is it of another model?", name, b.c.ModelType)
		}
	}
	return nil
}

// positive tests sizes of config.json.
func positive(sizes map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if v := sizes[name]; v < 1 || v > 1<<24 {
			return fmt.Errorf("config.json: %s = %d, need 1 to %d", name, v, 1<<24)
		}
	}
	return nil
}
