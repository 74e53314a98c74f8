package interp

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write OPERATORS.md anew")

// TestOperatorsList: the list in the docs is that of the table.
func TestOperatorsList(t *testing.T) {
	const file = "OPERATORS.md"
	if *update {
		if err := os.WriteFile(file, []byte(List()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != List() {
		t.Errorf("%s is not current (%v): go generate ./core/model/onnx/interp", file, err)
	}
}
