package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// span is a range of bytes in the original text.
type span struct{ from, to int32 }

// text is the original on its way to tokens: its present form and, for each byte
// of it, the original bytes that it stands for. All bytes of one character have
// the same span.
type text struct {
	s  string
	at []span
}

// piece is a part of a text. Added tokens have been found (token >= 0) and are
// left alone by everything that follows.
type piece struct {
	from, to int
	token    int32
}

// splits is a text and its pieces, in order.
type splits struct {
	text
	pieces []piece
}

// newSplits starts with all of s as one piece. An empty text has none.
func newSplits(s string) *splits {
	b := builder{at: make([]span, 0, len(s))}
	valid := utf8.ValidString(s)
	if !valid {
		b.b = make([]byte, 0, len(s)+16)
	}
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		a := span{int32(i), int32(i + n)}
		if valid {
			for range n {
				b.at = append(b.at, a)
			}
		} else {
			b.rune(r, a)
		}
		i += n
	}
	if !valid {
		s = string(b.b)
	}
	p := &splits{text: text{s, b.at}}
	if s != "" {
		p.pieces = []piece{{0, len(s), -1}}
	}
	return p
}

// split replaces every piece that is not a token yet by what cut gives for it;
// the pieces cut gives count from the start of the piece. Empty ones are dropped.
func (p *splits) split(cut func(t text, out []piece) ([]piece, error)) error {
	out := make([]piece, 0, len(p.pieces))
	for _, c := range p.pieces {
		if c.token >= 0 {
			out = append(out, c)
			continue
		}
		n := len(out)
		var err error
		if out, err = cut(p.part(c), out); err != nil {
			return err
		}
		kept := out[:n]
		for _, d := range out[n:] {
			if d.from < d.to {
				kept = append(kept, piece{c.from + d.from, c.from + d.to, d.token})
			}
		}
		out = kept
	}
	p.pieces = out
	return nil
}

// dropEmpty drops the pieces of which nothing is left.
func (p *splits) dropEmpty() {
	p.pieces = slices.DeleteFunc(p.pieces, func(c piece) bool { return c.from == c.to })
}

// part is the text of one piece.
func (p *splits) part(c piece) text {
	return text{p.s[c.from:c.to], p.at[c.from:c.to]}
}

// rewrite replaces the text of every piece that is not a token yet by what edit
// writes for it.
func (p *splits) rewrite(edit func(b *builder, t text) error) error {
	b := builder{b: make([]byte, 0, len(p.s)+16), at: make([]span, 0, len(p.s)+16)}
	for i, c := range p.pieces {
		from := len(b.b)
		if c.token >= 0 {
			b.copy(p.part(c))
		} else if err := edit(&b, p.part(c)); err != nil {
			return err
		}
		p.pieces[i].from, p.pieces[i].to = from, len(b.b)
	}
	p.text = text{string(b.b), b.at}
	return nil
}

// original is the span of original bytes that bytes from to to stand for.
func (t text) original(from, to int) span {
	if from >= to {
		return span{}
	}
	return span{t.at[from].from, t.at[to-1].to}
}

// builder writes a text.
type builder struct {
	b  []byte
	at []span
}

// copy appends t as it is.
func (b *builder) copy(t text) {
	b.b = append(b.b, t.s...)
	b.at = append(b.at, t.at...)
}

// part appends bytes from to to of t as they are.
func (b *builder) part(t text, from, to int) {
	b.b = append(b.b, t.s[from:to]...)
	b.at = append(b.at, t.at[from:to]...)
}

// rune appends r, standing for a.
func (b *builder) rune(r rune, a span) {
	n := len(b.b)
	b.b = utf8.AppendRune(b.b, r)
	for range len(b.b) - n {
		b.at = append(b.at, a)
	}
}

// string appends s, all of it standing for a.
func (b *builder) string(s string, a span) {
	b.b = append(b.b, s...)
	for range len(s) {
		b.at = append(b.at, a)
	}
}

// change is one character of a rewritten text: with n > 0 it was put in after
// the one before it, with n <= 0 it replaces one character and swallows -n more.
type change struct {
	r rune
	n int
}

// changes appends t rewritten.
func (b *builder) changes(t text, list []change) {
	i := 0 // next byte of t to be replaced
	next := func() {
		if i < len(t.s) {
			_, n := utf8.DecodeRuneInString(t.s[i:])
			i += n
		}
	}
	for _, c := range list {
		var a span
		switch {
		case len(t.at) == 0:
		case c.n > 0 && i == 0:
			a = span{t.at[0].from, t.at[0].from}
		case c.n > 0:
			a = t.at[i-1]
		case i < len(t.at):
			a = t.at[i]
		default:
			a = t.at[len(t.at)-1]
		}
		if c.n <= 0 {
			for k := c.n; k <= 0; k++ {
				next()
			}
		}
		b.rune(c.r, a)
	}
}

// prepend appends t with s before it, standing for the first character of t.
func (b *builder) prepend(t text, s string) {
	if t.s != "" {
		b.string(s, t.at[0])
	}
	b.copy(t)
}
