package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/graph"
)

// TestIdleCard: a run that is the processor's because nobody chose says which card it leaves idle,
// where the model is large enough to gain by one.
func TestIdleCard(t *testing.T) {
	was := cardFiles
	defer func() { cardFiles = was }()
	cardFiles = t.TempDir()
	add := func(slot, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(cardFiles, slot), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cardFiles, slot, "information"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	large, _ := zooModel(t, "gpt-mini")
	small, _ := zooModel(t, "lenet-300-100")
	said := func(m *graph.Model, device string) string {
		t.Helper()
		r := &run{r: DefaultRecipe(), model: m}
		r.r.Hardware.Device, r.r.Train.Batch = device, 64
		w := r.idleCard()
		if len(w) == 0 {
			return ""
		}
		if len(w) > 1 || !strings.Contains(w[0].Fix, "--device cuda:bf16") {
			t.Errorf("%+v", w)
		}
		return w[0].Text
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "0")
	if s := said(large, "auto"); s != "" {
		t.Errorf("no card is here: %q", s)
	}
	add("0000:01:00.0", "Model: \t\t NVIDIA H200\nIRQ:   \t\t 17\nGPU UUID: \t GPU-1\n")
	if s := said(large, "auto"); s != "this run is the processor's, as device auto says; NVIDIA H200 is here" {
		t.Errorf("%q", s)
	}
	if s := said(large, ""); !strings.Contains(s, "H200") {
		t.Errorf("without a device in the recipe: %q", s)
	}
	for what, s := range map[string]string{"cpu was chosen": said(large, "cpu"), "of a small model": said(small, "auto")} {
		if s != "" {
			t.Errorf("%s: %q", what, s)
		}
	}
	add("0000:02:00.0", "Model: NVIDIA H200\n")
	add("0000:03:00.0", "nothing of use")
	if s := said(large, "auto"); !strings.HasSuffix(s, "2 cards (NVIDIA H200) are here") {
		t.Errorf("%q", s)
	}
	for _, none := range []string{"", "-1"} {
		t.Setenv("CUDA_VISIBLE_DEVICES", none)
		if s := said(large, "auto"); s != "" {
			t.Errorf("cards are hidden from this process by %q: %q", none, s)
		}
	}
}
