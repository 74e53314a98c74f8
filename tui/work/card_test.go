package work

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/event"
	"pare/tui/plain"
)

// onCard tells a story as one of a run that computes on a card.
func (s *story) onCard() *story {
	words := strings.NewReplacer("CPU time", "time on the card")
	for i := range s.es {
		switch b := s.es[i].Body.(type) {
		case *event.Started:
			b.Device, b.HWKind, b.Hardware, b.ISA = "cuda", "gpu", "nvidia-h100-sxm", "sm_90"
		case *event.Ledger:
			b.HWKind = "gpu"
		case *event.LastPoints:
			b.Text = words.Replace(b.Text)
		case *event.Verdict:
			b.Text = words.Replace(b.Text)
		case *event.LayerVerdicts:
			for k := range b.Layers {
				b.Layers[k].Text = words.Replace(b.Layers[k].Text)
			}
		}
	}
	return s
}

// TestCard: no screen of a run on a card speaks of CPU time, whatever is known of its
// joules; what it shows instead is the clock's.
func TestCard(t *testing.T) {
	for _, tier := range []string{"B", "E", ""} {
		b := func() *story { return newStory().start(tier) }
		spar := func() *story { return b().baselineDone(tier).configured(tier).sparsify(9, tier).inferred(tier) }
		done := func() *story {
			return b().baselineDone(tier).configured(tier).sparsified(tier).validated(tier).deployed()
		}
		times := &event.StepTimes{Batch: 64, StepCPUUS: 2000, StepEnergy: uj(20000, "B"), Calls: []event.CallTime{{Node: "fc1", StepUS: 75}, {Node: "fc2", StepUS: 25}}}
		for name, at := range map[string]struct {
			story *story
			keys  []string
		}{
			"baseline":    {b().baseline(tier), nil},
			"sparsify":    {spar(), nil},
			"cursor":      {spar(), []string{"left", "left"}},
			"loss":        {spar(), []string{"v"}},
			"checkpoints": {spar(), []string{"v", "v"}},
			"layer":       {spar().add(times), []string{"i"}},
			"verdict":     {done(), []string{"4"}},
			"done":        {done(), nil},
			"gained":      {done(), []string{"i"}},
		} {
			for _, z := range [][2]int{{160, 50}, {120, 40}, {80, 24}, {60, 20}} {
				for _, tabs := range []int{0, 1, 2, 3} {
					d, _ := watching(t, z[0], z[1], at.story.onCard())
					key(d, at.keys...)
					for range tabs {
						key(d, "tab")
					}
					if got := bare(d.Render()); strings.Contains(got, "CPU") {
						t.Fatalf("tier %q, %s, %d×%d, %d tabs speaks of CPU time:\n%s", tier, name, z[0], z[1], tabs, got)
					}
				}
			}
		}
		// What t explains, of this run's own figures.
		for _, s := range []*story{spar(), done()} {
			d, _ := watching(t, 120, 40, s.onCard())
			for _, n := range []string{"1", "3", "4"} {
				key(d, n)
				for _, sec := range d.lesson() {
					for _, p := range sec.Paras {
						if strings.Contains(p, "CPU time") && !strings.HasPrefix(p, "Known:") && !strings.HasPrefix(p, "Said:") {
							t.Errorf("stage %s, %s: %s", n, sec.Title, p)
						}
					}
				}
			}
		}
		var st event.State
		for _, e := range done().onCard().es {
			st.Apply(e)
			if s := plain.Line(e, &st); strings.Contains(s, "CPU") {
				t.Errorf("tier %q, %s: %s", tier, e.Body.Kind(), s)
			}
		}
	}
}

// TestCardSeconds: an epoch on a card takes what passed on the clock, also in logs from
// before the kind of hardware was written.
func TestCardSeconds(t *testing.T) {
	for _, kind := range []string{"gpu", ""} {
		s := newStory().start("").baselineDone("").configured("").sparsify(9, "").onCard()
		for _, e := range s.es {
			if b, ok := e.Body.(*event.Started); ok {
				b.HWKind = kind
			}
		}
		d, _ := watching(t, 160, 40, s)
		last, _ := lastEpoch(&d.run.st, event.Sparsify)
		if last.CPUUS == last.WallUS {
			t.Fatal("the story tells both times apart no more")
		}
		got := bare(d.Render())
		for _, want := range []string{"GPU s per epoch", fmt.Sprintf("%.3g GPU s per epoch", float64(last.WallUS)/1e6), "GPU ms per step", "time this run"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not on the screen:\n%s", want, got)
			}
		}
	}
}

// TestCompareKinds: times of a processor and of a card stand under no name of either.
func TestCompareKinds(t *testing.T) {
	var l []plain.Compared
	for i, s := range []*story{newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B"), newStory().start("B").baselineDone("B").configured("B").sparsify(3, "B").onCard()} {
		st := new(event.State)
		for _, e := range s.es {
			st.Apply(e)
		}
		l = append(l, plain.Compared{ID: fmt.Sprint("s", i), State: st})
	}
	var b strings.Builder
	plain.Compare(l).Print(&b)
	if got := b.String(); strings.Contains(got, "CPU this run") || strings.Contains(got, "GPU this run") || !strings.Contains(got, "time this run") || !strings.Contains(got, "times of a processor and of a card") {
		t.Error(got)
	}
	b.Reset()
	plain.Compare(l[:1]).Print(&b)
	if !strings.Contains(b.String(), "CPU this run") {
		t.Error(b.String())
	}
}
