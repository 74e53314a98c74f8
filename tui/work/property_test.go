package work

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"pare/core/event"
	"pare/tui/theme"
)

// TestArrange checks for every size that the rows fill the screen.
func TestArrange(t *testing.T) {
	for w := 0; w <= 200; w++ {
		for h := 0; h <= 200; h++ {
			for _, n := range []need{{}, {0, 40, 1}, {12, 11, 2}, {60, 60, 9}} {
				for tab := range 4 {
					for _, over := range []bool{false, true} {
						rows, sum := arrange(w, h, n, tab, over), 0
						for _, r := range rows {
							sum += r.h
							wide := 0
							for _, c := range r.cells {
								wide += c.w
							}
							if r.h < 1 || wide != w {
								t.Fatalf("%d×%d %v tab %d: row %+v", w, h, n, tab, r)
							}
						}
						if w > 0 && sum != h {
							t.Fatalf("%d×%d %v tab %d: %d lines", w, h, n, tab, sum)
						}
					}
				}
			}
		}
	}
}

// TestTabShowsEveryPane: whatever does not fit is reached with the tab key.
func TestTabShowsEveryPane(t *testing.T) {
	for w := 12; w <= 200; w += 4 {
		for h := boxH; h <= 60; h++ {
			seen := map[pane]bool{}
			for tab := range views(w, h) {
				for _, r := range arrange(w, h, need{bottom: 11}, tab, false) {
					for _, c := range r.cells {
						seen[c.p] = true
					}
				}
			}
			for p := paneA; p <= paneD; p++ {
				if !seen[p] {
					t.Fatalf("%d×%d: pane %d is never shown", w, h, p)
				}
			}
		}
	}
}

// TestEverySizeEveryScene draws all scenes at sizes spread over 0..200.
func TestEverySizeEveryScene(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range scenes() {
		d, f := watching(t, 120, 40, s.story)
		if s.do != nil {
			s.do(d, f)
		}
		for range 60 {
			d.resize(rnd.IntN(201), rnd.IntN(201))
			d.look.tab = rnd.IntN(4)
			fits(t, d, s.name)
		}
		for _, z := range [][2]int{{0, 0}, {1, 1}, {1, 200}, {200, 1}, {2, 2}, {10, 3}, {11, 24}, {12, 5}, {35, 15}, {36, 15}, {70, 18}, {100, 26}} {
			d.resize(z[0], z[1])
			fits(t, d, s.name)
		}
	}
}

// names are the keys a cat on the keyboard may press.
var names = []string{"enter", "space", "esc", "tab", "shift+tab", "up", "down", "left", "right", "+", "-", "0", "1", "2", "3", "4", "5", "9", ".", "q0", "r", "e", "x", "s", "l", "?", "[", "]", "R", "d", "c", "/", "h", "j", "k", "backspace", "ctrl+u", "pgdown", "f1", "日", "t", "g", "v", "f", "<", ">", "S", "b", "p", "o", "O", ":", "y", "ctrl+l", "ctrl+z"}

// TestRandomWalk feeds random events with hostile texts, random keys and sizes,
// and checks every frame.
func TestRandomWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rnd := rand.New(rand.NewPCG(seed, 7))
		d, f := watching(t, 80, 24, newStory())
		d.ascii = rnd.IntN(4) == 0
		d.th = theme.New(theme.Mode(1+rnd.IntN(3)), true, d.ascii)
		s := &story{at: begun}
		for range 40 {
			switch rnd.IntN(4) {
			case 0:
				d.resize(rnd.IntN(140), rnd.IntN(50))
			case 1:
				n := names[rnd.IntN(len(names))]
				key(d, n)
			default:
				s.add(randomBody(rnd))
				f.log = append(f.log, s.es[len(s.es)-1])
				sample(d)
			}
			d.quit = false
			fits(rt, d, fmt.Sprintf("seed %d", seed))
			// Panes kept from before must be as if drawn anew.
			before := d.Render()
			d.touch()
			if after := d.Render(); after != before {
				rt.Fatalf("seed %d: a pane was not drawn anew after a change\nshown:\n%s\nright:\n%s", seed, bare(before), bare(after))
			}
		}
	})
}

