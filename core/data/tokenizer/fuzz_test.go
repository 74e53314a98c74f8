package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: no file panics or gives an error of more than a line, and what can be
// read can be used.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2}},"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece"}}`,
		`{"model":{"type":"Unigram","unk_id":0,"vocab":[["u",0],["a",-1.5],["ab",-2],["<0x62>",-3]],"byte_fallback":true},"pre_tokenizer":{"type":"Metaspace","replacement":"▁"},"decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}}`,
		`{"model":{"type":"BPE","vocab":{"u":0,"<0x61>":1,"b":2},"merges":[],"byte_fallback":true,"unk_token":"u","fuse_unk":true},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1}]}}`,
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a","type_id":1}},{"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"a":{"ids":[0]}}}}`,
	} {
		f.Add([]byte(s), "a ab  b é")
	}
	const bpe = `{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"u":3},"merges":["a b"],"unk_token":"u"}`
	for _, s := range []string{
		`,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Strip","strip_left":true,"strip_right":true},{"type":"Prepend","prepend":"▁"}]}`,
		`,"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAAAAAAAAAAAYQBi"}`,
		`,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Punctuation","behavior":"Contiguous"},{"type":"ByteLevel"}]}`,
		`,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\b|[^\\w]+(?=a)"},"behavior":"MergedWithNext","invert":true}`,
		`,"post_processor":{"type":"RobertaProcessing","sep":["a",0],"cls":["b",1]},"decoder":{"type":"BPEDecoder"}`,
		`,"added_tokens":[{"id":0,"content":"a","lstrip":true,"rstrip":true,"single_word":true,"normalized":true}],"padding":{"pad_id":9}`,
	} {
		f.Add([]byte(bpe+s+"}"), " a b  ab, 1.5 é\xff")
	}
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		if len(raw) > 1<<16 || len(text) > 1<<8 {
			return
		}
		tok, err := parse(raw, &config{})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		use(t, tok, text)
	})
}

// use encodes and decodes text and checks what must hold of any encoding.
func use(t *testing.T, tok *Tokenizer, text string) {
	e, err := tok.EncodePair(text, text, Options{MaxTokens: 100})
	if err == nil {
		tok.Decode(e.IDs, false)
	}
	if e, err = tok.Encode(text, Options{}); err != nil {
		return
	}
	n := e.Len()
	if len(e.TypeIDs) != n || len(e.Mask) != n || len(e.Special) != n || len(e.Offsets) != n {
		t.Fatalf("lengths differ: %+v", e)
	}
	for i, o := range e.Offsets {
		if o[0] < 0 || o[0] > o[1] || int(o[1]) > len(text) {
			t.Fatalf("offsets %v of token %d of %q", o, i, text)
		}
	}
	tok.Decode(e.IDs, true)
}

// FuzzEncode: any text can be encoded, and comes back where nothing is lost.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", " ", "Hello, world!", "  don't\n\n x", "naïve 日本 🙂", "e\u0301\u0323\ufdfa", "a\xffb\xc3", "<s>[MASK]<|endoftext|>", strings.Repeat("ab", 99)} {
		f.Add(s)
	}
	var toks []*Tokenizer
	names := []string{"gpt2", "llama2", "llama3", "bert", "unigram"}
	for _, name := range names {
		toks = append(toks, tiny(f, name))
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i, tok := range toks {
			use(t, tok, s)
			if names[i] == "gpt2" && utf8.ValidString(s) {
				if got := tok.Decode(encode(t, tok, s, Options{}).IDs, false); got != s {
					t.Errorf("%q became %q", s, got)
				}
			}
		}
	})
}

// FuzzConfig: no tokenizer_config.json or vocabulary panics.
func FuzzConfig(f *testing.F) {
	f.Add(`{"pad_token":{"content":"[PAD]"},"added_tokens_decoder":{"5":{"content":"x","special":true}}}`, "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n")
	f.Add(`{"unk_token":null,"do_lower_case":false,"additional_special_tokens":["a"]}`, "[UNK]\r\n[CLS]\r\n[SEP]")
	f.Fuzz(func(t *testing.T, config, vocab string) {
		dir := t.TempDir()
		for name, s := range map[string]string{configFile: config, "vocab.txt": vocab} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		tok, err := Open(dir)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		use(t, tok, "ab A [PAD] é")
	})
}
