package core

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/deploy"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// normed is a recipe of Iris with a model whose batch norm sees one value of each channel
// and sample: it has 105 samples to train on, so batches of 52 leave a single one.
func normed(t *testing.T) *Recipe {
	t.Helper()
	b := &graph.Net{M: graph.New("normed", 4, 1, 1)}
	b.Linear("out", b.Op("relu", "relu", b.Norm("norm", b.Linear("fc", 0, 16))), 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	if err := zoo.Init(b.M, 1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "normed.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := deploy.Write(f, b.M, "safetensors"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r := small()
	r.Model.Name, r.Model.Path = "", path
	r.Train.Epochs, r.Prune.Epochs, r.Train.Batch, r.Train.Optimizer, r.Train.LR = 3, 2, 52, "adam", 1e-2
	return r
}

// TestPartsOfBatchNorm: a part of a single sample, in a full batch or in the last one, would
// leave batch norm without a variance, and fail in the middle of an epoch: such recipes are refused with what would do.
func TestPartsOfBatchNorm(t *testing.T) {
	for _, c := range []struct {
		batch, parts int
		want         string // of the error
	}{
		{52, 52, "give up to 25"}, {52, 30, ""}, {52, 25, ""}, {52, 26, ""},
		{19, 10, "give up to 9"}, // parts of two, one of them of one
		{6, 3, "give up to 2"},   // full batches have parts of two, the last one's three samples do not
		{3, 3, "leave it out"}, {3, 1, ""}, {52, 0, ""},
	} {
		r := normed(t)
		r.Train.Batch, r.Train.Accumulate, r.Train.Epochs, r.Prune.Epochs = c.batch, c.parts, 1, 1
		st := MemStore{Dir: t.TempDir()}
		_, err := Run(context.Background(), Config{Recipe: r, Store: &st, Session: "test"})
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%d samples in %d parts: %v, want %q", c.batch, c.parts, err, c.want)
		case err == nil:
			notNaN(t, &st)
		}
	}
}

// TestGradientsOfOneSample: the single sample that steps leave out is left out of the
// gradients of scores as well.
func TestGradientsOfOneSample(t *testing.T) {
	r := normed(t)
	r.Prune.Schedule, r.Prune.Pattern, r.Prune.Score = "oneshot", "element", "snip"
	st := MemStore{Dir: t.TempDir()}
	runAll(t, r, nil, &st)
	notNaN(t, &st)
}

// notNaN fails if a run's weights or losses are not numbers.
func notNaN(t *testing.T, st *MemStore) {
	t.Helper()
	ck, err := st.Load("final")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ck.Model.Params {
		for _, v := range p.Data {
			if math.IsNaN(float64(v)) {
				t.Fatalf("%s holds what is not a number", p.Name)
			}
		}
	}
}
