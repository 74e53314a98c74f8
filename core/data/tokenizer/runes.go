package tokenizer

import (
	"sort"
	"unicode"
	"unicode/utf8"
)

// runeRanges is a sorted list of first and last characters.
type runeRanges [][2]rune

func (l runeRanges) has(r rune) bool {
	i := sort.Search(len(l), func(i int) bool { return l[i][1] >= r })
	return i < len(l) && l[i][0] <= r
}

// isPunct is what BERT takes for punctuation: all of ASCII that is neither letter
// nor digit, and what Unicode 8 has in category P.
func isPunct(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !isWord(r) || r == '_'
	}
	return bertPunct.has(r)
}

// isControl is what BERT drops: control and format characters and those of
// private use.
func isControl(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return bertControl.has(r)
}

// isWord is \w of Unicode regular expressions (UTS #18, annex C).
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Other_Alphabetic, r) ||
		unicode.Is(unicode.M, r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Pc, r) || r == 0x200c || r == 0x200d
}

// isChinese is the blocks of ideographs that BERT names.
func isChinese(r rune) bool {
	return r >= 0x4e00 && r <= 0x9fff || r >= 0x3400 && r <= 0x4dbf || r >= 0x20000 && r <= 0x2a6df ||
		r >= 0x2a700 && r <= 0x2b73f || r >= 0x2b740 && r <= 0x2b81f || r >= 0x2b920 && r <= 0x2ceaf ||
		r >= 0xf900 && r <= 0xfaff || r >= 0x2f800 && r <= 0x2fa1f
}
