package sessions

import (
	"os"
	"slices"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"pare/core"
	"pare/core/device/cpu"
	"pare/core/event"
)

// TestResumeKeepsFormats: the formats of a run follow the prices that this machine had when the
// run began, though the machine has measured others by the time it is resumed: its weights end
// with the bits of a run that was never killed.
func TestResumeKeepsFormats(t *testing.T) {
	t.Setenv(envRunner, "core") // the processes started from here carry core's run
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	core.Prices(cpu.New()) // the file
	setPrices := func(fixed, perStored float64) {
		t.Helper()
		b, err := os.ReadFile(core.PricesFile())
		if err != nil {
			t.Skip("this system keeps caches elsewhere")
		}
		var file map[string][]map[string]any
		if err := toml.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		prices := file["machine"][0]["plan"].(map[string]any)
		for _, table := range []string{"linear", "linear_small"} {
			for format := range prices[table].(map[string]any) {
				prices[table].(map[string]any)[format] = []float64{fixed, perStored}
			}
		}
		if b, err = toml.Marshal(file); err == nil {
			err = os.WriteFile(core.PricesFile(), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	begin := func() *Session {
		t.Helper()
		r := core.DefaultRecipe()
		r.Auto, r.Model.Name, r.Data.Name = true, "mlp", "iris"
		r.Train.Epochs, r.Train.Batch, r.Prune.Epochs, r.Prune.Target = 10, 8, 60, 0.5
		r.Energy.IdleSeconds = new(float64)
		s, err := Create(t.TempDir(), r)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	formats := func(st *event.State) (l []string) {
		for _, layer := range st.Plan.Layers {
			l = append(l, layer.Format)
		}
		return l
	}
	setPrices(0.01, 0.1)
	want := killAndResume(t, begin(), 0, 1)
	if !slices.Contains(formats(want), "1×1") {
		t.Fatalf("formats %v", formats(want))
	}
	for name, now := range map[string]func(*event.State) bool{
		"started": func(st *event.State) bool { return st.Started.Recipe != "" },
		"zeros": func(st *event.State) bool { // while it prunes
			return slices.ContainsFunc(st.Checkpoints, func(c event.Checkpoint) bool { return c.Zeros > 0 })
		},
	} {
		setPrices(0.01, 0.1)
		t.Setenv(envStands, name) // until it is killed
		s := begin()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, name, func() bool { return now(mustState(t, s)) })
		pid, alive := s.Alive()
		p, err := os.FindProcess(pid)
		if err == nil && alive {
			err = p.Kill()
		}
		ended(t, s)
		if err != nil || mustState(t, s).Done != nil {
			t.Fatalf("killed at %s: no kill hit the run: %v", name, err)
		}
		t.Setenv(envStands, "")
		setPrices(2, 2)
		got := killAndResume(t, s, 0, 1)
		if got.Done.Weights != want.Done.Weights || !slices.Equal(formats(got), formats(want)) {
			t.Errorf("killed at %s: weights %.12s in %v, never killed %.12s in %v", name, got.Done.Weights, formats(got), want.Done.Weights, formats(want))
		}
	}
	if other := killAndResume(t, begin(), 0, 1); slices.Contains(formats(other), "1×1") || other.Done.Weights == want.Done.Weights {
		t.Errorf("a new run by the new prices: formats %v, the same weights: %v", formats(other), other.Done.Weights == want.Done.Weights)
	}
}
