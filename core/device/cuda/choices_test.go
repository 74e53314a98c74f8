package cuda

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
)

// firstRun prepares one product in a new process of a machine whose cache folder is given,
// and returns what the run was told.
func firstRun(t *testing.T, card *cufake.Card) (told device.Chosen, err error) {
	t.Helper()
	blas := cufake.NewBlas(card)
	c := newCard(card, blas)
	c.machine = machineOf(c.info, blas.Version())
	d := Device{card: c}.Keeping(nil, func(n device.Chosen) error {
		told.Choices = n.Choices
		told.Said = append(told.Said, n.Said...)
		return nil
	}).(Device)
	e := &exec{dev: d, products: map[product]bool{}}
	for n := range 2 { // two choices, so that what is said twice shows
		if _, err := e.prepare(cu.Product{M: 8, N: 8, K: 8 + n}); err != nil {
			return told, err
		}
		if err := d.settle(); err != nil {
			return told, err
		}
	}
	if err := e.letGo(e.products); err != nil {
		t.Error(err)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Errorf("left: %v", l)
	}
	return told, nil
}

func TestMachineKeepsChoices(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	card := cufake.New(1 << 20)
	if told, err := firstRun(t, card); err != nil || len(told.Said) > 0 || card.Calls("Prepare") != 2 {
		t.Fatal(told, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "pare", "cuda", "products-fake-card-fake.json"))
	if err != nil || len(files) != 1 {
		t.Skip("this system keeps caches elsewhere")
	}
	file := files[0]

	card = cufake.New(1 << 20)
	if told, err := firstRun(t, card); err != nil || len(told.Said) > 0 || card.Calls("Prepare") != 0 || len(told.Choices) == 0 {
		t.Errorf("the next run: %v, %v, %d chosen anew", told, err, card.Calls("Prepare"))
	}

	// The library refuses what another version left there: said, chosen anew, replaced.
	card = cufake.New(1 << 20)
	card.Algorithm = "newer"
	card.Refuse = func(_, algo string) bool { return algo == "fake" }
	told, err := firstRun(t, card)
	if err != nil || card.Calls("Prepare") != 2 || len(told.Said) == 0 || !strings.Contains(told.Said[0], file) {
		t.Errorf("refused: %v, %v", told, err)
	}
	if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), "fake") || !strings.Contains(string(b), "newer") {
		t.Errorf("%s, %v", b, err)
	}

	// A card that is lost is no refusal.
	card = cufake.New(1 << 20)
	card.Lose("PrepareWith", 1)
	if _, err := firstRun(t, card); !errors.Is(err, cu.ErrLost) {
		t.Error(err)
	}

	for name, text := range map[string]string{"torn": `{"a": "b`, "no object": `[1]`, "large": strings.Repeat(" ", most+1)} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if told, err := firstRun(t, cufake.New(1<<20)); err != nil || len(told.Said) != 1 || !strings.Contains(told.Said[0], file) {
			t.Errorf("%s: %v, %v", name, told, err)
		}
		if told, err := firstRun(t, cufake.New(1<<20)); err != nil || len(told.Said) > 0 {
			t.Errorf("%s, afterwards: %v, %v", name, told, err)
		}
	}
}

// TestChoicesThatCannotBeKept: said once, and the run has them all the same.
func TestChoicesThatCannotBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", file) // no folder
	if dir, err := os.UserCacheDir(); err != nil || dir != file {
		t.Skip("this system keeps caches elsewhere")
	}
	told, err := firstRun(t, cufake.New(1<<20))
	if err != nil || len(told.Said) != 1 || !strings.Contains(told.Said[0], "cannot be kept") || len(told.Choices) == 0 {
		t.Errorf("%v, %v", told, err)
	}
}

// TestKeysTellProductsApart: products that may have different algorithms have different keys.
func TestKeysTellProductsApart(t *testing.T) {
	p := cu.Product{M: 64, N: 32, K: 16}
	seen := map[string]cu.Product{}
	for _, change := range []func(*cu.Product){
		func(*cu.Product) {}, func(p *cu.Product) { p.M = 65 }, func(p *cu.Product) { p.TransA = true }, func(p *cu.Product) { p.TransB = true },
		func(p *cu.Product) { p.LDA = 24 }, func(p *cu.Product) { p.LDB = 40 }, func(p *cu.Product) { p.LDD = 40 },
		func(p *cu.Product) { p.A = cu.BF16 }, func(p *cu.Product) { p.B = cu.BF16 }, func(p *cu.Product) { p.D = cu.BF16 },
		func(p *cu.Product) { p.TF32 = true }, func(p *cu.Product) { p.Epilogue = cu.Bias }, func(p *cu.Product) { p.Batch = 2 },
		func(p *cu.Product) { p.Batch, p.SA = 2, 1024 }, func(p *cu.Product) { p.Align = 4 }, func(p *cu.Product) { p.Epilogue, p.BiasType = cu.Bias, cu.BF16 },
	} {
		q := p
		change(&q)
		if other, ok := seen[q.Key()]; ok {
			t.Errorf("%+v and %+v: %s", q, other, q.Key())
		}
		seen[q.Key()] = q
	}
}
