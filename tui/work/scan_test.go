package work

import (
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// scan adds a scan of three layers of which n are done.
func (s *story) scan(n, of int) *story {
	head := event.Scan{
		Stage: event.Configure, Key: "k", Rule: "magnitude, 4×1 blocks", Levels: []float64{0.3, 0.5, 0.7, 0.8, 0.9}, Split: "val", Samples: 1500, N: 1500,
		Acc: 0.885, Of: of, HW: "generic-x86-cpu", HWKind: "cpu", Batch: 128, State: "running",
	}
	s.add(&head)
	end := head
	for i, lost := range [][]float64{{-0.004, 0.003, 0.013, 0.02, 0.054}, {-0.005, -0.001, -0.001, 0.003, 0.021}, {-0.001, -0.005, 0.034, 0.139, 0.393}}[:n] {
		row := event.ScanRow{Name: layers()[i].Name, Layers: []string{layers()[i].Name}, Size: int(layers()[i].Params)}
		for k, l := range lost {
			row.Cells = append(row.Cells, event.ScanCell{Level: head.Levels[k], Gone: head.Levels[k], Acc: head.Acc - l})
		}
		s.add(&row)
		end.Rows = append(end.Rows, row)
	}
	if n == of {
		end.State = "done"
		end.Cost = event.StageCost{Stage: event.Configure, CPUUS: 265_000, WallUS: 140_000, Energy: uj(1_900_000, "B")}
		s.add(&end)
	}
	return s
}

// TestScanKeys: s scans with the form's recipe, esc cancels, enter waits for the end.
func TestScanKeys(t *testing.T) {
	conf := func() *story {
		return newStory().start("B").baselineDone("B").wait(event.Configure, "choose method, pattern, target and floor")
	}
	d, f := watching(t, 120, 40, conf())
	key(d, "right", "s")
	if len(f.sent) != 1 || f.sent[0].Cmd != core.CmdScan || !strings.Contains(f.sent[0].Text, "target = 0.91") {
		t.Fatalf("s sent %+v", f.sent)
	}
	for _, size := range [][2]int{{80, 24}, {60, 20}} { // what it finds is in sight
		d, _ := watching(t, size[0], size[1], conf().scan(2, 3))
		key(d, "s")
		if s := bare(d.Render()); strings.Contains(s, "─ scan") {
			t.Errorf("%d×%d: a second scan:\n%s", size[0], size[1], s)
		}
		d, _ = watching(t, size[0], size[1], conf().scan(3, 3))
		key(d, "s")
		if s := bare(d.Render()); !strings.Contains(s, " scan ") || !strings.Contains(s, "fc1") {
			t.Errorf("%d×%d: no scan:\n%s", size[0], size[1], s)
		}
	}
	d, f = watching(t, 120, 40, conf().scan(1, 3))
	key(d, "enter", "s")
	if len(f.sent) != 0 {
		t.Errorf("while a scan goes on %s was sent", f.commands())
	}
	key(d, "esc")
	if f.commands() != core.CmdCancel {
		t.Errorf("esc sent %q", f.commands())
	}
	d, f = watching(t, 120, 40, conf().scan(3, 3))
	key(d, "esc")
	if len(f.sent) != 0 {
		t.Errorf("esc without a scan sent %s", f.commands())
	}
	if s := bare(d.Render()); !strings.Contains(s, "140 ms · ") || !strings.Contains(s, "−39.3") {
		t.Errorf("the scan is not on the screen:\n%s", s)
	}
}