func randomBody(r *rand.Rand) event.Body {
	str := func() string { return hostile[r.IntN(len(hostile))] }
	num := func() float64 {
		return []float64{0, 1, 0.5, -1, 1e300, 1e-300, 0.884, 100, 3}[r.IntN(9)]
	}
	step := func() int64 { return []int64{0, 1, 100, 200, 1 << 40, 900}[r.IntN(6)] }
	st := func() event.Stage { return event.Stage(r.IntN(7)) }
	j := func() event.Joules {
		if r.IntN(3) == 0 {
			return event.Joules{}
		}
		return uj([]int64{0, 1, 1 << 60, 4_900_000}[r.IntN(4)], []string{"A", "B", "E", "", "Z"}[r.IntN(5)])
	}
	side := func() event.Side {
		return event.Side{Acc: num(), Lo: num(), Hi: num(), Zeros: num(), Params: step(), FileBytes: step(), StepCPUUS: num(), StepBand: num(), InferUS: num(), StepEnergy: j(), InferEnergy: j()}
	}
	many := r.IntN(30)
	switch r.IntN(26) {
	case 0:
		return &event.Started{Session: str(), Model: str(), Data: str(), Tier: "B"}
	case 1:
		m := &event.Model{Name: str(), Params: step(), Classes: classNames, Input: []int{1, 28, 28}}
		for range many {
			m.Layers = append(m.Layers, event.Layer{Name: str(), Shape: []int{int(step()), 3}, Params: step(), Prunable: true})
		}
		return m
	case 2, 3:
		return &event.StageChange{Stage: st(), State: []string{"started", "waiting", "done", "failed", ""}[r.IntN(5)], Evidence: str()}
	case 4, 5, 6:
		return &event.Metric{Stage: st(), Epoch: int(step()), Epochs: int(step()), Step: step(), Steps: step(), Loss: num(), Zeros: num(), CPUUS: step(), StepCPU: num(), Energy: j()}
	case 7, 8:
		return &event.EpochCost{Stage: st(), Epoch: 1, Step: step(), Steps: step(), CPUUS: step(), Energy: j()}
	case 9, 10:
		return &event.Eval{Stage: st(), Step: step(), Split: "val", Correct: int(step()), N: 1500, Lo: num(), Hi: num()}
	case 11:
		m := &event.Mask{Stage: st(), Step: step(), Zeros: int(step()), Of: r.IntN(3)}
		for range many {
			m.Layers = append(m.Layers, event.LayerMask{Name: str(), Zeros: int(step()), Of: r.IntN(3)})
		}
		return m
	case 12:
		p := &event.Plan{Stage: st()}
		for range many {
			p.Layers = append(p.Layers, event.RunsAs{Name: str(), Format: str(), Why: str()})
		}
		return p
	case 13, 14:
		return &event.Checkpoint{Name: str(), Stage: st(), Step: step(), Acc: num(), Zeros: num()}
	case 15:
		return &event.Decision{Stage: st(), Step: step(), Cmd: []string{"target", "rollback", "configure", "pause"}[r.IntN(4)], Value: num(), Text: str()}
	case 16:
		return &event.Resumed{Checkpoint: str(), Stage: st(), Step: step(), Why: "crash"}
	case 17:
		return &event.Floor{Step: step(), Acc: num(), Floor: num(), Back: str()}
	case 18:
		return &event.Warning{Text: str(), Fix: str()}
	case 19:
		return &event.Failure{Text: str(), Fix: str()}
	case 20:
		return &event.Ledger{Predicted: r.IntN(2) == 0, Hardware: str(), Dense: side(), Now: side()}
	case 21:
		v := &event.Verdict{Verdict: []string{"PASS", "FAIL", "UNDECIDED", ""}[r.IntN(4)], Text: str()}
		for range many {
			v.Classes = append(v.Classes, event.ClassRow{Name: str(), N: int(step()), Dense: int(step())})
		}
		return v
	case 22:
		v := &event.LayerVerdicts{}
		for range many {
			v.Layers = append(v.Layers, event.LayerVerdict{Name: str(), Zeros: num(), RunsAs: str(), DenseMS: num(), Text: str()})
		}
		return v
	case 23:
		return &event.Export{Format: str(), File: str(), Bytes: step()}
	case 24:
		return &event.LastPoints{Text: str()}
	}
	return &event.Done{Exit: 3, Text: str()}
}

// TestHostilePicker draws the picker and the set-up with a hostile recipe.
func TestHostilePicker(t *testing.T) {
	t.Parallel()
	for _, h := range hostile {
		d := testDesk(t, 80, 24, theme.Mono, false)
		work(d, d.begin())
		d.pick.err, d.o.Recipe.Model.Name, d.o.Recipe.Data.Path = h, h, h
		for w := 0; w < 130; w += 7 {
			for hh := 0; hh < 45; hh += 4 {
				for _, p := range []page{pagePick, pageSetup} {
					d.page = p
					d.resize(w, hh)
					fits(t, d, h)
				}
			}
		}
		key(d, "/")
		d.page = pagePick
		d.over = overPath
		d.input = input{text: h, err: h}
		for w := 0; w < 130; w += 7 {
			d.resize(w, 20)
			fits(t, d, h)
			d.resize(w, 2)
			fits(t, d, h)
		}
	}
}
