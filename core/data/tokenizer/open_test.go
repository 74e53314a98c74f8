package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestRefused: what is not supported, or wrong, is named in one line with its file.
func TestRefused(t *testing.T) {
	const bpe = `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`
	seq := strings.Repeat(`{"type":"Sequence","normalizers":[`, 9) + strings.Repeat(`]}`, 9)
	for _, c := range []struct{ json, want string }{
		{`{` + bpe + `,"normalizer":{"type":"Nmt"}}`, `normalizer "Nmt" is not supported`},
		{`{` + bpe + `,"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"X"}]}}`, `normalizer "X" is not supported`},
		{`{` + bpe + `,"normalizer":` + seq + `}`, `normalizer: sequences nested more than 4 deep`},
		{`{` + bpe + `,"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("b", 99) + `"}}`, `normalizer: makes a text more than 64 times as long`},
		{`{` + bpe + `,"normalizer":{"type":"Replace","content":"b"}}`, `normalizer: pattern is neither a String nor a Regex`},
		{`{` + bpe + `,"normalizer":{"type":"Precompiled","precompiled_charsmap":"/////w=="}}`, `normalizer: precompiled_charsmap: the trie does not fit into it`},
		{`{` + bpe + `,"pre_tokenizer":{"type":"UnicodeScripts"}}`, `pre_tokenizer "UnicodeScripts" is not supported`},
		{`{` + bpe + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Isolated"}}`, `pre_tokenizer: pattern "[a&&b]": a set in a set is not supported`},
		{`{` + bpe + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\h"},"behavior":"Isolated"}}`, `pre_tokenizer: pattern "\\h": \h is not supported`},
		{`{` + bpe + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{L}{1,3}+"},"behavior":"Isolated"}}`, `pre_tokenizer: pattern "\\p{L}{1,3}+": {…}+ is not supported`},
		{`{` + bpe + `,"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Cut"}}`, `pre_tokenizer: behavior "Cut" is not supported`},
		{`{` + bpe + `,"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}]}}`, `post_processor.special_tokens: "x" is missing`},
		{`{` + bpe + `,"decoder":{"type":"CTC"}}`, `decoder "CTC" is not supported`},
		{`{` + bpe + `,"decoder":{"type":3}}`, `decoder.type: holds a number that does not belong there`},
		{`{` + bpe + `,"added_tokens":[{"id":7,"content":"a"}]}`, `added_tokens: "a" has id 7, but 0 in the vocabulary`},
		{`{` + bpe + `,"added_tokens":[{"id":1,"content":"z"}]}`, `added_tokens: "z" has id 1, which is that of "b"`},
		{`{` + bpe + `,"truncation":{"strategy":"Middle"}}`, `truncation: strategy "Middle" is not supported`},
		{`{"model":{"type":"WordLevel","vocab":{}}}`, `model "WordLevel" is not supported`},
		{`{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}`, `model.vocab: "a" and "b" have id 0`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, `model.merges: "a" and "b" (number 0) or what they make are not in the vocabulary`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}}`, `model.merges: "a b c" is not two tokens and a space between them`},
		{`{"model":{"type":"BPE","vocab":{"a":"x"},"merges":[]}}`, `model.vocab: holds a string that does not belong there`},
		{`{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"u"}}`, `model.unk_token: "u" is not in the vocabulary`},
		{`{"model":{"type":"Unigram","vocab":[["a",0],["b"]]}}`, `model.vocab: "[\"b\"]" is not a token and its score`},
		{`{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":4}}`, `model.unk_id: 4 is not in the vocabulary`},
		{`{}`, `has no model`},
		{`{"model":`, `tokenizer: unexpected end of JSON input`},
	} {
		path := filepath.Join(t.TempDir(), "tokenizer.json")
		if err := os.WriteFile(path, []byte(c.json), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+": "+c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngot  %v\nwant %s", c.json, err, c.want)
		}
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no tokenizer.json") {
		t.Errorf("empty folder: %v", err)
	}
}

// TestHostile: reading a file takes memory in proportion to its size.
func TestHostile(t *testing.T) {
	const n = 1 << 18
	many := func(s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n/(len(s)+1)), ",") }
	for name, s := range map[string]string{
		"many normalizers":  `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":{"type":"Sequence","normalizers":[` + many(`{}`) + `]}}`,
		"deep normalizers":  `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 4000) + strings.Repeat(`]}`, 4000) + `}`,
		"many added tokens": `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"added_tokens":[` + many(`{}`) + `]}`,
		"large ids":         `{"model":{"type":"BPE","vocab":{"a":2147483647,"b":2147483646},"merges":[]}}`,
		"many merges":       `{"model":{"type":"BPE","vocab":{"a":0,"aa":1},"merges":[` + many(`"a a"`) + `]}}`,
		"many pieces":       `{"model":{"type":"Unigram","unk_id":0,"vocab":[` + many(`["a",0]`) + `]}}`,
		"deep":              strings.Repeat(`[`, n),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse([]byte(s), &config{})
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(128*len(s)+1<<20) {
			t.Errorf("%s: %d bytes for a file of %d (%v)", name, used, len(s), err)
		}
	}
}

// TestLegacy: the older files give what tokenizer.json gives.
func TestLegacy(t *testing.T) {
	texts := []string{"Hello, world!", "  don't\n\n été 日本 <|endoftext|> [MASK] x", "And the sons of Gomer; ÀÉ"}
	var file struct {
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	read := func(name string) {
		raw, err := os.ReadFile("testdata/tokenizer-" + name + "/tokenizer.json")
		if err == nil {
			err = json.Unmarshal(raw, &file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(dir, name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	compare := func(t *testing.T, dir, name string) {
		old, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if old.VocabSize() != tiny(t, name).VocabSize() {
			t.Errorf("%d tokens", old.VocabSize())
		}
		for _, s := range texts {
			a, b := encode(t, old, s, Options{}), encode(t, tiny(t, name), s, Options{})
			same(t, "ids", a.IDs, b.IDs)
			same(t, "offsets", a.Offsets, b.Offsets)
			if a, b := old.Decode(a.IDs, true), tiny(t, name).Decode(b.IDs, true); a != b {
				t.Errorf("decoded %q, want %q", a, b)
			}
		}
	}
	t.Run("bpe", func(t *testing.T) {
		read("gpt2")
		dir := t.TempDir()
		vocab, _ := json.Marshal(file.Model.Vocab)
		merges := "#version: 0.2\n"
		for _, m := range file.Model.Merges {
			merges += m[0] + " " + m[1] + "\n"
		}
		write(dir, "vocab.json", string(vocab))
		write(dir, "merges.txt", merges)
		compare(t, dir, "gpt2")
		write(dir, "tokenizer_config.json", `{"pad_token":{"content":"<|endoftext|>"},"padding_side":"left"}`)
		tok, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := tok.ID("<|endoftext|>")
		if e := encode(t, tok, "a", Options{PadTo: 3}); e.IDs[0] != end || e.Mask[0] || !e.Mask[2] || !e.Special[1] || e.Len() != 3 {
			t.Errorf("%+v", e)
		}
		write(dir, "merges.txt", "#version: 0.2\nt h\nx\n")
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), `merges.txt:3: "x" is not two tokens`) {
			t.Error(err)
		}
	})
	t.Run("wordpiece", func(t *testing.T) {
		read("bert")
		dir := t.TempDir()
		byID := slices.SortedFunc(maps.Keys(file.Model.Vocab), func(a, b string) int { return int(file.Model.Vocab[a] - file.Model.Vocab[b]) })
		byID = slices.DeleteFunc(byID, func(s string) bool { return tinyID(t, s) < 0 })
		write(dir, "vocab.txt", strings.Join(byID, "\n")+"\n")
		compare(t, dir, "bert")
	})
}

func tinyID(t *testing.T, s string) int32 {
	id, ok := tiny(t, "bert").ID(s)
	if !ok {
		return -1
	}
	return id
}

// TestOptions: what Options says, and cannot say.
func TestOptions(t *testing.T) {
	tok := tiny(t, "bert")
	pair := func(o Options) Encoding {
		e, err := tok.EncodePair("the sons of the", "and", o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	whole := pair(Options{NoSpecial: true})
	cut := pair(Options{NoSpecial: true, MaxTokens: 3})
	if cut.Len() != 3 || cut.TypeIDs[2] != 1 || whole.Len() <= 3 {
		t.Errorf("%v of %v", cut.IDs, whole.IDs)
	}
	if e := pair(Options{MaxTokens: 3}); e.Len() != 3 || slices.Contains(e.Special, false) {
		t.Errorf("%+v", e)
	}
	if _, err := tok.Encode("a", Options{MaxTokens: 1}); err == nil {
		t.Error("no room for special tokens")
	}
	if _, err := tiny(t, "gpt2").Encode("a", Options{PadTo: 9}); err == nil {
		t.Error("padded without a pad token")
	}
	if id, ok := tok.ID("[SEP]"); !ok || id != 3 {
		t.Error(id, ok)
	}
	if s, ok := tok.Token(3); !ok || s != "[SEP]" {
		t.Error(s, ok)
	}
	if _, ok := tok.Token(-1); ok {
		t.Error("token -1")
	}
}

// TestConcurrent: many at once give what one gives (run with -race).
func TestConcurrent(t *testing.T) {
	for _, name := range []string{"gpt2", "unigram", "bert"} {
		tok := tiny(t, name)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 200 {
					s := fmt.Sprintf("And the %d sons of %d", i, i*g)
					if got := tok.Decode(encode(t, tok, s, Options{}).IDs, true); name == "gpt2" && got != s {
						t.Errorf("%q became %q", s, got)
					}
				}
			})
		}
		wg.Wait()
	}
}
