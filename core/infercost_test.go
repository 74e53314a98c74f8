package core

import (
	"testing"

	"pare/core/event"
)

// TestInferencesOfCheckpoints: every judged checkpoint of sparsify and the end of the
// baseline know what an inference takes; a roll-back forgets those after it.
func TestInferencesOfCheckpoints(t *testing.T) {
	for _, epochs := range []int{4, 0} {
		r := small()
		r.Train.Epochs, r.Prune.Epochs = epochs, epochs
		var st MemStore
		runAll(t, r, nil, &st)
		n := map[event.Stage]int{}
		for _, x := range st.State.Infers {
			n[x.Stage]++
			if x.N < inferWindows || x.WallUS <= 0 || x.CPUUS < 0 || x.Band < 0 {
				t.Errorf("stage %s, step %d: %+v", x.Stage, x.Step, x)
			}
		}
		if n[event.Baseline] != 1 || n[event.Sparsify] != max(epochs, 1) {
			t.Errorf("%d epochs: measured %v times by stage, want once and once an epoch", epochs, n)
		}
		for _, c := range st.State.Checkpoints {
			x, ok := st.State.InferOf(&c)
			if c.Stage == event.Sparsify && c.Acc >= 0 && epochs > 0 && c.Step > 0 && (!ok || x.Zeros != c.Zeros) {
				t.Errorf("checkpoint %s at %.2f zeros: inference %+v, %v", c.Name, c.Zeros, x, ok)
			}
		}
		if epochs == 0 {
			continue
		}
		st.State.Apply(event.Event{Body: &event.Resumed{Stage: event.Baseline, Step: 1 << 30, Why: "rollback"}})
		if k := len(st.State.Infers); k != 1 {
			t.Errorf("%d inferences known after going back to the baseline, want 1", k)
		}
	}
}
