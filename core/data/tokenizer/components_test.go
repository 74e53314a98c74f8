package tokenizer

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestComponents compares each normalizer, pre-tokenizer and decoder by itself
// with what testdata/components.py had `tokenizers` compute.
func TestComponents(t *testing.T) {
	path := "testdata/components.jsonl"
	if p := os.Getenv("PARE_TOKENIZER_COMPONENTS"); p != "" {
		path = p
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	var config string
	var run func(t *testing.T, text, want json.RawMessage) bool
	cases, wrong := 0, map[string]int{}
	for lines.Scan() {
		var c struct {
			Section            string
			Config, Text, Want json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if string(c.Config) != config {
			config, run = string(c.Config), component(t, c.Section, c.Config)
		}
		cases++
		if wrong[config] < 4 && !run(t, c.Text, c.Want) {
			if wrong[config]++; wrong[config] == 4 {
				t.Errorf("%s: and more", config)
			}
		}
	}
	if err := lines.Err(); err != nil || cases == 0 {
		t.Fatal(cases, err)
	}
	t.Logf("%d cases", cases)
}

// component makes what config describes; it reports whether a case comes out as
// it should.
func component(t *testing.T, section string, config json.RawMessage) func(t *testing.T, text, want json.RawMessage) bool {
	read := func(raw json.RawMessage, v any) {
		if err := json.Unmarshal(raw, v); err != nil {
			t.Fatal(err)
		}
	}
	check := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
	}
	switch section {
	case "normalizer":
		ns, err := newNormalizers(config)
		check(err)
		return func(t *testing.T, text, want json.RawMessage) bool {
			var in, out string
			read(text, &in)
			read(want, &out)
			p := newSplits(in)
			for _, n := range ns {
				check(p.rewrite(n))
			}
			if p.s != out {
				t.Errorf("%s\nof   %+q\ngot  %+q\nwant %+q", config, in, p.s, out)
			}
			return p.s == out
		}
	case "pre_tokenizer":
		ps, err := newPreTokenizers(config)
		check(err)
		return func(t *testing.T, text, want json.RawMessage) bool {
			var in string
			var out [][3]any
			read(text, &in)
			read(want, &out)
			p := newSplits(in)
			for _, pre := range ps {
				check(pre(p))
			}
			var words []string
			var offsets [][2]int32
			for _, c := range p.pieces {
				words = append(words, p.s[c.from:c.to])
				at := p.original(c.from, c.to)
				offsets = append(offsets, [2]int32{at.from, at.to})
			}
			var wantWords []string
			var wantOffsets [][2]int
			for _, w := range out {
				wantWords = append(wantWords, w[0].(string))
				wantOffsets = append(wantOffsets, [2]int{int(w[1].(float64)), int(w[2].(float64))})
			}
			if !slices.Equal(words, wantWords) {
				i := 0
				for i < min(len(words), len(wantWords)) && words[i] == wantWords[i] {
					i++
				}
				t.Errorf("%s\nof   %+.200q, word %d\ngot  %+q\nwant %+q", config, in, i, words[i:min(i+4, len(words))], wantWords[i:min(i+4, len(wantWords))])
				return false
			}
			if got := characters(in, offsets); !slices.Equal(got, wantOffsets) {
				t.Errorf("%s\nof   %+q: offsets\ngot  %v\nwant %v", config, in, got, wantOffsets)
				return false
			}
			return true
		}
	case "decoder":
		ds, err := newDecoders(config)
		check(err)
		return func(t *testing.T, text, want json.RawMessage) bool {
			var tokens []string
			var out string
			read(text, &tokens)
			read(want, &out)
			for _, d := range ds {
				tokens = d(tokens)
			}
			got := strings.Join(tokens, "")
			if got != out {
				t.Errorf("%s\nof   %s\ngot  %+q\nwant %+q", config, text, got, out)
			}
			return got == out
		}
	}
	t.Fatalf("section %q", section)
	return nil
}
