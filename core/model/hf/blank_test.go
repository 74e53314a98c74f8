package hf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/model/hf"
)

// TestBlank: a configuration alone gives the graph of its folder, without values.
func TestBlank(t *testing.T) {
	for _, name := range []string{"hf-llama", "hf-bert", "hf-bert-mlm", "hf-bert-tokens", "hf-distilbert", "hf-mistral-linear", "hf-gpt2"} {
		dir := filepath.Join("testdata", name)
		text, err := os.ReadFile(filepath.Join(dir, hf.ConfigFile))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			d, err := hf.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			want, err := d.Build(hf.Options{Tokens: 8, Pads: true})
			if err != nil {
				t.Fatal(err)
			}
			m, err := hf.Blank(text, 8)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Nodes) != len(want.Nodes) || len(m.Params) != len(want.Params) {
				t.Fatalf("%d ops and %d parameters, the folder gives %d and %d", len(m.Nodes), len(m.Params), len(want.Nodes), len(want.Params))
			}
			for i, p := range m.Params {
				q := want.Params[i]
				// Folders of a causal GPT-2 put their model's name in front.
				if !strings.HasSuffix(q.Name, p.Name) || !p.Shape.Equal(q.Shape) || p.Role != q.Role || p.Data != nil {
					t.Errorf("parameter %s %v (%s), the folder's is %s %v (%s)", p.Name, p.Shape, p.Role, q.Name, q.Shape, q.Role)
				}
			}
			for i, n := range m.Nodes {
				if n.Op != want.Nodes[i].Op {
					t.Errorf("op %d is %s, the folder's %s", i, n.Op, want.Nodes[i].Op)
				}
			}
		})
	}
	for text, want := range map[string]string{"{": "config.json", `{"model_type": "t5"}`: "t5", `{"model_type": "bert"}`: "hidden_size"} {
		if _, err := hf.Blank([]byte(text), 8); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", text, err)
		}
	}
}
