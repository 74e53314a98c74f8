package core

import (
	"maps"
	"strings"
	"testing"

	"pare/core/event"
)

// TestBranch goes on from checkpoints of a run with another recipe: the new run
// ends where the recipe says, its baseline is the old one's to the bit.
func TestBranch(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 6, 8
	var st MemStore
	runAll(t, r, nil, &st)
	base, err := st.Load("baseline")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		name string
		set  []string
		want float64
	}{{"s2-000000", []string{"prune.target=0.7", "prune.score=taylor"}, 0.7}, {"s3-000000", []string{"prune.target=0.6"}, 0.6}} {
		t.Run(at.name, func(t *testing.T) {
			c, err := st.Load(at.name)
			if err != nil {
				t.Fatal(err)
			}
			n, err := RecipeOf(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Set(at.set...); err != nil {
				t.Fatal(err)
			}
			made, err := Branch(c, n, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(made.Changed) != len(at.set) || made.Target != at.want || made.Floor <= 0 {
				t.Errorf("%+v", made)
			}
			to := MemStore{State: st.State, files: maps.Clone(st.files)}
			to.State.Done = nil
			if _, _, err := to.Save("branch", c); err != nil {
				t.Fatal(err)
			}
			for _, b := range made.Said {
				if _, err := to.Emit(b); err != nil {
					t.Fatal(err)
				}
			}
			runAll(t, small(), &Resume{Checkpoint: "branch", Why: "stop"}, &to)
			l := to.State.Ledger
			if l == nil || l.Now.Zeros < at.want-0.02 || l.Now.Zeros > at.want+0.02 {
				t.Fatalf("ledger %+v, want %g zeros", l, at.want)
			}
			if to.State.Looks != 4 {
				t.Errorf("look %d at the test set, want the old run's 3 and one more", to.State.Looks)
			}
			if l.Dense.Acc != st.State.Ledger.Dense.Acc {
				t.Errorf("the dense model changed: %g, was %g", l.Dense.Acc, st.State.Ledger.Dense.Acc)
			}
			again, err := to.Load("branch")
			if err != nil {
				t.Fatal(err)
			}
			if at.name == "s2-000000" && again.Model.WeightHash() != base.Model.WeightHash() {
				t.Error("the branch does not begin with the baseline's weights")
			}
		})
	}
}

// TestBranchKeepsWhatIsSettled: each refusal names the key and the way out.
func TestBranchKeepsWhatIsSettled(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Prune.Epochs = 3, 6
	var st MemStore
	runAll(t, r, nil, &st)
	last := ""
	for _, e := range st.Events {
		if c, ok := e.Body.(*event.Checkpoint); ok && c.Stage == event.Sparsify && ofStep.MatchString(c.Name) {
			last = c.Name
		}
	}
	for _, c := range []struct{ at, set, want string }{
		{"s2-000000", "seed=7", "seed: a branch keeps it"},
		{"s2-000000", "model.name=lenet-5", "model.name: a branch keeps it"},
		{"s2-000000", "train.lr=0.5", "train.lr: the baseline was trained with it"},
		{last, "prune.pattern=element", "prune.pattern: it is settled once sparsifying has begun"},
		{last, "prune.target=0.1", "masks only shrink"},
		{"s2-000000", "prune.skip=[\"nosuch\"]", "nosuch"},
		{"s2-000000", "prune.target=2", "prune.target = 2"},
		{"s2-000000", "prune.nosuch=2", "unknown key"},
		{"s2-000000", "prune.target", "give key=value"},
		{"s2-000000", "floor=2", "floor=2"},
		{"s2-000000", "seed.x=2", "seed is not a group"},
	} {
		k, err := st.Load(c.at)
		if err != nil {
			t.Fatal(err)
		}
		n, err := RecipeOf(k)
		if err != nil {
			t.Fatal(err)
		}
		if err = n.Set(c.set); err == nil {
			_, err = Branch(k, n, 0)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s at %s: %v, want %q", c.set, c.at, err, c.want)
		}
	}
}

// TestSetReadsValues: numbers, words, lists, with or without quotes.
func TestSetReadsValues(t *testing.T) {
	r := DefaultRecipe()
	if err := r.Set("prune.score=taylor", "prune.target = 0.5", "floor.points=1", `deploy.formats=["onnx"]`, "auto=true", `data.name="iris"`, "budget.joules=5", "hardware.profile=a-b"); err != nil {
		t.Fatal(err)
	}
	if r.Prune.Score != "taylor" || r.Prune.Target != 0.5 || r.Floor.Points != 1 || len(r.Deploy.Formats) != 1 || !r.Auto || r.Data.Name != "iris" || r.Budget.Joules != 5 || r.Hardware.Profile != "a-b" {
		t.Errorf("%+v", r)
	}
	d := DefaultRecipe().Diff(r)
	if len(d) != 8 || d[0].Key != "auto" || d[0].String() != "auto false → true" {
		t.Errorf("%v", d)
	}
	if d := r.Diff(r); len(d) != 0 {
		t.Errorf("%v", d)
	}
}

// TestBranchOfASpentBudget: the checkpoint at which a budget ended the run goes on with
// another one; with the same it stays spent.
func TestBranchOfASpentBudget(t *testing.T) {
	r := small()
	r.Train.Epochs, r.Budget.Seconds = 3, 1e-9
	for set, want := range map[string]bool{"budget.seconds=1000": false, "floor.points=3": true} {
		var st MemStore
		if code := runAll(t, clone(t, r), nil, &st); code != ExitBudget {
			t.Fatalf("exit %d", code)
		}
		c, err := st.Load(st.State.Checkpoints[len(st.State.Checkpoints)-1].Name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := RecipeOf(c)
		if err == nil {
			err = n.Set(set)
		}
		if err == nil {
			_, err = Branch(c, n, 0)
		}
		if err == nil {
			_, _, err = st.Save("branch", c)
		}
		if err != nil {
			t.Fatal(err)
		}
		st.State.Done = nil
		code := runAll(t, clone(t, r), &Resume{Checkpoint: "branch", Why: "stop"}, &st)
		if spent := code == ExitBudget; spent != want {
			t.Errorf("%s: exit %d", set, code)
		}
	}
}

// TestDiffOfLowRank: a step of low rank is told by its keys.
func TestDiffOfLowRank(t *testing.T) {
	a, b := DefaultRecipe(), DefaultRecipe()
	a.LowRank = []LowRankSpec{{Method: "svd", Energy: 0.8, Measured: true, Ranks: map[string]int{"fc2": 55, "fc1": 162}}}
	b.LowRank = []LowRankSpec{{Method: "lora", Rank: 8, Layers: []string{"q", "v"}}}
	d := a.Diff(b)
	if want := "lowrank method svd, energy 0.8, measured true, ranks fc1 162 fc2 55 → method lora, layers q v, rank 8"; len(d) != 1 || d[0].String() != want {
		t.Errorf("%v, want %s", d, want)
	}
}
