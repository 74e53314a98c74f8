// Package hf reads the folders in which Hugging Face keeps models: config.json and
// safetensors, one file or shards with an index. It turns GPT-2, Llama, Qwen2 and
// Mistral (causal language models), BERT and DistilBERT (encoders, with the head of a
// classifier or of a masked language model) and ViT (a classifier of images) into a
// graph whose parameters keep the names of the files. It imports core/graph,
// core/model/safetensors and core/tensor.
package hf

import (
	"bytes"
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
	raw     map[string]any    // config.json as it is
	fresh   []string          // layers of the last graph that the folder does not hold
	layout  map[string]layout // how its parameters lie in files
	plain   bool              // the tensors have names and shapes, but no data
	blank   bool              // there are none: any that config.json asks for is taken to be there
}

// layout is how a parameter lies in a file.
type layout struct {
	tensor     string
	transposed bool
}

// builders make the graph of each model_type.
var builders = map[string]func(b *builder) error{
	"gpt2": gpt2, "llama": llama, "mistral": llama, "qwen2": llama, "bert": bert, "distilbert": distilbert, "vit": vit,
}

// Open reads config.json and the headers of the tensors of a folder.
func Open(dir string) (*Dir, error) {
	d := &Dir{Path: dir, tensors: map[string]*safetensors.Tensor{}}
	text, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	if err := json.Unmarshal(text, &d.Config); err != nil {
		return nil, fmt.Errorf("hf: %s: %w: correct it, or download it again", filepath.Join(dir, ConfigFile), err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&d.raw); err != nil {
		return nil, fmt.Errorf("hf: %s: %w", filepath.Join(dir, ConfigFile), err)
	}
	if builders[d.Config.ModelType] == nil {
		return nil, fmt.Errorf("hf: %s: model_type %q is not known: known are %s", filepath.Join(dir, ConfigFile), d.Config.ModelType, strings.Join(slices.Sorted(maps.Keys(builders)), ", "))
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
		err = d.add(WeightsFile, nil)
		if errors.Is(err, os.ErrNotExist) {
			return d.noWeights()
		}
		return err
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

// noWeights says what a folder without model.safetensors lacks.
func (d *Dir) noWeights() error {
	for _, old := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"} {
		if _, err := os.Stat(filepath.Join(d.Path, old)); err == nil {
			return fmt.Errorf("the weights are in %s, which is not read: save them as %s (save_pretrained of transformers does)", old, WeightsFile)
		}
	}
	return fmt.Errorf("it has %s, but no weights: put %s beside it", ConfigFile, WeightsFile)
}

// add takes in the tensors of a file: those named, or all for nil.
func (d *Dir) add(file string, names []string) error {
	f, err := safetensors.OpenLazy(filepath.Join(d.Path, file))
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
		d.tensors[modern(name)] = t
	}
	return nil
}

// modern is the name that a tensor of a file from before 2019 has today.
func modern(name string) string {
	for old, now := range map[string]string{".LayerNorm.gamma": ".LayerNorm.weight", ".LayerNorm.beta": ".LayerNorm.bias"} {
		if at, ok := strings.CutSuffix(name, old); ok {
			return at + now
		}
	}
	return name
}

// Options say how a graph is built.
type Options struct {
	// Tokens of a sequence.
	Tokens int
	// Pads: encoders attend to padding as to other tokens. Else keys whose id is
	// pad_token_id are left out, so that padding does not change what a text gives.
	Pads bool
	// Segments: the input has a second channel, the segment of each token (BERT's
	// token types). Else all tokens are of segment 0.
	Segments bool
	// Classes is the number of classes of the data, 0 for none. An encoder without a
	// classifier of that size gets one, with fresh weights drawn from Seed: Fresh
	// tells of which layers.
	Classes int
	Seed    uint64
}

// Fresh are the layers of the model last built whose weights are not the folder's.
func (d *Dir) Fresh() []string { return d.fresh }

// Places is the length of the longest sequences that the model takes, but at most most.
func (d *Dir) Places(most int) int {
	for _, n := range []int{d.Config.Places, d.Config.reach()} {
		if n > 0 {
			most = min(most, n)
		}
	}
	return most
}

// Graph is the model for sequences of tokens tokens, with its weights.
func (d *Dir) Graph(tokens int) (*graph.Model, error) { return d.Build(Options{Tokens: tokens}) }

// Build is the model with its weights. A model of images takes nothing from o.
func (d *Dir) Build(o Options) (*graph.Model, error) {
	b := &builder{d: d, c: &d.Config, o: o, used: map[string]bool{}}
	d.fresh, d.layout = nil, map[string]layout{}
	b.M = graph.NewSequence(filepath.Base(d.Path), 1, o.Tokens)
	if o.Segments {
		b.M.Values[0].C = 2
	}
	err := builders[d.Config.ModelType](b)
	if err == nil {
		err = b.Err
	}
	if err == nil {
		err = b.rest()
	}
	b.rename()
	if err == nil {
		err = b.M.Verify()
	}
	switch {
	case err != nil && d.plain: // Files says of which model
		return nil, err
	case err != nil:
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
	o    Options
	used map[string]bool
	// extra begin the names of tensors that the model does not need, but its
	// folder may hold.
	extra []string
	// under begins the names of an encoder's parameters where a classifier is set on
	// a folder that held the encoder alone, as transformers names them then.
	under string
	// replaced: the folder's classifier is not that of the data.
	replaced bool
}

// param takes a tensor as a parameter, transposed if the file has it so.
func (b *builder) param(name string, role graph.Role, shape tensor.Shape, transposed bool) int {
	if b.Err != nil {
		return 0
	}
	b.d.layout[name] = layout{name, transposed}
	if b.d.blank {
		return b.M.AddParam(name, role, shape, nil)
	}
	t, ok := b.d.tensors[name]
	if (!ok || b.replaced && headless(name)) && b.new(name) {
		return b.M.AddParam(name, role, shape, b.draw(name, role, shape))
	}
	if !ok {
		b.Err = fmt.Errorf("tensor %q is missing: the folder is incomplete, or config.json is of another model", name)
		return 0
	}
	b.used[name] = true
	if b.d.plain {
		return b.M.AddParam(name, role, shape, nil)
	}
	want := shape
	if transposed {
		want = tensor.Shape{shape[1], shape[0]}
	}
	if !slices.Equal(t.Shape, []int(want)) && !(slices.Equal(squeeze(t.Shape), []int(want)) && !transposed) {
		b.Err = fmt.Errorf("tensor %q is %v, config.json makes it %v", name, tensor.Shape(t.Shape), want)
		return 0
	}
	x, err := t.Float32()
	if err != nil {
		b.Err = err
		return 0
	}
	if transposed {
		x = transpose(x, shape[1], shape[0])
	}
	return b.M.AddParam(name, role, shape, x)
}

// squeeze leaves out axes of one element in front of others.
func squeeze(s []int) []int {
	for len(s) > 1 && s[0] == 1 {
		s = s[1:]
	}
	return s
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

// scoring sets the factor of the scores of the attention that gives v; 0 leaves 1/√D.
func (b *builder) scoring(scores float32, v int) int {
	if b.Err == nil {
		b.M.Nodes[len(b.M.Nodes)-1].Attrs.Scale = scores
	}
	return v
}

// padding are the attributes of an embedding whose row for padding learns nothing, as
// PyTorch's padding_idx has it.
func (b *builder) padding() graph.Attrs {
	if b.c.Pad == nil || *b.c.Pad < 0 {
		return graph.Attrs{}
	}
	return graph.Attrs{Pad: *b.c.Pad, Padded: true}
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
func (b *builder) head(in int, table string, tied bool) {
	if tied {
		b.extra = append(b.extra, "lm_head.") // some files hold it twice
		b.node("lm_head", "linear", graph.Attrs{}, []int{b.M.Param(table)}, in)
		return
	}
	b.linear("lm_head", in, b.c.Vocab, false, false)
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
var buffers = []string{".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq", "embeddings.position_ids"}

// layerNorm is a layer norm over the channels of in.
func (b *builder) layerNorm(name string, in int, eps float32) int {
	if b.Err != nil {
		return 0
	}
	s := tensor.Shape{b.M.Values[in].C}
	return b.node(name, "layernorm", graph.Attrs{Eps: eps}, []int{b.param(name+".weight", graph.Scale, s, false), b.param(name+".bias", graph.Shift, s, false)}, in)
}

func buffer(name string) bool {
	return slices.ContainsFunc(buffers, func(end string) bool { return strings.HasSuffix(name, end) })
}

// rest refuses tensors that nothing used: the graph would not be the file's model.
func (b *builder) rest() error {
	for _, name := range slices.Sorted(maps.Keys(b.d.tensors)) {
		if !b.used[name] && !buffer(name) && !slices.ContainsFunc(b.extra, func(s string) bool { return strings.HasPrefix(name, s) }) {
			return fmt.Errorf("tensor %q belongs to nothing in a %s model of this config.json: is it of another model?", name, b.c.ModelType)
		}
	}
	return nil
}

// layers counts n layers up, until one cannot be built: a damaged config.json may ask
// for millions.
func (b *builder) layers(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := 0; i < n && b.Err == nil && yield(i); i++ {
			if i == maxLayers {
				b.Err = fmt.Errorf("config.json: %d layers, at most %d are read", n, maxLayers)
			}
		}
	}
}

// maxLayers is more than any model has.
const maxLayers = 1 << 12

// positive tests sizes of config.json.
func positive(sizes map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if v := sizes[name]; v < 1 || v > 1<<24 {
			return fmt.Errorf("config.json: %s = %d, need 1 to %d", name, v, 1<<24)
		}
	}
	return nil
}
