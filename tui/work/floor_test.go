package work

import (
	"testing"

	"pare/core"
	"pare/core/event"
)

// fallen adds a fall under the floor that the recipe asks to be held at.
func (s *story) fallen() *story {
	return s.add(&event.Floor{Step: 900, Acc: 0.861, Floor: 0.864, Back: "s3-000800", Zeros: 0.84},
		&event.Resumed{Checkpoint: "s3-000800", Stage: event.Sparsify, Step: 800, Why: event.WhyFloor},
		&event.Paused{Stage: event.Sparsify, Step: 800, Why: event.WhyFloor})
}

// TestPauseAtTheFloorByKeys: it is asked for in the form, told with its ways out, and
// ends by a key: going on, another target, a checkpoint.
func TestPauseAtTheFloorByKeys(t *testing.T) {
	s := newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor")
	d, f := watching(t, 80, 24, s)
	for d.conf.fields[d.conf.at].key != "atfloor" {
		key(d, "down")
	}
	sees(t, d, "under it", "go back, train on")
	key(d, "right")
	sees(t, d, "go back and pause")
	key(d, "enter")
	r, err := core.ParseRecipe([]byte(f.sent[len(f.sent)-1].Text))
	if err != nil || !r.Floor.Pause {
		t.Fatalf("sent %+v, %v: want floor.pause", f.sent, err)
	}

	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		for keys, want := range map[string]string{"space": "go", "e": "target 0.88", "r": "rollback s3-000700"} {
			s := newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B")
			d, f := watching(t, z[0], z[1], s)
			f.push(s, func(s *story) { s.fallen() })
			sample(d)
			sees(t, d, "‖ paused", "under the floor of 86.4 %", "space go on")
			if z[1] >= 24 {
				sees(t, d, "s3-000800; space goes on without", "sets another target")
			}
			key(d, keys)
			switch keys {
			case "e":
				key(d, "8", "8", "enter")
			case "r":
				key(d, "down", "down", "enter")
			}
			if got := f.commands(); got != want {
				t.Errorf("%s at %d × %d sends %q, want %q", keys, z[0], z[1], got, want)
			}
		}
	}

	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B").fallen().
		add(&event.Decision{Stage: event.Sparsify, Step: 800, Cmd: core.CmdTarget, Value: 0.88, By: "person"}))
	sees(t, d, "under the floor of 86.4 %", "; space goes on, r", "!without more zeros")

	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B").fallen())
	d.o.ReadOnly = true
	d.touch()
	sees(t, d, "under the floor of 86.4 %", "!space goes on")
}
