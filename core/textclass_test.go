package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/data"
	"pare/core/deploy"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// TestTextClasses: a model that scores a text as a whole goes through all five stages on
// a table of texts, each cut off or filled up, and learns what tells them apart.
func TestTextClasses(t *testing.T) {
	dir := t.TempDir()
	const tokens = 24
	b := &graph.Net{M: graph.NewSequence("bag", 1, tokens)}
	x := b.Embedding("embed", 0, 256, 16)
	q, k, v := b.Linear("q", x, 16), b.Linear("k", x, 16), b.Linear("v", x, 16)
	x = b.Op("sum", "add", x, b.Linear("o", b.MaskedAttention("attend", 2, 2, false, 0, q, k, v), 16))
	b.Linear("out", b.Op("mean", "meantokens", x), 2)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	if err := zoo.Init(b.M, 1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bag.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(f, b.M, deploy.Safetensors); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i := range 240 {
		word, label := "sky", "pos"
		if i%2 == 0 {
			word, label = "mud", "neg"
		}
		fmt.Fprintf(&lines, "{\"text\": \"%s in %c%d%s\", \"label\": %q}\n", word, 'a'+i%26, i, strings.Repeat(" and", i%7), label)
	}
	set := filepath.Join(dir, "texts.jsonl")
	if err := os.WriteFile(set, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := small()
	r.Model = ModelSpec{Path: path}
	r.Data = DataSpec{Path: set, Tokens: tokens}
	r.Train = TrainSpec{Epochs: 20, Batch: 16, Optimizer: "adamw", LR: 0.01}
	r.Prune.Pattern, r.Prune.Epochs = "element", 5
	r.Deploy.Formats = []string{"packed", "safetensors"}
	st := &MemStore{}
	if code := runAll(t, r, nil, st); code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	d, err := openData(r)
	if err != nil {
		t.Fatal(err)
	}
	if d.Text == nil || d.Text.LM || d.Text.Kind != data.Bytes || len(d.Classes) != 2 {
		t.Errorf("%+v", d.Text)
	}
	// The characters of a vocabulary, U+0000 too, live through a recipe.
	r.Data.Tokenizer = data.Chars
	if d, err = openData(r); err != nil {
		t.Fatal(err)
	}
	r.Data.fill(d)
	saved, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseRecipe(saved)
	if err != nil || again.Data.Vocab != d.Text.Chars || d.Text.Chars[0] != 0 {
		t.Fatalf("%q of %q: %v", again.Data.Vocab, d.Text.Chars, err)
	}
	if e, err := openData(again); err != nil || e.Hash != d.Hash {
		t.Errorf("other data by the saved recipe: %v", err)
	}
}
