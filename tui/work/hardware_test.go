package work

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pare/core"
	"pare/core/event"
)

// choosing is a desk at the configure form's hardware.
func choosing(t *testing.T, w, h int) (*desk, *fake) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	d, f := watching(t, w, h, newStory().start("B").baselineDone("B").wait(event.Configure, "choose"))
	key(d, "down")
	return d, f
}

// typing presses the keys of a text.
func typing(d *desk, s string) {
	for _, r := range s {
		key(d, string(r))
	}
}

// TestChoosingHardware: another machine from the list changes the figures at once,
// and goes into the recipe that is sent.
func TestChoosingHardware(t *testing.T) {
	d, f := choosing(t, 120, 40)
	was := d.predict.ledger
	sees(t, d, "CPU ms per step", "predicted for generic-x86-cpu; the run itself measures", "/ list")
	key(d, "/")
	sees(t, d, "h100-sxm", "no gain", "−86 %", "find hardware:", "predicted time per step, with this recipe", "enter take")
	typing(d, "jetson nano")
	sees(t, d, "jetson-orin-nano-8", "jetson-orin-nano-super", "!h100", "!agx")
	key(d, "down", "up", "enter")
	sees(t, d, "← jetson-orin-nano-8 →", "no gain on jetson-orin-nano-8: no kernel there skips 4×1", "at most −61 %", "launches apart", "predicted for jetson-orin-nano-8", "!CPU ms per step", "±40 %", "moved per step")
	now := d.predict.ledger
	if now.Hardware != "jetson-orin-nano-8" || now.Dense.StepCPUUS == was.Dense.StepCPUUS || now.Now.StepCPUUS != now.Dense.StepCPUUS {
		t.Errorf("predicted %+v", now)
	}
	key(d, "up", "up", "up", "up") // the pattern
	key(d, "right", "right", "right")
	if l := d.predict.ledger; l.Now.StepCPUUS >= l.Dense.StepCPUUS {
		t.Errorf("neurons bring no gain: %+v", l)
	}
	sees(t, d, "expected on jetson-orin-nano-8: at most −75 %", "launches not counted")
	key(d, "down", "down", "down", "down", "/")
	typing(d, "this m")
	key(d, "enter")
	sees(t, d, "← this machine →", "!predicted for")
	key(d, "/")
	typing(d, "mi300")
	key(d, "enter", "enter")
	r, err := core.ParseRecipe([]byte(f.sent[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	if f.commands() != "configure" || r.Hardware.Profile != "mi300x" || r.Hardware.Device != "ref" {
		t.Errorf("sent %s with hardware %+v", f.commands(), r.Hardware)
	}
}

// TestHardwareArrows: ← and → go through all machines, this one first.
func TestHardwareArrows(t *testing.T) {
	d, _ := choosing(t, 80, 24)
	f := d.conf.get("hardware")
	seen := map[string]bool{}
	for range f.opts {
		seen[d.predict.ledger.Hardware] = true
		if want := f.chosen(); want != "" && d.predict.ledger.Hardware != want {
			t.Errorf("%s is chosen, predicted for %s", want, d.predict.ledger.Hardware)
		}
		key(d, "right")
	}
	if len(seen) < 30 {
		t.Errorf("only %d machines", len(seen))
	}
	if f.chosen() != "generic-x86-cpu" {
		t.Errorf("once round ends at %q", f.chosen())
	}
}

// TestNoSuchHardware: a name that no profile has is said, and the list stays; a
// profile whose file has gone is said where the prediction would stand.
func TestNoSuchHardware(t *testing.T) {
	d, _ := choosing(t, 80, 24)
	key(d, "/")
	typing(d, "abacus")
	key(d, "enter")
	sees(t, d, `no profile is called "abacus"`)
	key(d, "ctrl+u", "esc")
	if d.over != overNone || d.conf.get("hardware").chosen() != "generic-x86-cpu" {
		t.Errorf("after esc: over %v, %s", d.over, d.conf.get("hardware").chosen())
	}
	key(d, "up", "/")
	if d.over != overNone {
		t.Error("the list opens on another field")
	}

	dir := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "pare", "hw")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "my-box.toml")
	if err := os.WriteFile(own, []byte("kind='gpu'\ntitle='mine'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, _ = watching(t, 80, 24, newStory().start("B").baselineDone("B").wait(event.Configure, "choose"))
	key(d, "down", "/")
	typing(d, "my-box")
	sees(t, d, "mine", "–")
	key(d, "enter")
	sees(t, d, "no prediction on my-box: ", "f32 rate is unknown", "J per step")
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	key(d, "up", "left")
	sees(t, d, `hardware profile "my-box" is not known`)
}

// TestHardwareListFits draws the list at all sizes.
func TestHardwareListFits(t *testing.T) {
	for _, typed := range []string{"", "jetson", "zzz"} {
		d, _ := choosing(t, 120, 40)
		key(d, "/")
		typing(d, typed)
		key(d, "pgdown", "pgdown", "pgup")
		for w := 0; w < 130; w += 3 {
			for h := 0; h < 45; h++ {
				d.resize(w, h)
				fits(t, d, typed)
				if w > 40 && h > 8 && typed == "" && !strings.Contains(bare(d.Render()), "> ") {
					t.Fatalf("%d×%d: the mark is out of sight", w, h)
				}
			}
		}
	}
}
