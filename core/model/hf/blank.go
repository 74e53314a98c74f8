package hf

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pare/core/graph"
	"pare/core/model/safetensors"
)

// Blank is the model that the text of a config.json describes, for sequences of tokens
// tokens: its graph, with parameters that have names and shapes, but no values yet. It
// takes no folder. Encoders attend to all tokens, padding or not.
func Blank(config []byte, tokens int) (*graph.Model, error) {
	d := &Dir{tensors: map[string]*safetensors.Tensor{}, plain: true, blank: true}
	if err := json.Unmarshal(config, &d.Config); err != nil {
		return nil, fmt.Errorf("hf: %s: %w", ConfigFile, err)
	}
	if builders[d.Config.ModelType] == nil {
		return nil, fmt.Errorf("hf: %s: model_type %q is not known: known are %s", ConfigFile, d.Config.ModelType, strings.Join(slices.Sorted(maps.Keys(builders)), ", "))
	}
	m, err := d.Build(Options{Tokens: tokens, Pads: true})
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	return m, nil
}
