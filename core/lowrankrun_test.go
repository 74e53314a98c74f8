package core

import (
	"strings"
	"testing"

	"pare/core/data"
	"pare/core/device/cpu"
	"pare/core/train"
)

// TestOutputsMadeAgain: with train.recompute a step makes the values twice that gradients
// of a block read, not what the block hands on, nor those of the last one.
func TestOutputsMadeAgain(t *testing.T) {
	for _, again := range []bool{false, true} {
		m, _, err := OpenModel(ModelSpec{Name: "gpt-nano"}, 1, Sample{Shape: []int{16}, Classes: 50, Text: &data.Text{LM: true, Vocab: 50, Len: 16}})
		if err != nil {
			t.Fatal(err)
		}
		r := &run{r: small(), model: m}
		r.r.Train.Recompute = again
		if r.t, err = train.New(m, cpu.New(), train.Options{Batch: 4, Threads: 1, Recompute: again}, nil); err != nil {
			t.Fatal(err)
		}
		defer r.t.Close()
		times := r.made()
		for _, l := range m.Layers() {
			output, between := 1, 1
			if again && !strings.HasPrefix(l.Name, "h.2.mlp") && strings.HasPrefix(l.Name, "h.") {
				between = 2
				if !strings.HasSuffix(l.Name, "c_proj") {
					output = 2
				}
			}
			if o, b := times(l); o != output || b != between {
				t.Errorf("again %v, %s: made %d times, %d between factors, want %d and %d", again, l.Name, o, b, output, between)
			}
		}
	}
}
