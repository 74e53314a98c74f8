package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// oracles is a folder with tokenizer-gpt2, tokenizer-llama2 and so on, computed by `tokenizers`: that of PARE_ORACLES, or what is kept in testdata.
func oracles() string {
	if dir := os.Getenv("PARE_ORACLES"); dir != "" {
		return dir
	}
	return "testdata"
}

// reference is reference.json.
type reference struct {
	VocabSize int `json:"vocab_size"`
	Cases     []struct {
		Text    string   `json:"text"`
		IDs     []int32  `json:"ids"`
		Without []int32  `json:"ids_without_special"`
		Decoded string   `json:"decoded"`
		Offsets [][2]int `json:"offsets"` // in characters
	} `json:"cases"`
	Pair *struct {
		A       string  `json:"a"`
		B       string  `json:"b"`
		IDs     []int32 `json:"ids"`
		TypeIDs []int32 `json:"type_ids"`
	} `json:"pair"`
	Truncate8Pad8 []struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
		Mask []int32 `json:"attention_mask"`
	} `json:"truncate8_pad8"`
}

// TestOracleTokenizer: ids, offsets, decoded text, a pair, truncation and padding
// of five kinds of tokenizer.json.
func TestOracleTokenizer(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(oracles(), "tokenizer-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in %s (%v)", oracles(), err)
	}
	for _, dir := range dirs {
		t.Run(strings.TrimPrefix(filepath.Base(dir), "tokenizer-"), func(t *testing.T) { testOracle(t, dir) })
	}
}

func testOracle(t *testing.T, dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want reference
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Cases) == 0 || len(want.Truncate8Pad8) == 0 {
		t.Fatal("no cases")
	}
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := tok.VocabSize(); n != want.VocabSize {
		t.Errorf("%d tokens, want %d", n, want.VocabSize)
	}
	for _, c := range want.Cases {
		t.Run(short(c.Text), func(t *testing.T) {
			e := encode(t, tok, c.Text, Options{})
			same(t, "ids", e.IDs, c.IDs)
			same(t, "offsets", characters(c.Text, e.Offsets), c.Offsets)
			same(t, "ids without special", encode(t, tok, c.Text, Options{NoSpecial: true}).IDs, c.Without)
			if got := tok.Decode(c.IDs, true); got != c.Decoded {
				t.Errorf("decoded %q\n   want %q", got, c.Decoded)
			}
		})
	}
	if p := want.Pair; p != nil {
		t.Run("pair", func(t *testing.T) {
			e, err := tok.EncodePair(p.A, p.B, Options{})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "ids", e.IDs, p.IDs)
			same(t, "type ids", e.TypeIDs, p.TypeIDs)
		})
	}
	for _, c := range want.Truncate8Pad8 {
		t.Run("8 of "+short(c.Text), func(t *testing.T) {
			o := Options{MaxTokens: 8, PadTo: 8}
			if !tok.padding.known {
				o.PadTo = 0 // the reference pads with whatever it was told to
				n := 0
				for n < len(c.Mask) && c.Mask[n] == 1 {
					n++
				}
				c.IDs, c.Mask = c.IDs[:n], c.Mask[:n]
			}
			e := encode(t, tok, c.Text, o)
			same(t, "ids", e.IDs, c.IDs)
			mask := make([]int32, len(e.Mask))
			for i, on := range e.Mask {
				if on {
					mask[i] = 1
				}
			}
			same(t, "mask", mask, c.Mask)
		})
	}
}

func encode(t testing.TB, tok *Tokenizer, text string, o Options) Encoding {
	t.Helper()
	e, err := tok.Encode(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func same[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		from := max(0, i-4)
		t.Errorf("%s: %d, want %d; differ at %d: %v\nwant %v", what, len(got), len(want), i,
			got[from:min(len(got), i+12)], want[from:min(len(want), i+12)])
	}
}

// characters turns offsets in bytes into offsets in characters.
func characters(s string, bytes [][2]int32) [][2]int {
	at := make([]int, len(s)+1)
	n := 0
	for i, r := range s {
		for k := range utf8.RuneLen(r) {
			at[i+k] = n
		}
		n++
	}
	at[len(s)] = n
	out := make([][2]int, len(bytes))
	for i, b := range bytes {
		out[i] = [2]int{at[b[0]], at[b[1]]}
	}
	return out
}

func short(s string) string {
	if r := []rune(s); len(r) > 24 {
		s = string(r[:24])
	}
	if s == "" {
		return "empty"
	}
	return s
}
