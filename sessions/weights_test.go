package sessions

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/core/tensor"
)

// TestWeightsOfALayer reads one layer of a checkpoint, its mask too, and says what is not
// there.
func TestWeightsOfALayer(t *testing.T) {
	s := newSession(t, "", 10)
	if err := os.MkdirAll(filepath.Join(s.Dir, checkpointDir), 0o755); err != nil {
		t.Fatal(err)
	}
	m := fakeModel()
	m.Params[0].Mask = tensor.NewMask(m.Params[0].Shape.Len())
	m.Params[0].Mask.Drop(0)
	m.Params[0].Data[0] = 0
	layer := strings.TrimSuffix(m.Params[0].Name, ".weight")
	var b strings.Builder
	if err := writeCheckpoint(&b, &core.Checkpoint{Model: m, Loop: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(checkpointPath(s.Dir, "s1-000010", ckptExt), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := s.Weights("s1-000010", layer)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Data) != m.Params[0].Shape.Len() || w.Rows()*w.Cols() != len(w.Data) || w.Checkpoint != "s1-000010" {
		t.Errorf("%d weights as %d×%d of %s", len(w.Data), w.Rows(), w.Cols(), w.Checkpoint)
	}
	for i, x := range w.Data {
		if x != m.Params[0].Data[i] || w.Mask.Kept(i) != m.Params[0].Mask.Kept(i) {
			t.Fatalf("weight %d is %g, kept %v", i, x, w.Mask.Kept(i))
		}
	}
	for _, c := range [][2]string{{"s1-000010", "no-such-layer"}, {"s9-000001", layer}, {"../x", layer}} {
		if _, err := s.Weights(c[0], c[1]); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", c, err)
		}
	}
	if err := os.WriteFile(checkpointPath(s.Dir, "s1-000020", ckptExt), []byte(b.String()[:len(b.String())/2]), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Weights("s1-000020", layer); err == nil {
		t.Error("a torn checkpoint is read")
	}
}
