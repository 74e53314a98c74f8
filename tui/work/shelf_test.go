package work

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/plain"
	"pare/tui/theme"
)

// shelved is a desk before two sessions on disk: one done, one that stopped on the
// way with another recipe.
func shelved(t *testing.T, w, h int) *desk {
	t.Helper()
	root := filepath.Join(t.TempDir(), "sessions")
	onDisk(t, root, whole())
	other := testRecipe()
	other.Prune.Target, other.Prune.Score = 0.95, "taylor"
	b, err := other.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s := newStory()
	s.at = s.at.AddDate(0, 0, 1)
	s.start("B").baselineDone("B").add(
		&event.Decision{Stage: event.Configure, Cmd: core.CmdConfigure, Text: string(b), By: "person"},
		&event.StageChange{Stage: event.Configure, State: "done"}, &event.StageChange{Stage: event.Sparsify, State: "started"},
	).sparsify(9, "B").add(&event.Paused{Stage: event.Sparsify, Step: 900, Why: "stopped"})
	s.es[0].Body.(*event.Started).Session = "calm-wren"
	x := onDisk(t, root, s)
	if err := os.WriteFile(filepath.Join(x.Dir, "recipe.toml"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	d := testDesk(t, w, h, theme.Mono, false)
	d.o.Root, d.homeDir, d.o.ExportTo = root, filepath.Dir(root), t.TempDir()
	work(d, d.begin())
	key(d, "S")
	return d
}

func TestGoldenShelf(t *testing.T) {
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}, {40, 12}} {
		d := shelved(t, z[0], z[1])
		golden(t, fmt.Sprintf("sessions-%dx%d", z[0], z[1]), bare(d.Render()))
		key(d, "space", "x")
		golden(t, fmt.Sprintf("sessions-delete-%dx%d", z[0], z[1]), bare(d.Render()))
		key(d, "c", "c")
		if d.page != pageCompare {
			t.Fatal("no comparison")
		}
		key(d, "left", "left")
		golden(t, fmt.Sprintf("compare-%dx%d", z[0], z[1]), bare(d.Render()))
	}
	d := shelved(t, 80, 24)
	d.ascii, d.th = true, theme.New(theme.Mono, true, true)
	key(d, "space", "c")
	golden(t, "compare-ascii-80x24", bare(d.Render()))
	key(d, "tab")
	golden(t, "compare-ascii-tab-80x24", bare(d.Render()))
}

// TestShelfTellsOfAMissedTarget: the list says what can be done, and where the files are that
// were written all the same.
func TestShelfTellsOfAMissedTarget(t *testing.T) {
	for deployed, s := range map[bool]*story{
		true:  newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B").missed(),
		false: newStory().start("B").baselineDone("B").configured("B").add(&event.Done{Exit: core.ExitTarget, Text: "the dense model is under the floor already"}),
	} {
		root := filepath.Join(t.TempDir(), "sessions")
		x := onDisk(t, root, s)
		d := testDesk(t, 80, 24, theme.Mono, false)
		d.o.Root, d.homeDir = root, filepath.Dir(root)
		work(d, d.begin())
		key(d, "S")
		sees(t, d, "missed", "its target was not reached: b branches with another target, floor or budget")
		if got := strings.Contains(bare(d.Render()), d.home(x.Dir)); got != deployed {
			t.Errorf("deployed %t, its folder is shown: %t\n%s", deployed, got, bare(d.Render()))
		}
	}
}

// TestGoldenShelfQuestions: what is typed and chosen over the list of sessions.
func TestGoldenShelfQuestions(t *testing.T) {
	at := func(n string, st event.Stage, e int, acc, zeros float64) sessions.Point {
		return sessions.Point{Checkpoint: event.Checkpoint{Name: n, Stage: st, Epoch: e, Step: int64(100 * e), Acc: acc, Zeros: zeros, Good: true}}
	}
	for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d := shelved(t, z[0], z[1])
		key(d, "/", "s", "t", "o", "p")
		golden(t, fmt.Sprintf("sessions-filter-%dx%d", z[0], z[1]), bare(d.Render()))
		key(d, "esc")
		d.onPoints(pointsMsg{id: "calm-wren", l: []sessions.Point{at("baseline", event.Baseline, 6, 0.885, 0), at("s3-000800", event.Sparsify, 8, 0.883, 0.81)}})
		golden(t, fmt.Sprintf("sessions-branch-%dx%d", z[0], z[1]), bare(d.Render()))
		key(d, "enter")
		for _, c := range "prune.target=0.7" {
			d.press(string(c), string(c))
		}
		golden(t, fmt.Sprintf("sessions-change-%dx%d", z[0], z[1]), bare(d.Render()))
	}
}

// TestShelfFilter: words narrow the list while they are typed; esc widens it.
func TestShelfFilter(t *testing.T) {
	d := shelved(t, 80, 24)
	sees(t, d, "brisk-heron", "calm-wren", "sessions in ~/sessions")
	key(d, "/", "s", "t", "o", "p")
	sees(t, d, "!brisk-heron", "calm-wren", "1 of 2 with stop")
	key(d, "enter")
	sees(t, d, "!brisk-heron", "stopped at a checkpoint")
	key(d, "/", "z")
	sees(t, d, "no session holds all")
	key(d, "enter", "enter", "space", "c", "x")
	sees(t, d, "there is no session here")
	key(d, "/", "esc")
	sees(t, d, "brisk-heron", "calm-wren")
}

