package core

import (
	"testing"

	"pare/core/deploy"
	"pare/core/event"
	"pare/core/graph"
)

// hashes are those of a model's masks by layer.
func hashes(m *graph.Model) map[string]string {
	out := map[string]string{}
	for _, l := range m.Layers() {
		if k := m.Params[l.Param].Mask; k.Zeros() > 0 {
			out[l.Name] = k.Hash()
		}
	}
	return out
}

// TestMasksOnTheirWay: the masks that stage 3 set are those of its checkpoint, after
// training on, with adapters merged, and those of every file that is exported. That a
// resumed run has them too is TestMethodsResume's and TestLowRankResumes's.
func TestMasksOnTheirWay(t *testing.T) {
	for _, name := range []string{"mask+lora", "cubic+rslora", "iterative"} {
		t.Run(name, func(t *testing.T) {
			r := clone(t, lowRankRecipes()[name])
			r.Deploy.Formats = []string{"packed", "safetensors", "onnx"}
			st := MemStore{Dir: t.TempDir()}
			runAll(t, r, nil, &st)
			var set *event.Mask
			for _, e := range st.Events {
				if m, ok := e.Body.(*event.Mask); ok && m.Stage == event.Sparsify {
					set = m
				}
			}
			c, err := st.Load("sparse")
			if err != nil {
				t.Fatal(err)
			}
			want := hashes(c.Model)
			if set == nil || len(want) < 2 {
				t.Fatalf("mask %+v, then %v: nothing to compare", set, want)
			}
			for _, l := range set.Layers {
				if got := want[l.Name]; l.Zeros > 0 && got != l.Hash {
					t.Errorf("%s: mask %s after merging, %s when it was set", l.Name, got, l.Hash)
				}
			}
			if len(st.State.Exports) != 3 {
				t.Fatalf("%d files", len(st.State.Exports))
			}
			for _, x := range st.State.Exports {
				m, err := deploy.Open(x.File)
				if err != nil {
					t.Fatal(err)
				}
				deploy.MaskZeros(m)
				got := hashes(m)
				for layer, h := range want {
					if got[layer] != h {
						t.Errorf("%s: mask of %s is %q, was %s", x.Format, layer, got[layer], h)
					}
				}
			}
		})
	}
}
