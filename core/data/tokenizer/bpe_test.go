package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestBPEQueue: the queue for long words merges as looking through all pairs does.
func TestBPEQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		ids := map[string]int32{"a": 0, "b": 1, "c": 2}
		list := []string{"a", "b", "c"}
		var merges []mergePair
		for range 1 + r.IntN(40) {
			a, b := list[r.IntN(len(list))], list[r.IntN(len(list))]
			if _, ok := ids[a+b]; !ok {
				ids[a+b] = int32(len(ids))
				list = append(list, a+b)
			}
			merges = append(merges, mergePair{a, b})
		}
		v, err := newVocabulary(ids)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newBPE(v, merges, &modelSpec{})
		if err != nil {
			t.Fatal(err)
		}
		word := make([]byte, 1+r.IntN(200))
		for i := range word {
			word[i] = "aaabbc"[r.IntN(6)]
		}
		short := m.characters(nil, string(word))
		long := slices.Clone(short)
		short, long = short[:m.mergeShort(short)], long[:m.mergeLong(long)]
		if !slices.Equal(short, long) {
			t.Fatalf("%s with %v\nshort %v\nlong  %v", word, merges, short, long)
		}
	}
}

// TestLongWord: a word of a megabyte takes a moment, not a day.
func TestLongWord(t *testing.T) {
	for _, name := range []string{"gpt2", "llama2", "bert", "unigram"} {
		tok := tiny(t, name)
		n := len(encode(t, tok, strings.Repeat("abcdefgh", 1<<17), Options{}).IDs)
		t.Logf("%s: %d tokens", name, n)
	}
}

func tiny(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tok, err := Open("testdata/tokenizer-" + name)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestCacheBound: the cache holds no more than it should, whatever it is fed.
func TestCacheBound(t *testing.T) {
	tok := tiny(t, "gpt2")
	for i := range 3 * cacheWords {
		encode(t, tok, fmt.Sprintf("w%dx", i), Options{})
	}
	if n, m := len(tok.cache.now), len(tok.cache.old); n > cacheWords || m > cacheWords || n == 0 || m == 0 {
		t.Errorf("%d and %d words", n, m)
	}
}
