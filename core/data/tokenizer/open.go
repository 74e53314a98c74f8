package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is the largest file that is read: the largest published ones have 40 MB.
const maxFile = 256 << 20

// Open reads the tokenizer in a folder or a file: tokenizer.json, else vocab.json
// and merges.txt, else vocab.txt. Errors name the file and the key.
func Open(path string) (*Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir := path
	if !info.IsDir() {
		dir = filepath.Dir(path)
	}
	c, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if !info.IsDir() {
		switch filepath.Base(path) {
		case "vocab.json", "merges.txt":
			return openBPE(in("vocab.json"), in("merges.txt"), c)
		case "encoder.json", "vocab.bpe":
			return openBPE(in("encoder.json"), in("vocab.bpe"), c)
		}
		if strings.HasSuffix(path, ".txt") {
			return openWordPiece(path, c)
		}
		return openJSON(path, c)
	}
	switch {
	case exists(in("tokenizer.json")):
		return openJSON(in("tokenizer.json"), c)
	case exists(in("vocab.json")) && exists(in("merges.txt")):
		return openBPE(in("vocab.json"), in("merges.txt"), c)
	case exists(in("encoder.json")) && exists(in("vocab.bpe")):
		return openBPE(in("encoder.json"), in("vocab.bpe"), c)
	case exists(in("vocab.txt")):
		return openWordPiece(in("vocab.txt"), c)
	}
	return nil, fmt.Errorf("%s: holds no tokenizer.json, no vocab.json with merges.txt and no vocab.txt: copy the files of the model's tokenizer there", path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// readFile reads a file whole.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: has %d bytes, more than the %d a tokenizer may have", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// openJSON reads tokenizer.json.
func openJSON(path string, c *config) (*Tokenizer, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	t, err := parse(raw, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// file is tokenizer.json.
type file struct {
	Truncation *struct {
		Strategy  string `json:"strategy"`
		Direction string `json:"direction"`
	} `json:"truncation"`
	Padding *struct {
		Direction string `json:"direction"`
		ID        int32  `json:"pad_id"`
		TypeID    int32  `json:"pad_type_id"`
	} `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

// parse makes a tokenizer of the bytes of tokenizer.json.
func parse(raw []byte, c *config) (*Tokenizer, error) {
	var f file
	if err := unmarshal("tokenizer", raw, &f); err != nil {
		return nil, err
	}
	t := &Tokenizer{truncation: truncation{strategy: "LongestFirst"}}
	var err error
	if t.model, t.vocab, err = newModel(f.Model); err != nil {
		return nil, err
	}
	if t.normalizers, err = newNormalizers(f.Normalizer); err != nil {
		return nil, err
	}
	if t.preTokenizers, err = newPreTokenizers(f.PreTokenizer); err != nil {
		return nil, err
	}
	if t.post, err = newPostProcessor(f.PostProcessor); err != nil {
		return nil, err
	}
	if t.decoders, err = newDecoders(f.Decoder); err != nil {
		return nil, err
	}
	if f.Truncation != nil {
		switch s := f.Truncation.Strategy; s {
		case "LongestFirst", "OnlyFirst", "OnlySecond":
			t.truncation.strategy = s
		default:
			return nil, fmt.Errorf("truncation: strategy %.100q is not supported", s)
		}
		t.truncation.left = f.Truncation.Direction == "Left"
	}
	if f.Padding != nil {
		t.padding = padding{f.Padding.ID, f.Padding.TypeID, true, f.Padding.Direction == "Left"}
	}
	return t, t.finish(f.AddedTokens, c)
}

// finish adds the added tokens and what the configuration says.
func (t *Tokenizer) finish(list []addedToken, c *config) error {
	t.added, t.addedI = map[string]*addedToken{}, map[int32]*addedToken{}
	t.size = len(t.vocab.tokens)
	for i := range list {
		a := &list[i]
		if a.Content == "" || t.added[a.Content] != nil {
			continue
		}
		if id, ok := t.vocab.ids[a.Content]; ok && id != a.ID {
			return fmt.Errorf("added_tokens: %.100q has id %d, but %d in the vocabulary", a.Content, a.ID, id)
		} else if !ok {
			other, taken := t.Token(a.ID)
			if a.ID < 0 || taken {
				return fmt.Errorf("added_tokens: %.100q has id %d, which is that of %.100q", a.Content, a.ID, other)
			}
			t.size++
		}
		t.added[a.Content], t.addedI[a.ID] = a, a
	}
	var plain, normalized []entry
	for i := range list {
		a := &list[i]
		if t.added[a.Content] != a {
			continue
		}
		if !a.normalized() {
			a.text = a.Content
			plain = append(plain, entry{a.Content, a.ID})
			continue
		}
		p := newSplits(a.Content)
		for _, n := range t.normalizers {
			if err := p.rewrite(n); err != nil {
				return fmt.Errorf("added_tokens: %.100q: %w", a.Content, err)
			}
		}
		a.text = p.s
		normalized = append(normalized, entry{p.s, a.ID})
	}
	if len(plain) > 0 {
		t.plain = &finder{newPrefixes(plain), t.addedI}
	}
	if len(normalized) > 0 {
		t.normalized = &finder{newPrefixes(normalized), t.addedI}
	}
	return t.configure(c)
}

// configure takes the side and the token of padding and the side of truncation
// from the configuration where it names them.
func (t *Tokenizer) configure(c *config) error {
	t.mask = string(c.Mask)
	switch {
	case c.Pad != "":
		id, ok := t.ID(string(c.Pad))
		if !ok {
			return fmt.Errorf("%s: pad_token %.100q is not in the vocabulary", configFile, c.Pad)
		}
		t.padding.id, t.padding.known = id, true
	case !t.padding.known:
		for _, name := range []string{"[PAD]", "<pad>"} {
			if a := t.added[name]; a != nil && a.Special {
				t.padding.id, t.padding.known = a.ID, true
				break
			}
		}
	}
	if c.PaddingSide != "" {
		t.padding.left = c.PaddingSide == "left"
	}
	if c.TruncationSide != "" {
		t.truncation.left = c.TruncationSide == "left"
	}
	return nil
}
