package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/event"
	"pare/core/graph"
	"pare/core/model/hf"
)

// bertFolder copies a BERT of testdata, with 40 ids, and gives it a tokenizer of letters.
func bertFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	v := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for c := 'a'; c <= 'z'; c++ {
		v = append(v, string(c))
	}
	for c := 'a'; len(v) < 40; c++ {
		v = append(v, "##"+string(c))
	}
	files := map[string][]byte{"vocab.txt": []byte(strings.Join(v, "\n") + "\n")}
	for _, name := range []string{"config.json", "model.safetensors"} {
		b, err := os.ReadFile(filepath.Join("model/hf/testdata/hf-bert-mlm", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// write puts text into a file.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// maskedLM is a recipe for a BERT that guesses letters by those around them, in seconds.
func maskedLM(t *testing.T) *Recipe {
	var b strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&b, "%c%c", 'a'+i%7, " \n"[min(i%70/69, 1)])
	}
	r := DefaultRecipe()
	r.Auto = true
	r.Model.Name, r.Model.Path = "", bertFolder(t)
	r.Data.Name, r.Data.Path, r.Data.Tokens = "", write(t, "letters.txt", b.String()), 16
	r.Train.Epochs, r.Train.Batch, r.Train.LR, r.Train.Optimizer = 12, 16, 5e-3, "adamw"
	r.Prune.Pattern, r.Prune.Epochs, r.Prune.Target, r.Floor.Points = "element", 3, 0.5, 50
	r.Deploy.Formats = []string{"onnx", "hf", "packed"}
	return r
}

// TestMaskedLM: a masked language model of Hugging Face goes through the five stages on
// running text, learns, and is written as .onnx and as a folder; killed anywhere it ends
// in the same bits.
func TestMaskedLM(t *testing.T) {
	r := maskedLM(t)
	st := &MemStore{}
	if code := runAll(t, clone(t, r), nil, st); code != ExitOK && code != ExitVerdict {
		t.Fatalf("exit %d, %+v", code, st.State.Failures)
	}
	s := &st.State
	if m := s.Model; !m.LM || !m.Masked || m.Tokens != 16 || m.Vocab != 40 {
		t.Errorf("model %+v", m)
	}
	if l := s.Ledger; l == nil || l.Dense.Perplexity > 4 || l.Now.Zeros < 0.49 {
		t.Errorf("ledger %+v", l)
	}
	for _, e := range s.Evals {
		if e.N%2 != 0 { // of 14 letters two are masked
			t.Errorf("%d labels", e.N)
		}
	}
	written := map[string]bool{}
	for _, e := range s.Exports {
		written[e.Format] = true
		if e.Format == "hf" {
			d, err := hf.Open(filepath.Dir(e.File))
			if err != nil {
				t.Fatal(err)
			}
			if task, err := d.Task(); task != hf.MaskedLM || err != nil {
				t.Errorf("the folder holds a %s (%v)", task, err)
			}
		}
	}
	if !written["onnx"] || !written["hf"] || !written["packed"] {
		t.Errorf("written %v, warnings %+v", written, s.Warnings)
	}
	want, err := st.Load("final")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{s.Seq / 3, s.Seq / 2, s.Seq * 3 / 4} {
		got, err := killed(t, r, at).Load("final")
		if err != nil {
			t.Fatal(err)
		}
		if got.Model.WeightHash() != want.Model.WeightHash() {
			t.Errorf("killed at event %d it ends in other bits", at)
		}
	}
	if like := SampleIn(&s.Model); like.Text == nil || !like.Text.Masked || like.Classes != 40 {
		t.Errorf("from the log: %+v", like)
	}
}

// TestTextPairs: which of two texts holds the a is learned from pairs in
// the five stages, by a folder and by bert-mini's architecture, with segments.
func TestTextPairs(t *testing.T) {
	var b strings.Builder
	b.WriteString("first,second,label\n")
	for i := range 400 {
		x, y, label := "a", "b", "yes"
		if i%2 == 0 {
			x, y, label = y, x, "no"
		}
		fmt.Fprintf(&b, "%c %s,%s %c,%s\n", 'c'+i%5, x, y, 'c'+i/5%5, label)
	}
	r := maskedLM(t)
	r.Data.Path, r.Data.Tokens = write(t, "pairs.csv", b.String()), 8
	r.Data.Text, r.Data.Pair = []string{"first", "second"}, true
	r.Train.Epochs = 8
	var st MemStore
	if code := runAll(t, clone(t, r), nil, &st); code != ExitOK && code != ExitVerdict {
		t.Fatalf("exit %d, %+v", code, st.State.Failures)
	}
	s := &st.State
	if m := s.Model; m.LM || !m.Pair || m.Tokens != 8 || len(m.Classes) != 2 {
		t.Errorf("model %+v", m)
	}
	if l := s.Ledger; l == nil || l.Dense.Acc < 0.95 {
		t.Errorf("ledger %+v", l)
	}
	last, err := st.Load("final")
	if err != nil {
		t.Fatal(err)
	}
	if in := last.Model.Input(); in != (graph.Value{C: 2, H: 1, W: 1, Seq: 8}) {
		t.Errorf("reads %v", in)
	}
	written := map[string]*event.Export{}
	for i := range s.Exports {
		written[s.Exports[i].Format] = &s.Exports[i]
	}
	if written["onnx"] == nil || written["hf"] == nil || written["packed"] == nil {
		t.Fatalf("written %v, warnings %+v", written, s.Warnings)
	}
	m, err := LoadModel(written["onnx"].File)
	if err != nil || m.Input() != last.Model.Input() {
		t.Errorf("as .onnx it reads %v (%v)", m, err)
	}
	zoo := ModelSpec{Name: "bert-mini"}
	like := SampleIn(&s.Model)
	mini, _, err := OpenModel(zoo, 1, like)
	if err != nil || mini.Input() != last.Model.Input() {
		t.Errorf("bert-mini: %v", err)
	}
}
