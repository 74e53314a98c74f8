package tokenizer

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// postProcessor puts sequences together and special tokens around them.
type postProcessor struct {
	trims        []trim
	single, pair []slot
}

// slot is a place in the result: a sequence (0 or 1), or special tokens.
type slot struct {
	seq    int // -1 for special tokens
	ids    []int32
	typeID int32
}

// plain is what there is without a post-processor.
func plain() *postProcessor {
	return &postProcessor{
		single: []slot{{seq: 0}},
		pair:   []slot{{seq: 0}, {seq: 1, typeID: 1}},
	}
}

// newPostProcessor reads the section post_processor.
func newPostProcessor(raw json.RawMessage) (*postProcessor, error) {
	const section = "post_processor"
	list, err := steps(section, raw, func(s *spec) []json.RawMessage { return s.Processors })
	if err != nil {
		return nil, err
	}
	p := plain()
	template := ""
	for _, s := range list {
		if s.Type != "ByteLevel" {
			if template != "" {
				return nil, fmt.Errorf("%s: %s after %s is not supported", section, s.Type, template)
			}
			template = s.Type
		}
		switch s.Type {
		case "ByteLevel":
			if template != "" {
				return nil, fmt.Errorf("%s: ByteLevel after %s is not supported", section, template)
			}
			if or(s.TrimOffsets, true) {
				p.trims = append(p.trims, trim{or(s.AddPrefixSpace, true)})
			}
		case "BertProcessing", "RobertaProcessing":
			sep, err := tokenAndID(section, "sep", s.Sep)
			if err != nil {
				return nil, err
			}
			cls, err := tokenAndID(section, "cls", s.Cls)
			if err != nil {
				return nil, err
			}
			if s.Type == "BertProcessing" {
				p.bert(cls, sep)
				break
			}
			p.roberta(cls, sep)
			if or(s.TrimOffsets, true) {
				p.trims = append(p.trims, trim{or(s.AddPrefixSpace, true)})
			}
		case "TemplateProcessing":
			if p.single, err = newTemplate(s, s.Single, "single", 1); err != nil {
				return nil, err
			}
			if p.pair, err = newTemplate(s, s.Pair, "pair", 2); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("post_processor %q is not supported", s.Type)
		}
	}
	return p, nil
}

func special(id, typeID int32) slot { return slot{seq: -1, ids: []int32{id}, typeID: typeID} }

// bert: [CLS] A [SEP] and [CLS] A [SEP] B [SEP], the last two of type 1.
func (p *postProcessor) bert(cls, sep int32) {
	p.single = []slot{special(cls, 0), {seq: 0}, special(sep, 0)}
	p.pair = append(p.single[:3:3], slot{seq: 1, typeID: 1}, special(sep, 1))
}

// roberta: <s> A </s> and <s> A </s></s> B </s>, all of type 0.
func (p *postProcessor) roberta(cls, sep int32) {
	p.single = []slot{special(cls, 0), {seq: 0}, special(sep, 0)}
	p.pair = append(p.single[:3:3], special(sep, 0), slot{seq: 1}, special(sep, 0))
}

// tokenAndID reads ["[SEP]", 102].
func tokenAndID(section, key string, raw json.RawMessage) (int32, error) {
	var s string
	var id uint32
	v := []any{&s, &id}
	if err := json.Unmarshal(raw, &v); err != nil || len(v) != 2 || id > 1<<31-1 {
		return 0, fmt.Errorf("%s: %s is not a token and its id", section, key)
	}
	return int32(id), nil
}

// newTemplate reads one template, for n sequences.
func newTemplate(s *spec, list []json.RawMessage, key string, n int) ([]slot, error) {
	const section = "post_processor"
	if len(list) == 0 {
		return nil, nil // refused when it is used
	}
	var out []slot
	seen := [2]bool{}
	for _, raw := range list {
		var v struct {
			Sequence *struct {
				ID     string `json:"id"`
				TypeID int32  `json:"type_id"`
			}
			SpecialToken *struct {
				ID     string `json:"id"`
				TypeID int32  `json:"type_id"`
			}
		}
		if err := unmarshal(section+"."+key, raw, &v); err != nil {
			return nil, err
		}
		switch {
		case v.Sequence != nil:
			q := 0
			if v.Sequence.ID == "B" {
				q = 1
			} else if v.Sequence.ID != "A" {
				return nil, fmt.Errorf("%s.%s: sequence %.100q is neither A nor B", section, key, v.Sequence.ID)
			}
			if seen[q] || q >= n {
				return nil, fmt.Errorf("%s.%s: sequence %s does not belong there", section, key, v.Sequence.ID)
			}
			seen[q] = true
			out = append(out, slot{seq: q, typeID: v.Sequence.TypeID})
		case v.SpecialToken != nil:
			var t struct {
				IDs []int32 `json:"ids"`
			}
			def, ok := s.SpecialTokens[v.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("%s.special_tokens: %.100q is missing", section, v.SpecialToken.ID)
			}
			if err := unmarshal(section+".special_tokens", def, &t); err != nil {
				return nil, err
			}
			if len(t.IDs) > maxSteps {
				return nil, fmt.Errorf("%s.special_tokens: %.100q stands for more than %d tokens", section, v.SpecialToken.ID, maxSteps)
			}
			out = append(out, slot{seq: -1, ids: t.IDs, typeID: v.SpecialToken.TypeID})
		default:
			return nil, fmt.Errorf("%s.%s: holds neither a Sequence nor a SpecialToken", section, key)
		}
		if len(out) > maxSteps {
			return nil, fmt.Errorf("%s.%s: more than %d parts", section, key, maxSteps)
		}
	}
	if !seen[0] || n == 2 && !seen[1] {
		return nil, fmt.Errorf("%s.%s: a sequence is missing", section, key)
	}
	return out, nil
}

// slots is the template for n sequences.
func (p *postProcessor) slots(n int) ([]slot, error) {
	list := p.single
	if n == 2 {
		list = p.pair
	}
	if list == nil {
		return nil, fmt.Errorf("post_processor: has no template for %d texts", n)
	}
	return list, nil
}

// added is how many special tokens a template adds.
func added(list []slot) int {
	n := 0
	for _, s := range list {
		n += len(s.ids)
	}
	return n
}

// trim takes the white space at the ends of tokens out of their offsets.
type trim struct {
	prefixSpace bool // the first token may start with a space that is not in the text
}

func (t trim) apply(s *sequence, tokens map[int32]string) {
	for i, id := range s.ids {
		text, at := tokens[id], &s.spans[i]
		if s.added[i] { // may have taken white space beside it
			text = s.text[at.from:at.to]
		}
		lead, trail := 0, 0
		for _, r := range text {
			if r != byteRune[' '] && !unicode.IsSpace(r) {
				break
			}
			lead++
		}
		for k := len(text); k > 0; trail++ {
			r, n := utf8.DecodeLastRuneInString(text[:k])
			if r != byteRune[' '] && !unicode.IsSpace(r) {
				break
			}
			k -= n
		}
		if lead == 1 && t.prefixSpace && (i == 0 || at.from == 0) {
			lead = 0 // not in the text; of more than one, none was put there
		}
		for ; lead > 0 && at.from < at.to; lead-- {
			_, n := utf8.DecodeRuneInString(s.text[at.from:])
			at.from += int32(n)
		}
		for ; trail > 0 && at.from < at.to; trail-- {
			_, n := utf8.DecodeLastRuneInString(s.text[:at.to])
			at.to = max(at.to-int32(n), at.from)
		}
	}
}
