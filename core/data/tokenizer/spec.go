package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// spec is one normalizer, pre-tokenizer, post-processor or decoder as it stands
// in tokenizer.json: the keys of all of them.
type spec struct {
	Type string `json:"type"`

	Normalizers   []json.RawMessage `json:"normalizers"`
	Pretokenizers []json.RawMessage `json:"pretokenizers"`
	Processors    []json.RawMessage `json:"processors"`
	Decoders      []json.RawMessage `json:"decoders"`

	// Replace, Prepend, Split, Strip
	Pattern    *pattern `json:"pattern"`
	Content    string   `json:"content"`
	Prepend    string   `json:"prepend"`
	Behavior   string   `json:"behavior"`
	Invert     bool     `json:"invert"`
	StripLeft  bool     `json:"strip_left"`
	StripRight bool     `json:"strip_right"`
	Start      int      `json:"start"`
	Stop       int      `json:"stop"`

	// BertNormalizer, Precompiled
	CleanText          bool   `json:"clean_text"`
	HandleChineseChars bool   `json:"handle_chinese_chars"`
	StripAccents       *bool  `json:"strip_accents"`
	Lowercase          bool   `json:"lowercase"`
	Charsmap           []byte `json:"precompiled_charsmap"`

	// ByteLevel, Metaspace, Digits
	AddPrefixSpace   *bool   `json:"add_prefix_space"`
	TrimOffsets      *bool   `json:"trim_offsets"`
	UseRegex         *bool   `json:"use_regex"`
	Replacement      string  `json:"replacement"`
	PrependScheme    *string `json:"prepend_scheme"`
	Split            *bool   `json:"split"`
	IndividualDigits bool    `json:"individual_digits"`

	// BertProcessing, RobertaProcessing, TemplateProcessing
	Sep           json.RawMessage            `json:"sep"`
	Cls           json.RawMessage            `json:"cls"`
	Single        []json.RawMessage          `json:"single"`
	Pair          []json.RawMessage          `json:"pair"`
	SpecialTokens map[string]json.RawMessage `json:"special_tokens"`

	// WordPiece and BPEDecoder
	Prefix  *string `json:"prefix"`
	Cleanup *bool   `json:"cleanup"`
	Suffix  *string `json:"suffix"`
}

// pattern is what a Replace or Split looks for: a string, or a regular expression.
type pattern struct {
	String *string
	Regex  *string
}

// Bounds on what a file may ask for: no published one comes near them, and they
// keep a broken or hostile file from blowing up.
const (
	maxSteps  = 64 // normalizers, pre-tokenizers, decoders in a row
	maxNested = 4  // sequences in sequences
	maxGrowth = 64 // times that replacing may lengthen a text
)

// steps reads section, which is null, one thing or a Sequence of things (the list
// inside picked by list), as one flat list.
func steps(section string, raw json.RawMessage, list func(*spec) []json.RawMessage) ([]*spec, error) {
	var out []*spec
	var add func(raw json.RawMessage, depth int) error
	add = func(raw json.RawMessage, depth int) error {
		s := &spec{}
		if err := unmarshal(section, raw, s); err != nil {
			return err
		}
		if s.Type != "Sequence" {
			if s.Type == "" {
				return fmt.Errorf("%s: has no type", section)
			}
			if out = append(out, s); len(out) > maxSteps {
				return fmt.Errorf("%s: more than %d in a row", section, maxSteps)
			}
			return nil
		}
		if depth == maxNested {
			return fmt.Errorf("%s: sequences nested more than %d deep", section, maxNested)
		}
		parts := list(s)
		if len(parts) > maxSteps {
			return fmt.Errorf("%s: more than %d in a row", section, maxSteps)
		}
		for _, r := range parts {
			if err := add(r, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if isNull(raw) {
		return nil, nil
	}
	return out, add(raw, 0)
}

// unmarshal reads raw into v; errors name the section.
func unmarshal(section string, raw json.RawMessage, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			if wrong.Field != "" {
				section += "." + wrong.Field
			}
			return fmt.Errorf("%s: holds a %s that does not belong there", section, wrong.Value)
		}
		return fmt.Errorf("%s: %w", section, err)
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// or is *p, or what stands for it where the file says nothing.
func or[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}

// oneRune is the only character of s.
func oneRune(section, key, s string) (rune, error) {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || n != len(s) {
		return 0, fmt.Errorf("%s: %s %q is not one character", section, key, s)
	}
	return r, nil
}
