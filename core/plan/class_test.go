package plan

import (
	"slices"
	"testing"

	"pare/core/device"
	"pare/core/device/ref"
	"pare/core/graph"
	"pare/core/model/zoo"
)

// TestEveryOpHasAClass: what a new op's time is called is decided when it is made.
func TestEveryOpHasAClass(t *testing.T) {
	ops := graph.Ops()
	for _, o := range ops {
		if !slices.Contains(Classes(), classOfOp[o.Name]) {
			t.Errorf("op %s has class %q: give it one in classOfOp", o.Name, classOfOp[o.Name])
		}
	}
	if len(classOfOp) != len(ops) {
		t.Errorf("%d classes for %d ops", len(classOfOp), len(ops))
	}
}

// TestClassOf: every call of a training plan has a class, and they are those of its
// layers.
func TestClassOf(t *testing.T) {
	gpt, err := zoo.GPT{Vocabulary: 11, Tokens: 6, Layers: 1, Heads: 2, Width: 8}.Build("g", 1)
	if err != nil {
		t.Fatal(err)
	}
	res, _, err := zoo.New("resnet-8", 1, zoo.Input{C: 3, H: 8, W: 8}, 4)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		m    *graph.Model
		want []Class
	}{
		"gpt":    {gpt, []Class{ClassLinear, ClassNorm, ClassActivation, ClassAttention, ClassLoss, ClassOptimiser, ClassOther}},
		"resnet": {res, []Class{ClassLinear, ClassConv, ClassNorm, ClassActivation, ClassLoss, ClassOptimiser, ClassOther}},
	} {
		p, err := Build(c.m, ref.New(), Options{Mode: Train, Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[Class]bool{}
		for _, r := range p.Regions {
			for i := range r.Calls {
				k := ClassOf(c.m, &r.Calls[i])
				if !slices.Contains(Classes(), k) {
					t.Errorf("%s: %v has class %q", name, r.Calls[i].Kernel, k)
				}
				if r.Calls[i].Kernel == device.CrossEntropy && k != ClassLoss {
					t.Errorf("%s: the loss has class %s", name, k)
				}
				seen[k] = true
			}
		}
		for _, k := range Classes() {
			if seen[k] != slices.Contains(c.want, k) {
				t.Errorf("%s: class %s seen: %v", name, k, seen[k])
			}
		}
	}
}
