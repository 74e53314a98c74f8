package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// openBPE reads vocab.json and merges.txt: BPE on bytes, as GPT-2 (or, if the
// configuration says so, RoBERTa) has it.
func openBPE(vocab, merges string, c *config) (*Tokenizer, error) {
	raw, err := readFile(vocab)
	if err != nil {
		return nil, err
	}
	var ids map[string]int32
	if err := json.Unmarshal(raw, &ids); err != nil {
		return nil, fmt.Errorf("%s: %w", vocab, err)
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vocab, err)
	}
	for b, r := range byteRune {
		if v.id(string(r)) < 0 {
			return nil, fmt.Errorf("%s: has no token for the byte %d; only BPE on bytes can be read without a tokenizer.json", vocab, b)
		}
	}
	pairs, err := readMerges(merges)
	if err != nil {
		return nil, err
	}
	m, err := newBPE(v, pairs, &modelSpec{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", merges, err)
	}
	t := &Tokenizer{
		model: m, vocab: v, post: plain(),
		preTokenizers: []preTokenizer{byteLevel(c.AddPrefixSpace, true)},
		decoders:      []decoder{decodeByteLevel},
		truncation:    truncation{strategy: "LongestFirst"},
	}
	usual := []name{"<|endoftext|>"}
	if strings.HasPrefix(c.Class, "Roberta") {
		usual = []name{"<s>", "</s>", "<unk>", "<pad>", "<mask>"}
		cls, sep := v.id("<s>"), v.id("</s>")
		if cls < 0 || sep < 0 {
			return nil, fmt.Errorf("%s: has no <s> and </s>, which %s adds", vocab, c.Class)
		}
		t.post.roberta(cls, sep)
		t.post.trims = []trim{{c.AddPrefixSpace}}
	}
	return t, t.finishLegacy(vocab, c, usual)
}

func (t *Tokenizer) finishLegacy(path string, c *config, usual []name) error {
	list, err := c.tokens(t.vocab, usual...)
	if err == nil {
		err = t.finish(list, c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readMerges reads merges.txt: a pair a line, the first line a version.
func readMerges(path string) ([]mergePair, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var pairs []mergePair
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		s := strings.TrimRight(string(line), "\r\n")
		if s == "" || n == 1 && strings.HasPrefix(s, "#version") {
			continue
		}
		var p mergePair
		if err := p.parse(s); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// openWordPiece reads vocab.txt, a token a line, as BERT has it.
func openWordPiece(path string, c *config) (*Tokenizer, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	ids := map[string]int32{}
	n := int32(0)
	for line := range bytes.Lines(raw) {
		s := strings.TrimRight(string(line), "\r\n")
		if at, twice := ids[s]; twice {
			return nil, fmt.Errorf("%s:%d: %.100q is on line %d already", path, n+1, s, at+1)
		}
		ids[s] = n
		n++
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	unk, cls, sep := token0(c.Unk, "[UNK]"), v.id(token0(c.Cls, "[CLS]")), v.id(token0(c.Sep, "[SEP]"))
	if cls < 0 || sep < 0 {
		return nil, fmt.Errorf("%s: has no [CLS] and [SEP]", path)
	}
	m, err := newWordPiece(v, unk, "##", 100)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	lower := or(c.LowerCase, true)
	t := &Tokenizer{
		model: m, vocab: v, post: plain(),
		normalizers:   bertNormalizers(true, or(c.Chinese, true), or(c.StripAccents, lower), lower),
		preTokenizers: bertPreTokenizers(),
		decoders:      []decoder{decodeWordPiece("##", true)},
		truncation:    truncation{strategy: "LongestFirst"},
	}
	t.post.bert(cls, sep)
	return t, t.finishLegacy(path, c, []name{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
}

func token0(n name, unset string) string {
	if n == "" {
		return unset
	}
	return string(n)
}
