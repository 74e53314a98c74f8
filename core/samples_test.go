package core

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSamplesOfTheTestSet: what is shown is wrong, is counted like the verdict counts,
// and has its picture.
func TestSamplesOfTheTestSet(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 2, 2
	r.Model.Name, r.Data.Name = "lenet-300-100", "fashion-mnist"
	r.Train.Batch = 128
	r.Prune.Target = 0.95
	var st MemStore
	runAll(t, r, nil, &st)
	e, v := st.State.Samples, st.State.Verdict
	if e == nil || v == nil {
		t.Fatal("no samples or no verdict")
	}
	right, dense := 0, 0
	for _, c := range v.Classes {
		right, dense = right+c.Now, dense+c.Dense
	}
	if e.Wrong != v.N-right || e.Won-e.Lost != right-dense {
		t.Errorf("%d wrong, %d lost, %d won; the verdict has %d and %d right of %d", e.Wrong, e.Lost, e.Won, dense, right, v.N)
	}
	if len(e.List) != shownWrong || e.Rows != 28 || e.Cols != 28 {
		t.Fatalf("%d samples of %d×%d", len(e.List), e.Rows, e.Cols)
	}
	labels := map[string]bool{}
	for i, s := range e.List {
		if s.Now == s.Label || len(s.Grey) != 28*28 || slices.Max(s.Grey) != 255 {
			t.Errorf("sample %d: %s, said %s, %d bytes", i, s.Label, s.Now, len(s.Grey))
		}
		labels[s.Label] = true
	}
	if len(labels) < 3 {
		t.Errorf("all of %v", labels)
	}
}

func TestGreyIsBounded(t *testing.T) {
	x := make([]float32, 3*100*50)
	for i := range x {
		x[i] = float32(i % 50)
	}
	if r, c, b := grey(x, []int{3, 100, 50}); r != 32 || c != 32 || len(b) != 1024 || b[0] >= b[31] {
		t.Errorf("%d×%d, %d bytes", r, c, len(b))
	}
	if _, _, b := grey(make([]float32, 16), []int{1, 4, 4}); slices.Max(b) != 0 {
		t.Error("an even picture is not black")
	}
}

// TestLanguageModelGoesOn: both models go on with beginnings of the test set; a dense
// model that has learnt a text by heart goes on with the text.
func TestLanguageModelGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "abc.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("abcdefgh", 1500)), 0o644); err != nil {
		t.Fatal(err)
	}
	r := small()
	r.Train = TrainSpec{Epochs: 6, Batch: 16, Optimizer: "adamw", LR: 3e-3}
	r.Prune.Epochs, r.Prune.Target = 1, 0.1
	r.Model.Name, r.Data.Name, r.Data.Path, r.Data.Tokens = "gpt-nano", "", file, 16
	var st MemStore
	runAll(t, r, nil, &st)
	e := st.State.Samples
	if e == nil || len(e.Said) != saidTexts || len(e.List) != 0 {
		t.Fatalf("%+v", e)
	}
	for _, s := range e.Said {
		if len(s.Given) != 8 || len(s.Truth) != 8 || s.Dense != s.Truth || s.Now == "" {
			t.Errorf("%+v", s)
		}
	}
}
