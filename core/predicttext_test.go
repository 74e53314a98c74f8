package core_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pare/core"
	"pare/core/device/ref"
	"pare/core/model/hf"
)

// speaking is a folder of core/model/hf/testdata with a tokenizer of n tokens: words for
// BERT, characters for the others.
func speaking(t *testing.T, name string, n int) string {
	t.Helper()
	dir := t.TempDir()
	put := func(file string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{hf.ConfigFile, hf.WeightsFile} {
		b, err := os.ReadFile(filepath.Join("model/hf/testdata", name, file))
		if err != nil {
			t.Fatal(err)
		}
		put(file, b)
	}
	if strings.Contains(name, "bert") {
		words := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
		for i := len(words); i < n; i++ {
			words = append(words, fmt.Sprintf("w%c%c", 'a'+i/26, 'a'+i%26))
		}
		put("vocab.txt", []byte(strings.Join(words, "\n")))
		return dir
	}
	vocab := map[string]int{}
	for i := range min(n, 90) {
		vocab[string(rune('!'+i))] = i
	}
	b, err := json.Marshal(map[string]any{"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}}})
	if err != nil {
		t.Fatal(err)
	}
	put("tokenizer.json", b)
	return dir
}

// rowOf is what the model of a folder gives for ids alone.
func rowOf(t *testing.T, dir string, ids []int32, more string) []float32 {
	t.Helper()
	js, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"input_ids":{"shape":[1,%d],"data":%s}%s}`, len(ids), js, more), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := core.PredictFolder(dir, ref.New(), path, 1)
	if err != nil {
		t.Fatal(err)
	}
	return out.Outputs["logits"].Data
}

// TestPredictTexts: texts of several lengths at once say what each does by its ids alone,
// in the words of the model's task.
func TestPredictTexts(t *testing.T) {
	for _, c := range []struct {
		name  string
		vocab int
		texts []string
		task  hf.Task
	}{
		{"hf-bert", 104, []string{"waf wag", "wbz", "wcc wcb wag waf waf wag"}, hf.SequenceClassifier},
		{"hf-bert-tokens", 40, []string{"waf wag", "wai"}, hf.TokenClassifier},
		{"hf-distilbert-mlm", 40, []string{"waf [MASK] wag", "[MASK] [MASK]"}, hf.MaskedLM},
		{"hf-gpt2", 104, []string{"Hello", "a", "To_be_or_not_to_be"}, hf.CausalLM},
		{"hf-llama-dynamic", 20, []string{"!!$", "&%$#!%%$#&%$%&"}, hf.CausalLM},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := speaking(t, c.name, c.vocab)
			task, got, err := core.PredictTexts(dir, c.texts, ref.New(), 1)
			if err != nil || task != c.task || len(got) != len(c.texts) {
				t.Fatalf("%v, %v, %d answers", err, task, len(got))
			}
			for _, a := range got {
				y := rowOf(t, dir, a.IDs, "")
				k := len(y) / len(a.IDs)
				near := func(x core.Chance, y []float32) {
					t.Helper()
					if d := math.Abs(float64(x.Logit - y[x.ID])); !(d < 1e-5) || !(x.Score > 0 && x.Score < 1) {
						t.Errorf("%q: %+v, its ids give %g", a.Text, x, y[x.ID])
					}
				}
				best := func(l []core.Chance, y []float32) {
					t.Helper()
					near(l[0], y)
					if slices.Max(y) > y[l[0].ID] {
						t.Errorf("%q: %+v is not the likeliest", a.Text, l[0])
					}
				}
				switch task {
				case hf.SequenceClassifier:
					if best(a.Classes, y); len(a.Classes) != 3 || a.Classes[0].Label != fmt.Sprint("LABEL_", a.Classes[0].ID) {
						t.Errorf("classes %+v", a.Classes)
					}
				case hf.TokenClassifier:
					for i, x := range a.Tokens {
						near(x.Chance, y[(i+1)*k:])
						if w := a.Text[x.From:x.To]; w != x.Token {
							t.Errorf("token %q stands at %q", x.Token, w)
						}
					}
				case hf.MaskedLM:
					n := 0
					for i, id := range a.IDs {
						if id == 4 {
							best(a.Masks[n], y[i*k:(i+1)*k])
							n++
						}
					}
					if n != len(a.Masks) || n == 0 {
						t.Errorf("%d masks, want %d", len(a.Masks), n)
					}
				case hf.CausalLM:
					if best(a.Next, y[len(y)-k:]); len(a.Next) != 5 {
						t.Errorf("next %+v", a.Next)
					}
				}
			}
		})
	}
}

// TestPredictTextsErrors: one line that says what to do.
func TestPredictTextsErrors(t *testing.T) {
	bert, mlm, gpt := speaking(t, "hf-bert", 104), speaking(t, "hf-distilbert-mlm", 40), speaking(t, "hf-gpt2", 104)
	for _, c := range []struct{ dir, text, want string }{
		{gpt, "", "text 1 has no tokens"},
		{gpt, strings.Repeat("a", 65), "has 65 tokens, the model takes at most 64"},
		{mlm, "waf", "what stands in the place of [MASK]"},
		{"model/hf/testdata/hf-vit", "waf", "takes no text"},
		{"model/hf/testdata/hf-llama", "waf", "no tokenizer.json"},
	} {
		if _, _, err := core.PredictTexts(c.dir, []string{c.text}, ref.New(), 1); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), c.dir) > 1 {
			t.Errorf("%s, %.10q: %v, want %q", c.dir, c.text, err, c.want)
		}
	}
	weights := filepath.Join(gpt, "model.safetensors")
	b, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(weights, append(b[:len(b)-4], 0, 0, 0xc0, 0x7f), 0o600); err != nil { // the last value is NaN
		t.Fatal(err)
	}
	if _, _, err := core.PredictTexts(gpt, []string{"a"}, ref.New(), 1); err == nil || !strings.Contains(err.Error(), "the model gives NaN") {
		t.Errorf("a weight that is NaN: %v", err)
	}
	for text, want := range map[string]string{
		`{"input_ids":{"shape":[1,2],"data":[5,6]},"attention_mask":{"shape":[1,2],"data":[1,2]}}`: "need 0 and 1",
		`{"input_ids":{"shape":[1,2],"data":[5,0]},"attention_mask":{"shape":[1,2],"data":[0,1]}}`: "is not masked while others are",
		`{"input_ids":{"shape":[1,2],"data":[5,6]},"attention_mask":{"shape":[2],"data":[1,1]}}`:   "need one number for each token",
		`{"input_ids":{"shape":[1,2],"data":[5,6]},"position_ids":{"shape":[1,2],"data":[0,1]}}`:   `names the input "position_ids"`,
		`{"input_ids":{"shape":[1,1,2],"data":[5,6]}}`:                                             "need [B, tokens]",
		`{"input_ids":{"shape":[1,3],"data":[5,6]}}`:                                               "needs 3 values",
		`{}`: "holds no input_ids",
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := core.PredictFolder(bert, ref.New(), path, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	ones := rowOf(t, bert, []int32{2, 7, 0, 3}, `,"attention_mask":{"shape":[1,4],"data":[1,1,1,1]}`)
	left := rowOf(t, bert, []int32{2, 7, 9, 3}, `,"attention_mask":{"shape":[1,4],"data":[1,1,0,1]}`)
	if none := rowOf(t, bert, []int32{2, 7, 0, 3}, ""); slices.Equal(none, ones) || !slices.Equal(none, left) {
		t.Error("a mask of ones takes padding for a token, no mask and one with a zero leave it out")
	}
}
