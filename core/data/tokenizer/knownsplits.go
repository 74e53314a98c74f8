package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// knownSplits are the patterns of published models that are written by hand
// here. They match every character of a text.
var knownSplits = map[string]find{
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:                                          gpt2Split,
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: gpt4Split(3), // also Llama-3
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:      gpt4Split(1), // Qwen-2
}

// class is what the patterns tell characters apart by.
type class uint8

const (
	letter class = iota // \p{L}
	number              // \p{N}
	space               // \s
	other
)

var asciiClass = func() (c [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		c[r] = classOf(r)
	}
	return c
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt is the class and length of the character of s at i; s must reach there.
func classAt(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// run is the end of the run of class c from i on, of at most limit characters
// (0: any number).
func run(s string, i int, c class, limit int) int {
	for k := 0; i < len(s) && (limit == 0 || k < limit); k++ {
		d, n := classAt(s, i)
		if d != c {
			break
		}
		i += n
	}
	return i
}

// contraction is the length of 's 't 're 've 'm 'll 'd at the start of s, else 0.
func contraction(s string, anyCase bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	low := func(c byte) byte {
		if anyCase && c >= 'A' && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}
	switch c := low(s[1]); c {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v', 'l':
		if len(s) > 2 && (c == 'l' && low(s[2]) == 'l' || c != 'l' && low(s[2]) == 'e') {
			return 3
		}
	}
	if anyCase && len(s) > 2 && s[1:3] == "ſ" { // folds to s
		return 3
	}
	return 0
}

// spaces is the end of what \s+(?!\S)|\s+ matches at i: a run of white space, its
// last character left to the word that follows if there is more than one.
func spaces(s string, i int) int {
	end, last := i, i
	for end < len(s) {
		c, n := classAt(s, end)
		if c != space {
			break
		}
		last = end
		end += n
	}
	if end < len(s) && last > i {
		return last
	}
	return end
}

// gpt2Split is the pattern of GPT-2 and of the pre-tokenizer ByteLevel.
func gpt2Split(s string, match func(from, to int)) error {
	for i := 0; i < len(s); {
		end := i + contraction(s[i:], false)
		if end == i {
			k := i
			if s[i] == ' ' && i+1 < len(s) {
				k++
			}
			if c, n := classAt(s, k); c != space {
				end = run(s, k+n, c, 0)
			} else {
				end = spaces(s, i)
			}
		}
		match(i, end)
		i = end
	}
	return nil
}

// gpt4Split is the pattern of GPT-4's cl100k and its kin, which take digits
// at a time.
func gpt4Split(digits int) find {
	return func(s string, match func(from, to int)) error {
		for i := 0; i < len(s); {
			end := gpt4Match(s, i, digits)
			match(i, end)
			i = end
		}
		return nil
	}
}

func gpt4Match(s string, i, digits int) int {
	if n := contraction(s[i:], true); n > 0 {
		return i + n
	}
	c, n := classAt(s, i)
	switch {
	case c == letter:
		return run(s, i, letter, 0)
	case c == number:
		return run(s, i, number, digits)
	}
	next := other // class of the character after this one
	if i+n < len(s) {
		next, _ = classAt(s, i+n)
		if next == letter && s[i] != '\r' && s[i] != '\n' {
			return run(s, i+n, letter, 0)
		}
	}
	if c == other || s[i] == ' ' && i+1 < len(s) && next == other {
		end := run(s, i+n, other, 0)
		for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	end := run(s, i, space, 0)
	for k := end; k > i; k-- { // up to the last line break among the white space
		if s[k-1] == '\r' || s[k-1] == '\n' {
			return k
		}
	}
	return spaces(s, i)
}

func runeLen(r rune) int { return max(1, utf8.RuneLen(r)) }