// TestShelfDeletes: asked again by letter; only d deletes, and only what is
// marked.
func TestShelfDeletes(t *testing.T) {
	d := shelved(t, 80, 24)
	key(d, "down", "x")
	sees(t, d, "delete?", "brisk-heron and all its files", "d delete for good", "c cancel")
	for _, k := range []string{"enter", "y", "x", "space"} {
		key(d, k)
		sees(t, d, "delete?")
	}
	key(d, "c")
	sees(t, d, "brisk-heron", "!delete?")
	key(d, "x", "d")
	sees(t, d, "gone: brisk-heron")
	if l, err := sessions.List(d.o.Root); err != nil || len(l) != 1 || l[0].ID != "calm-wren" {
		t.Errorf("left: %v %v", l, err)
	}
}

// TestShelfOpensReplaysExports: what the footer offers happens.
func TestShelfOpensReplaysExports(t *testing.T) {
	d := shelved(t, 120, 40)
	key(d, "down", "e")
	sees(t, d, "CSV, JSON, text and HTML in")
	csv := readFile(t, filepath.Join(d.o.ExportTo, "brisk-heron-export", "curves.csv"))
	if l := strings.Split(strings.TrimSpace(csv), "\n"); len(l) != 27 || !strings.HasPrefix(l[1], "baseline,100,0.786") || !strings.HasSuffix(l[1], ",B") {
		t.Errorf("curves.csv:\n%s", csv)
	}
	if s := readFile(t, filepath.Join(d.o.ExportTo, "brisk-heron-export", "ledger.json")); !strings.Contains(s, `"verdict": "PASS"`) {
		t.Errorf("ledger.json:\n%s", s)
	}
	key(d, "enter")
	if d.page != pageRun || d.run.src.ID() != "brisk-heron" {
		t.Fatalf("page %d", d.page)
	}
	sees(t, d, "PASS 88.4 %", "esc sessions")
	key(d, "3", "left")
	sees(t, d, "esc cursor off")
	key(d, "esc")
	if d.look.cursor != nil || d.page != pageRun {
		t.Errorf("esc leaves the cursor at %v, page %d", d.look.cursor, d.page)
	}
	key(d, "esc")
	if d.page != pageShelf {
		t.Fatalf("esc leads to page %d, not back to the list", d.page)
	}
	key(d, "enter")
	// The other one is drawn behind it.
	key(d, "S", "up", "o", "3")
	if d.page != pageRun || len(d.compare.over) != 1 {
		t.Fatalf("page %d, %d overlays", d.page, len(d.compare.over))
	}
	sees(t, d, "╌╌ calm-wren · ", "validation accuracy ")
	key(d, "O")
	if len(d.compare.over) != 0 {
		t.Error("the overlay stays")
	}
	key(d, "S", "x", "d") // calm-wren is chosen; brisk-heron is open
	sees(t, d, "gone: calm-wren")
	key(d, "x", "d")
	sees(t, d, "brisk-heron is open here: it stays")
	key(d, "p")
	sees(t, d, "replay ×20", "brisk-heron")
	if !d.replaying() {
		t.Error("no replay")
	}
	key(d, "2")
	if sample(d); d.run.gen == 0 {
		t.Fatal("2 goes to no other place of the replay")
	}
	key(d, "esc")
	sees(t, d, "sessions → compare")
}

// TestShelfSizes: no size breaks the pages of sessions, whatever they are called.
func TestShelfSizes(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(8, 9))
	d := shelved(t, 80, 24)
	key(d, "space", "down")
	for _, h := range hostile {
		d.shelf.list[0].Model, d.shelf.list[0].ID, d.shelf.list[1].Damage = h, h, h
		d.shelf.marked = []string{h}
		d.shelf.points = []sessions.Point{{Checkpoint: event.Checkpoint{Name: h, Acc: -1}}, {Checkpoint: event.Checkpoint{Name: "s3", Stage: 3}}}
		l := []plain.Compared{{ID: h, State: &event.State{}}, {ID: "b", State: &event.State{}}, {ID: h, State: &event.State{}}}
		for i := range l {
			for _, e := range whole().es {
				l[i].State.Apply(e)
			}
		}
		l[0].State.Branch = &event.Branch{Session: h, Checkpoint: h, Changed: []string{h}}
		d.page = pageShelf
		d.onCompared(comparedMsg{l: l})
		d.compare.c.Recipes = []plain.RecipeRow{{Key: h, Values: []string{h, h, h}}}
		for range 3 {
			for _, hh := range []int{1, 3, 8, 15, 24, 40} {
				d.resize(rnd.IntN(201), hh)
				for _, p := range []page{pageShelf, pageCompare} {
					d.page = p
					for _, o := range []overlay{overNone, overDelete, overPoint, overChange, overFilter, overHelp} {
						if p == pageCompare && o != overNone && o != overHelp {
							continue
						}
						d.over = o
						fits(t, d, fmt.Sprintf("page %d over %d %q", p, o, h))
					}
				}
			}
		}
		d.over = overNone
	}
}
