package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is cut out of the text before anything else.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only where no word character touches it
	LStrip     bool   `json:"lstrip"`      // takes the white space before it
	RStrip     bool   `json:"rstrip"`      // takes the white space after it
	Normalized *bool  `json:"normalized"`  // looked for in the normalized text; false for special tokens unless given
	Special    bool   `json:"special"`     // Decode can leave it out

	text string // Content as it is looked for, and decoded: normalized or not
}

// normalized reports whether the token is looked for in the normalized text.
func (a *addedToken) normalized() bool {
	if a.Normalized != nil {
		return *a.Normalized
	}
	return !a.Special
}

// finder finds added tokens in a text, the leftmost and of those the longest.
type finder struct {
	set    *prefixes
	tokens map[int32]*addedToken
}

// find cuts t at the tokens found.
func (f *finder) find(t text, out []piece) ([]piece, error) {
	s, done := t.s, 0
	for i := 0; i < len(s); {
		if f.set.start[s[i]] == f.set.start[int(s[i])+1] {
			i++
			continue
		}
		e := f.set.longest(s[i:])
		if e == nil {
			i++
			continue
		}
		tok, from, to := f.tokens[e.id], i, i+len(e.s)
		i = to
		if tok.SingleWord {
			before, _ := utf8.DecodeLastRuneInString(s[:from])
			after, _ := utf8.DecodeRuneInString(s[to:])
			if from > 0 && isWord(before) || to < len(s) && isWord(after) {
				continue
			}
		}
		if tok.LStrip {
			for from > done {
				r, n := utf8.DecodeLastRuneInString(s[:from])
				if !unicode.IsSpace(r) {
					break
				}
				from -= n
			}
		}
		if tok.RStrip {
			for to < len(s) {
				r, n := utf8.DecodeRuneInString(s[to:])
				if !unicode.IsSpace(r) {
					break
				}
				to += n
			}
		}
		if done < from {
			out = append(out, piece{done, from, -1})
		}
		out = append(out, piece{from, to, tok.ID})
		done = to
	}
	if done < len(s) {
		out = append(out, piece{done, len(s), -1})
	}
	return out, nil
}
