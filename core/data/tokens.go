package data

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pare/core/data/tokenizer"
)

// Words for Options.Tokenizer that are no paths.
const (
	Chars = "char"
	Bytes = "byte"
)

// replacement is the character that stands for those a vocabulary lacks.
const replacement = utf8.RuneError

// charTokens has one id for each character of a vocabulary.
type charTokens struct {
	chars []rune
	ids   map[rune]int32
}

// newChars is the vocabulary of the given characters, in the order of their ids.
func newChars(chars []rune) (*charTokens, error) {
	t := &charTokens{chars, make(map[rune]int32, len(chars))}
	for i, c := range chars {
		if _, twice := t.ids[c]; twice {
			return nil, fmt.Errorf("the vocabulary has %q twice: its order gives the ids, so each stands there once", c)
		}
		t.ids[c] = int32(i)
	}
	return t, nil
}

// unknownChar is a character that stands at a byte of a text and not in the
// vocabulary.
type unknownChar struct {
	c  rune
	at int
}

func (e *unknownChar) Error() string {
	return fmt.Sprintf("the character %q (U+%04X) is not in the vocabulary: it comes from other text; leave the vocabulary out to build one from this text, or put %c (U+FFFD) into it for all unknown ones", e.c, e.c, replacement)
}

// notUTF8 is a byte of a text that is no part of a character.
type notUTF8 struct{ at int }

func (e *notUTF8) Error() string {
	return "is not UTF-8 here: save it as UTF-8, or take the tokenizer byte"
}

// Encode gives one id per character: that of U+FFFD for one that the vocabulary
// lacks, if it has that.
func (t *charTokens) Encode(text string) ([]int32, error) {
	unknown, some := t.ids[replacement]
	out := make([]int32, 0, utf8.RuneCountInString(text))
	for i, c := range text {
		id, ok := t.ids[c]
		if c == replacement && !ok || !ok && !some {
			if _, n := utf8.DecodeRuneInString(text[i:]); c == replacement && n == 1 {
				return nil, &notUTF8{i}
			}
			return nil, &unknownChar{c, i}
		}
		if !ok {
			id = unknown
		}
		out = append(out, id)
	}
	return out, nil
}

// Decode gives the text of ids; U+FFFD stands for ids that do not exist.
func (t *charTokens) Decode(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		c := replacement
		if id >= 0 && int(id) < len(t.chars) {
			c = t.chars[id]
		}
		b.WriteRune(c)
	}
	return b.String()
}

// byteTokens has one id for each byte of UTF-8.
type byteTokens struct{}

func (byteTokens) Encode(text string) ([]int32, error) {
	out := make([]int32, len(text))
	for i := range len(text) {
		out[i] = int32(text[i])
	}
	return out, nil
}

func (byteTokens) Decode(ids []int32) string {
	b := make([]byte, len(ids))
	for i, id := range ids {
		b[i] = byte(id)
	}
	return string(b)
}

// fileTokens are those of a tokenizer that was published with a model. Encode adds
// no special tokens.
type fileTokens struct{ *tokenizer.Tokenizer }

// maxPiece is how much text goes to a tokenizer at once, in bytes: it keeps its
// place for every byte.
const maxPiece = 1 << 20

// Encode takes a long text in parts, each up to a line end between two characters
// that are no space: the usual splits start a new word there anyway.
func (t fileTokens) Encode(text string) ([]int32, error) {
	var out []int32
	for at := 0; at < len(text); {
		n := lineCut(text[at:], maxPiece)
		e, err := t.Tokenizer.Encode(text[at:at+n], tokenizer.Options{NoSpecial: true})
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make([]int32, 0, len(e.IDs)*(len(text)/n+1))
		}
		out = append(out, e.IDs...)
		at += n
	}
	return out, nil
}

func (t fileTokens) Decode(ids []int32) string { return t.Tokenizer.Decode(ids, false) }

// lineCut is where to cut s after at most limit bytes: after a line end between
// two visible characters, else after a space, else between two characters.
func lineCut(s string, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	visible := func(c byte) bool { return c > ' ' }
	for i := limit - 1; i > limit/2; i-- {
		if s[i] == '\n' && visible(s[i-1]) && visible(s[i+1]) {
			return i + 1
		}
	}
	if i := strings.LastIndexAny(s[limit/2:limit], " \n\t"); i >= 0 {
		return limit/2 + i + 1
	}
	for limit > 1 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return limit
}
