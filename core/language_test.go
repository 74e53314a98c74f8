package core

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/event"
)

// verse is a recipe for a language model on a text whose next token follows from the
// one before, in seconds.
func verse(t *testing.T) *Recipe {
	t.Helper()
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "line %d goes abcdefgh\n", i%7)
	}
	path := filepath.Join(t.TempDir(), "verse.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r := DefaultRecipe()
	r.Auto = true
	r.Model.Name, r.Data.Name, r.Data.Path, r.Data.Tokens = "gpt-nano", "", path, 16
	r.Train.Epochs, r.Train.Batch, r.Prune.Epochs, r.Prune.Target = 2, 32, 2, 0.5
	r.Floor.Points = 50
	return r
}

// TestLanguageModel: the five stages count tokens, say perplexity, and write files that
// read back; heads can be cut, and masks made from gradients.
func TestLanguageModel(t *testing.T) {
	for _, how := range [][2]string{{"magnitude", "block4x1"}, {"taylor", "width"}, {"snip", "element"}} {
		t.Run(how[0]+"/"+how[1], func(t *testing.T) {
			r := verse(t)
			r.Prune.Score, r.Prune.Pattern, r.Prune.Distribution = how[0], how[1], "layer"
			var st MemStore
			code := runAll(t, r, nil, &st)
			s := &st.State
			if code != ExitOK && code != ExitVerdict || s.Done == nil {
				t.Fatalf("exit %d, %+v", code, s.Failures)
			}
			if !s.Model.LM || s.Model.Tokens != 16 || s.Model.Vocab < 10 || len(s.Model.Classes) != 0 {
				t.Errorf("model %+v", s.Model)
			}
			for _, e := range s.Evals {
				if math.Abs(e.Perplexity-math.Exp(e.Loss)) > 1e-9*e.Perplexity || e.N%16 != 0 || !(e.Lo < e.Acc() && e.Acc() < e.Hi) {
					t.Errorf("%+v", e)
				}
			}
			if v := s.Verdict; v == nil || v.N != s.Model.Test*16 || v.Classes != nil || !strings.Contains(v.Text, "test tokens") || !strings.Contains(v.Text, "perplexity") {
				t.Errorf("verdict %+v", v)
			}
			if l := s.Ledger; l == nil || l.Tokens != 16 || l.Dense.Perplexity <= 1 || l.Now.Zeros < 0.49 {
				t.Errorf("ledger %+v", l)
			}
			if len(s.Exports) < 2 {
				t.Errorf("%d files: %+v", len(s.Exports), s.Warnings)
			}
			if p := s.Curves[event.Sparsify].Perplexity; len(p) != 2 {
				t.Errorf("%d points of perplexity", len(p))
			}
			heads := 3
			if c, err := st.Load("final"); err != nil {
				t.Error(err)
			} else {
				for _, n := range c.Model.Nodes {
					if n.Op == "attention" {
						heads = n.Attrs.Heads
					}
				}
			}
			if (how[1] == "width") != (heads < 3) {
				t.Errorf("%d of 3 heads are left", heads)
			}
		})
	}
}

// TestLanguageModelResumes: killed after the masks came from gradients, a run ends in the
// same bits.
func TestLanguageModelResumes(t *testing.T) {
	r := verse(t)
	r.Prune.Score = "snip"
	var whole MemStore
	runAll(t, clone(t, r), nil, &whole)
	seen := 0
	st := dies(t, Config{Recipe: clone(t, r)}, func(_ *MemStore, e event.Event) bool {
		if _, ok := e.Body.(*event.Mask); ok {
			seen++
		}
		return seen == 4
	})
	wakes(t, r, st)
	if got, want := st.State.Done.Weights, whole.State.Done.Weights; got != want {
		t.Errorf("final weights %s, want %s", got, want)
	}
}
