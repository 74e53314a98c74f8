package core

import (
	"path/filepath"
	"testing"
)

// TestMissionRecipes: the recipes of the table in core/prune/ACCURACY.md are whole.
func TestMissionRecipes(t *testing.T) {
	files, err := filepath.Glob("prune/mission/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recipes: %v", err)
	}
	for _, f := range files {
		if _, err := ReadRecipe(f); err != nil {
			t.Error(err)
		}
	}
}
