package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"pare/core/data"
	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/plan"
)

// smallNet is a net and samples for it.
func smallNet(t *testing.T, seed uint64) (*graph.Model, *data.Set) {
	t.Helper()
	b := &graph.Net{M: graph.New("net", 6, 1, 1)}
	b.Linear("out", b.Op("tanh", "tanh", b.Linear("fc", 0, 9)), 3)
	if b.Err != nil {
		t.Fatal(b.Err)
	}
	if err := zoo.Init(b.M, seed); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	set := &data.Set{Shape: []int{6}}
	for i := range 40 {
		set.Labels = append(set.Labels, int32(i%3))
		for range 6 {
			set.X = append(set.X, float32(r.NormFloat64()))
		}
	}
	return b.M, set
}

// TestTeacher: with nothing but the teacher in the loss a net that agrees with it does
// not move, one that does not comes nearer; the teacher stays as it is, and its work
// counts.
func TestTeacher(t *testing.T) {
	teacher, set := smallNet(t, 1)
	rows := []int32{5, 0, 17, 39, 20, 11, 8}
	same, _ := smallNet(t, 1)
	other, _ := smallNet(t, 2)
	for name, m := range map[string]*graph.Model{"itself": same, "another": other} {
		o := Options{Batch: 8, Threads: 2, Teacher: teacher, Distil: plan.Distil{Alpha: 1, Temperature: 2}}
		before := m.Clone()
		tr, err := New(m, cpu.New(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		var first, last device.Result
		for i := range 200 {
			if i == 100 { // the teacher outlives a rewrite
				if err := tr.Rewrite([]graph.Rewrite{graph.Thaw{}}, false); err != nil {
					t.Fatal(err)
				}
			}
			if last, err = tr.Step(set, rows, 0.3, int64(i+1)); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = last
			}
		}
		if err := tr.Pull(); err != nil {
			t.Fatal(err)
		}
		moved := 0.0
		for i, p := range m.Params {
			for k, v := range p.Data {
				moved = max(moved, math.Abs(float64(v-before.Params[i].Data[k])))
			}
		}
		switch {
		case name == "itself" && (moved > 1e-5 || math.Abs(last.Loss) > 1e-6):
			t.Errorf("a net that agrees with its teacher moved by %g, the loss is %g", moved, last.Loss)
		case name == "another" && !(last.Loss < first.Loss/20 && first.Loss > 0.01):
			t.Errorf("the loss went from %g to %g", first.Loss, last.Loss)
		}
		plain, err := New(m.Clone(), cpu.New(), Options{Batch: 8, Threads: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		forward := int64(6*9 + 9*3)
		if a, b := tr.StepCost(7).MACs, plain.StepCost(7).MACs; a != b+7*forward {
			t.Errorf("a step with a teacher counts %d multiply-adds, without %d: the teacher's are %d", a, b, 7*forward)
		}
		if a, b := tr.PlanHash(), plain.PlanHash(); a == b {
			t.Error("the plan's hash does not tell the teacher")
		}
	}
	again, _ := smallNet(t, 1)
	if teacher.WeightHash() != again.WeightHash() {
		t.Error("the teacher changed")
	}
	few := &graph.Net{M: graph.New("few", 6, 1, 1)}
	few.Linear("out", 0, 2)
	if err := zoo.Init(few.M, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := New(few.M, cpu.New(), Options{Batch: 8, Teacher: teacher, Distil: plan.Distil{Alpha: 1, Temperature: 2}}, nil); err == nil {
		t.Error("a teacher of other classes was taken")
	}
}
