package core

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pare/core/energy"
)

// fakeRAPL has the meters of runs read a tree of the test's own, whose package draws
// watts, ten times as often as they would: windows of 20 ms are measured.
func fakeRAPL(t *testing.T, watts int64) (root string) {
	t.Helper()
	root = raplTree(t, watts)
	old := openMeter
	openMeter = func(o energy.Options) (*energy.Meter, error) {
		o.Root, o.Source, o.Period = root, energy.SourceRAPL, 10*time.Millisecond
		return old(o)
	}
	t.Cleanup(func() { openMeter = old })
	return root
}

// vanish takes the counter of a tree away.
func vanish(t *testing.T, root string) {
	t.Helper()
	if err := os.Rename(filepath.Join(root, "intel-rapl:0"), filepath.Join(root, "away")); err != nil {
		t.Error(err)
	}
}
