package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalForm is NFC, NFD, NFKC or NFKD (Unicode Standard Annex #15). The tables
// are those of x/text; the algorithm is here, since x/text tells nothing of where
// a character came from, and breaks up runs of more than 30 marks.
func normalForm(form norm.Form) normalizer {
	compose := form == norm.NFC || form == norm.NFKC
	decomposed := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		decomposed = norm.NFKD
	}
	return func(b *builder, t text) error {
		if form.QuickSpanString(t.s) == len(t.s) {
			b.copy(t)
			return nil
		}
		list := decompose(decomposed, t.s)
		if compose {
			list = recompose(list)
		}
		b.changes(t, changesOf(list))
		return nil
	}
}

// mark is a character, its canonical combining class, and what it is a change of.
type mark struct {
	change
	ccc uint8
}

// decompose takes s apart and sorts the marks behind each base by their class.
func decompose(form norm.Form, s string) []mark {
	list := make([]mark, 0, len(s))
	base := 0 // start of the run of marks at the end of list
	for _, r := range s {
		var buf [utf8.UTFMax]byte
		in := buf[:utf8.EncodeRune(buf[:], r)]
		parts := in
		inert := r < utf8.RuneSelf || notNormalized.has(r)
		if !inert {
			if d := form.Properties(in).Decomposition(); d != nil {
				parts = d
			} else if r >= 0xac00 && r <= 0xd7a3 { // Hangul syllables are taken apart by rule
				parts = form.Bytes(in)
			}
		}
		for n := 0; len(parts) > 0; n = 1 {
			c, size := utf8.DecodeRune(parts)
			m := mark{change{c, n}, 0}
			if !inert && c >= utf8.RuneSelf {
				m.ccc = form.Properties(parts).CCC()
			}
			if m.ccc == 0 {
				sortMarks(list[base:])
				base = len(list) + 1
			}
			list = append(list, m)
			parts = parts[size:]
		}
	}
	if base < len(list) {
		sortMarks(list[base:])
	}
	return list
}

func sortMarks(list []mark) {
	if len(list) > 1 {
		slices.SortStableFunc(list, func(a, b mark) int { return int(a.ccc) - int(b.ccc) })
	}
}

// recompose puts bases and marks together again where there is a character for
// both: a mark counts unless one of the same or a higher class stands between.
func recompose(list []mark) []mark {
	out := list[:0]
	base, last := -1, uint8(0) // index in out of the base; class of the last mark kept since
	for _, m := range list {
		if base >= 0 && (base == len(out)-1 || last != 0 && last < m.ccc) {
			if r, ok := compose(out[base].r, m.r); ok {
				out[base].r = r
				out[base].n += m.n - 1
				continue
			}
		}
		if m.ccc == 0 {
			base, last = len(out), 0
		} else {
			last = m.ccc
		}
		out = append(out, m)
	}
	return out
}

// compose is the character that a followed by b stands for.
func compose(a, b rune) (rune, bool) {
	if a < utf8.RuneSelf && b < 0x300 {
		return 0, false
	}
	var in, out [2 * utf8.UTFMax]byte
	n := utf8.AppendRune(utf8.AppendRune(in[:0], a), b)
	s := norm.NFC.Append(out[:0], n...)
	r, size := utf8.DecodeRune(s)
	return r, size == len(s) && !notNormalized.has(r)
}

func changesOf(list []mark) []change {
	out := make([]change, len(list))
	for i, m := range list {
		out[i] = m.change
	}
	return out
}
