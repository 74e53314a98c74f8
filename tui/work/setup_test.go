package work

import (
	"os"
	"path/filepath"
	"testing"

	"pare/core"
)

// TestPickFolder: a folder with an encoder goes with a table of texts, whose shape is
// not known before it is read.
func TestPickFolder(t *testing.T) {
	table := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(table, []byte("text,class\na day,yes\na night,no\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"hf-bert", "hf-distilbert", "hf-vit", "hf-gpt2"} {
		r := core.DefaultRecipe()
		r.Model = core.ModelSpec{Path: filepath.Join("../../core/model/hf/testdata", folder)}
		r.Data = core.DataSpec{Path: table}
		if p, err := checkPick(r); err != nil || p.Optimizer != "adamw" {
			t.Errorf("%s: %v, %+v", folder, err, p)
		}
	}
}
