package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestMisspeltVerb: a word close to a verb is answered with the verb, not with a list
// of models.
func TestMisspeltVerb(t *testing.T) {
	for word, want := range map[string]string{
		"runn": "`pare run`", "sesions": "`pare sessions`", "dmeo": "`pare demo`", "Run": "`pare run`",
		"lenet-6": "`pare lenet-5`", "bertmini": "`pare bert-mini`", "zzzzzz": "no verb (",
		strings.Repeat("long", 1000): "no built-in model",
	} {
		var out, errs bytes.Buffer
		if code := Main([]string{word}, nil, &out, &errs); code != 2 || !strings.Contains(errs.String(), want) || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("pare %.20s: exit %d, %s; want 2 and %s in one line", word, code, errs.String(), want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		n    int
	}{{"", "", 0}, {"run", "", 3}, {"runn", "run", 1}, {"dmeo", "demo", 1}, {"kitten", "sitting", 3}, {"zärtlich", "zartlich", 1}} {
		if n, m := edits(c.a, c.b), edits(c.b, c.a); n != c.n || m != c.n {
			t.Errorf("%s, %s: %d and %d, want %d", c.a, c.b, n, m, c.n)
		}
	}
}
