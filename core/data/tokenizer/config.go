package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
)

const configFile = "tokenizer_config.json"

// config is what tokenizer_config.json, special_tokens_map.json and
// added_tokens.json beside a tokenizer say, as far as it is needed here.
type config struct {
	Class          string `json:"tokenizer_class"`
	PaddingSide    string `json:"padding_side"`
	TruncationSide string `json:"truncation_side"`

	BOS  name `json:"bos_token"`
	EOS  name `json:"eos_token"`
	Unk  name `json:"unk_token"`
	Sep  name `json:"sep_token"`
	Pad  name `json:"pad_token"`
	Cls  name `json:"cls_token"`
	Mask name `json:"mask_token"`

	Additional     []name `json:"additional_special_tokens"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	LowerCase      *bool  `json:"do_lower_case"`
	StripAccents   *bool  `json:"strip_accents"`
	Chinese        *bool  `json:"tokenize_chinese_chars"`

	Decoder map[string]addedToken `json:"added_tokens_decoder"` // by id
	added   map[string]int32      // added_tokens.json
}

// name is the text of a token, which may stand by itself or in an object.
type name string

func (n *name) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		var o struct {
			Content string `json:"content"`
		}
		err := json.Unmarshal(raw, &o)
		*n = name(o.Content)
		return err
	}
	var s string
	err := json.Unmarshal(raw, &s)
	*n = name(s)
	return err
}

// readConfig reads the configuration files of dir; a missing one says nothing.
func readConfig(dir string) (*config, error) {
	c := &config{}
	for _, f := range []struct {
		name string
		into any
	}{
		{"special_tokens_map.json", c},
		{configFile, c}, // later ones count
		{"added_tokens.json", &c.added},
	} {
		path := filepath.Join(dir, f.name)
		raw, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		if err := unmarshal("tokenizer", raw, f.into); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return c, nil
}

// tokens are the added tokens of a vocabulary that lists none itself: those the
// configuration numbers, then names (all special) that the vocabulary has. Of
// special tokens that nothing names, those in usual count.
func (c *config) tokens(v *vocabulary, usual ...name) ([]addedToken, error) {
	var list []addedToken
	for key, a := range c.Decoder {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: added_tokens_decoder: %.100q is not an id", configFile, key)
		}
		a.ID = int32(id)
		list = append(list, a)
	}
	for s, id := range c.added {
		list = append(list, addedToken{ID: id, Content: s})
	}
	names := append([]name{c.BOS, c.EOS, c.Unk, c.Sep, c.Pad, c.Cls, c.Mask}, c.Additional...)
	for _, n := range append(names, usual...) {
		if n == "" {
			continue
		}
		if id, ok := v.ids[string(n)]; ok {
			list = append(list, addedToken{ID: id, Content: string(n), Special: true, LStrip: n == "<mask>"})
		} else if i := slices.IndexFunc(list, func(a addedToken) bool { return a.Content == string(n) }); i >= 0 {
			list[i].Special = true
		}
	}
	slices.SortStableFunc(list, func(a, b addedToken) int { return int(a.ID) - int(b.ID) })
	return list, nil
}
