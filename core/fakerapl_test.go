package core

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pare/core/energy"
)

// fakeRAPL is a tree of real files with one package whose counter runs at a constant
// power while the test lasts. Meters opened by runs read it.
type fakeRAPL struct {
	file  string
	watts float64
	begun time.Time

	mu   sync.Mutex
	gone bool
}

func newFakeRAPL(t *testing.T, watts float64) *fakeRAPL {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "intel-rapl:0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip(err) // folder names with colons
	}
	f := &fakeRAPL{file: filepath.Join(dir, "energy_uj"), watts: watts, begun: time.Now()}
	for name, text := range map[string]string{"name": "package-0\n", "max_energy_range_uj": "262143328850\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.write(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				f.write(t)
			}
		}
	}()
	old := openMeter
	openMeter = func(o energy.Options) (*energy.Meter, error) {
		o.Root, o.Source, o.Period = root, energy.SourceRAPL, 10*time.Millisecond
		return energy.Open(o)
	}
	t.Cleanup(func() {
		openMeter = old
		close(stop)
		<-done
	})
	return f
}

// write brings the counter up to now, in one step for who reads it.
func (f *fakeRAPL) write(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return
	}
	text := fmt.Sprintln(1_000_000 + int64(f.watts*float64(time.Since(f.begun).Microseconds())))
	if err := os.WriteFile(f.file+".new", []byte(text), 0o644); err != nil {
		t.Error(err)
	}
	if err := os.Rename(f.file+".new", f.file); err != nil {
		t.Error(err)
	}
}

// vanish takes the counter away.
func (f *fakeRAPL) vanish(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	if err := os.Remove(f.file); err != nil {
		t.Error(err)
	}
}
