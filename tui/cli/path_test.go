package cli

import (
	"os"
	"testing"
)

// TestPaths: what is there is taken as a path without ./ before it, unless a
// built-in has its name.
func TestPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, d := range []string{"idx", "iris"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[string]bool{"idx": true, "./iris": true, "iris": false, "nothing": false, "x.csv": true} {
		if got := isDataPath(s); got != want {
			t.Errorf("data %s: a path %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]bool{"idx": true, "mlp": false, "net.onnx": true} {
		if got := isModelPath(s); got != want {
			t.Errorf("model %s: a path %v, want %v", s, got, want)
		}
	}
}
