// Package peft reads and writes low-rank adapters in the format of Hugging Face's
// PEFT: a folder with adapter_config.json and adapter_model.safetensors. Read puts an
// adapter on a model whose parameters keep the names of their files (core/model/hf);
// Write saves the adapters a model has.
//
// It imports core/graph, core/model/safetensors and core/tensor. What of PEFT's
// configuration would compute something else than graph.AttachLoRA is refused by name.
package peft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Config are the fields of adapter_config.json that matter here, with PEFT's names.
type Config struct {
	Type          string             `json:"peft_type"`
	Task          string             `json:"task_type,omitempty"`
	Base          string             `json:"base_model_name_or_path"`
	Inference     bool               `json:"inference_mode"`
	Rank          int                `json:"r"`
	Alpha         float64            `json:"lora_alpha"`
	Dropout       float64            `json:"lora_dropout"`
	RSLoRA        bool               `json:"use_rslora"`
	FanInFanOut   bool               `json:"fan_in_fan_out"`
	Bias          string             `json:"bias"`
	Targets       Words              `json:"target_modules"`
	Save          []string           `json:"modules_to_save"`
	RankPattern   map[string]int     `json:"rank_pattern"`
	AlphaPattern  map[string]float64 `json:"alpha_pattern"`
	Init          any                `json:"init_lora_weights"`
	patterns      []pattern
	alphaPatterns []pattern
}

// Words is a list, or one word or pattern alone.
type Words []string

// UnmarshalJSON reads either.
func (w *Words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		if one != "" {
			*w = Words{one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// pattern gives layers whose names end like it a value of their own.
type pattern struct {
	re    *regexp.Regexp
	value float64
}

// unsupported are the fields that change what an adapter computes, or what belongs to
// it, and must be null, false or empty.
var unsupported = []string{
	"use_dora", "use_qalora", "lora_bias", "layer_replication", "megatron_config", "alora_invocation_tokens", "trainable_token_indices",
	"target_parameters", "arrow_config", "use_bdlora", "velora_config", "kasa_config", "monteclora_config",
}

// maxConfig bounds adapter_config.json.
const maxConfig = 1 << 20

// ParseConfig reads adapter_config.json.
func ParseConfig(b []byte) (*Config, error) {
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%d bytes: an adapter's configuration has at most %d", len(b), maxConfig)
	}
	c := &Config{Rank: 8, Alpha: 8, Bias: "none"} // PEFT's defaults
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	if c.Type != "LORA" {
		return nil, fmt.Errorf("peft_type = %q: only LORA is supported", c.Type)
	}
	for _, key := range unsupported {
		switch v := string(bytes.TrimSpace(fields[key])); v {
		case "", "null", "false", "[]", "{}", `""`:
		default:
			return nil, fmt.Errorf("%s = %.40s is not supported", key, v)
		}
	}
	switch v := c.Init.(type) {
	case nil, bool:
	case string: // of these the base model stays what it was
		if !slices.Contains([]string{"gaussian", "eva", "orthogonal"}, strings.ToLower(v)) {
			return nil, fmt.Errorf("init_lora_weights = %.40q changes the base model's weights: save the adapter with path_initial_model_for_weight_conversion", v)
		}
	default:
		return nil, errors.New("init_lora_weights is neither a word nor true or false")
	}
	switch {
	case c.Rank < 1 || c.Rank > 1<<20:
		return nil, fmt.Errorf("r = %d: need at least 1", c.Rank)
	case math.Abs(c.Alpha) > 1e9:
		return nil, fmt.Errorf("lora_alpha = %g", c.Alpha)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return nil, fmt.Errorf("lora_dropout = %g: need 0 ≤ p < 1", c.Dropout)
	case !slices.Contains([]string{"none", "all", "lora_only"}, c.Bias):
		return nil, fmt.Errorf("bias = %.40q: need none, all or lora_only", c.Bias)
	}
	var err error
	ranks := map[string]float64{}
	for k, v := range c.RankPattern {
		ranks[k] = float64(v)
	}
	if c.patterns, err = patterns("rank_pattern", ranks); err != nil {
		return nil, err
	}
	c.alphaPatterns, err = patterns("alpha_pattern", c.AlphaPattern)
	return c, err
}

// maxPatterns bounds the regular expressions of a configuration.
const maxPatterns = 4096

func patterns(key string, of map[string]float64) ([]pattern, error) {
	if len(of) > maxPatterns {
		return nil, fmt.Errorf("%s has %d entries, at most %d are read", key, len(of), maxPatterns)
	}
	var l []pattern
	for word, v := range of {
		if len(word) > 512 {
			return nil, fmt.Errorf("%s has a pattern of %d characters", key, len(word))
		}
		if strings.Contains(word, "{") { // a few bytes of counts make megabytes
			return nil, fmt.Errorf("%s: %.60q: counted repetition is not supported", key, word)
		}
		if v-v != 0 || key == "rank_pattern" && v < 1 {
			return nil, fmt.Errorf("%s gives %.60q the value %g", key, word, v)
		}
		re, err := regexp.Compile(`^(.*\.)?(` + word + `)$`)
		if err != nil {
			return nil, fmt.Errorf("%s: %.60q: %w", key, word, err)
		}
		l = append(l, pattern{re, v})
	}
	// PEFT takes the first that fits. Of several the longest is the most particular.
	slices.SortFunc(l, func(a, b pattern) int {
		if d := len(b.re.String()) - len(a.re.String()); d != 0 {
			return d
		}
		return strings.Compare(a.re.String(), b.re.String())
	})
	return l, nil
}

// of is the value for a module.
func of(l []pattern, module string, otherwise float64) float64 {
	for _, p := range l {
		if p.re.MatchString(module) {
			return p.value
		}
	}
	return otherwise
}
