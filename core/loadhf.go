package core

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pare/core/deploy"
	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/hf"
	"pare/core/model/zoo"
)

// FolderFormats are the formats to write a model in, by default: of a folder also the
// folder, as it came.
func FolderFormats(formats []string, model string) []string {
	if !IsFolder(model) || slices.Contains(formats, formatHF) {
		return formats
	}
	return append(slices.Clone(formats), formatHF)
}

// hfPreset is the fine-tuning of a pretrained transformer (Devlin et al. 2019, A.3).
var hfPreset = zoo.Preset{Optimizer: "adamw", LR: 5e-5, WeightDecay: 0.01, Batch: 32, Epochs: 3, LRSchedule: "cosine", Source: "Devlin et al. 2019, A.3, for fine-tuning"}

// IsFolder reports whether a model's path is a folder in the form of Hugging Face, of a
// model or of an adapter.
func IsFolder(path string) bool { return path != "" && isBase(path) || hasAdapter(path) }

// folderTokens is the length of sequences where no data say one, at most.
const folderTokens = 128

// openFolder builds the model of a folder for samples of the given kind; none of them
// (inspect, predict) leaves its head as it is. Layers that the folder lacks are told. again is
// for a run that has its weights in a checkpoint.
func openFolder(path string, seed uint64, s Sample, again bool) (*graph.Model, []event.Warning, error) {
	open := openHF
	if again {
		open = openAgain
	}
	d, err := open(path)
	if err != nil {
		return nil, nil, err
	}
	task, err := d.Task()
	if err != nil {
		return nil, nil, fmt.Errorf("model %s: %w", path, err)
	}
	o := hf.Options{Tokens: d.Places(folderTokens), Seed: seed}
	switch {
	case s.Shape == nil:
	case s.Text != nil && s.Text.LM:
		want := hf.CausalLM
		if s.Text.Masked {
			want = hf.MaskedLM
		}
		if o.Tokens = s.Text.Len; task != want {
			return nil, nil, fmt.Errorf("model %s (%s): text without labels trains a %s or a %s; give texts with labels (CSV, TSV or JSONL) to make it a classifier", path, task, hf.CausalLM, hf.MaskedLM)
		}
	case s.Text != nil:
		if o.Tokens, o.Classes = s.Text.Len, s.Classes; task == hf.CausalLM || task == hf.ImageClassifier {
			return nil, nil, fmt.Errorf("model %s (%s): texts with labels need an encoder: give a folder with a BERT or DistilBERT, or bert-mini", path, task)
		}
	case task != hf.ImageClassifier:
		return nil, nil, fmt.Errorf("model %s (%s): it takes text, the data are no text: give texts (CSV, TSV, JSONL, .txt), or another model", path, task)
	default:
		o.Classes = s.Classes
	}
	if t := s.Text; t != nil {
		o.Segments = t.Pair
		switch pad, most := d.Config.Pad, d.Places(math.MaxInt); {
		case o.Tokens > most:
			return nil, nil, fmt.Errorf("model %s takes at most %d tokens, the samples have %d: set data.tokens = %d, or fewer", path, most, o.Tokens, most)
		case t.Pair && d.Config.ModelType == "bert" && d.Config.Types < 2:
			return nil, nil, fmt.Errorf("model %s tells %d kind of text apart (type_vocab_size), a pair needs two: give texts in one column", path, d.Config.Types)
		case t.Vocab > d.Config.Vocab && d.Config.Vocab > 0:
			return nil, nil, fmt.Errorf("model %s knows %d tokens, the data have ids up to %d: %s", path, d.Config.Vocab, t.Vocab-1, ownTokenizer(path))
		case !t.LM && t.Pad >= 0 && pad != nil && int(t.Pad) != *pad:
			return nil, nil, fmt.Errorf("model %s leaves out id %d as padding, the data's tokenizer pads with %d: %s", path, *pad, t.Pad, ownTokenizer(path))
		}
	}
	m, err := d.Build(o)
	if err != nil {
		return nil, nil, err
	}
	var warn []event.Warning
	if d.adapter != "" {
		warn = append(warn, event.Warning{Text: fmt.Sprintf("the adapter in %s is merged into its base model, %s", d.adapter, d.Path)})
	}
	if l := d.Fresh(); len(l) > 0 {
		warn = append(warn, event.Warning{Text: fmt.Sprintf("%s: fresh weights, which the folder does not have for %d classes: train them before the model is judged", strings.Join(l, ", "), o.Classes)})
	}
	if t := s.Text; t != nil && t.Kind != "" {
		cut := t.Kind
		if t.Path != "" {
			cut = t.Path
		}
		if say := ForeignTokenizer(path, cut); say != "" {
			warn = append(warn, event.Warning{Text: say, Fix: foreignFix(path)})
		}
	}
	deploy.MaskZeros(m)
	return m, warn, deploy.Tidy(m)
}

// ownTokenizer says where the tokens of a model come from.
func ownTokenizer(path string) string {
	if tokenizerOf(path) == "" {
		return "the folder has no tokenizer: put the model's own tokenizer.json into it"
	}
	return fmt.Sprintf("take the model's own tokenizer (data.tokenizer = %q)", path)
}

// placesOf is the length of the longest sequences that a folder's model takes, 0 where
// that is not known.
func placesOf(path string) int {
	if !IsFolder(path) {
		return 0
	}
	d, err := openAgain(path)
	if err != nil { // said when the model is opened
		return 0
	}
	return d.Places(folderTokens)
}

// masksTokens reports whether running text is for a masked language model.
func masksTokens(path string) bool {
	if !IsFolder(path) {
		return false
	}
	d, err := openAgain(path)
	if err != nil { // said when the model is opened
		return false
	}
	task, err := d.Task()
	return err == nil && task == hf.MaskedLM
}

// tokenizerOf is the folder of a model that brings its tokenizer, else empty.
func tokenizerOf(path string) string {
	if IsFolder(path) {
		for _, name := range tokenizerFiles {
			if _, err := os.Stat(filepath.Join(path, name)); err == nil {
				return path
			}
		}
		if base, err := baseOf(path); err == nil && base != path { // an adapter may leave it to its base
			return tokenizerOf(base)
		}
	}
	return ""
}
