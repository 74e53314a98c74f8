package cli

import (
	"io"
	"strconv"
	"strings"

	"pare/core/data"
)

// shownTokens is how many tokens of a sample are shown one by one.
const shownTokens = 24

// showText prints how text became tokens: the beginnings of a few training samples,
// and of the first its tokens between bars.
func showText(w io.Writer, d *data.Data) error {
	t := d.Text
	what := "texts with a label each"
	switch {
	case t.Masked:
		what = "running text: the labels are the tokens that are masked"
	case t.Pair:
		what = "pairs of texts with a label each"
	case t.LM:
		what = "running text: the label of a token is the one after it"
	}
	printf(w, "text\t%s\ntokenizer\t%s, %d ids, %d tokens a sample\nhash\t%s\n\n", what, t.Kind, t.Vocab, t.Len, d.Hash)
	for i := range min(3, d.Train.N()) {
		x, err := d.Train.Sample(i)
		if err != nil {
			return err
		}
		ids := t.IDs(x)
		label := ""
		if !t.LM {
			label = quoted(d.Classes[d.Train.Labels[i]], 20) + ": "
		}
		printf(w, "sample %d\t%s%s\n", i+1, label, quoted(t.Shown(ids), 72))
		if i > 0 {
			continue
		}
		var parts []string
		for _, id := range ids[:min(shownTokens, len(ids))] {
			parts = append(parts, quoted(t.Tokens.Decode([]int32{id}), 20))
		}
		printf(w, "its tokens\t%s …\n", strings.Join(parts, "|"))
	}
	return nil
}

// quoted is text on one line, cut to n characters.
func quoted(s string, n int) string {
	q := strconv.Quote(s)
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	if r := []rune(q); len(r) > n {
		q = string(r[:n]) + "…"
	}
	return q
}
