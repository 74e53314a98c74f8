package devicetest

import (
	"testing"

	"pare/core/device/ref"
)

// TestRef: the reference is tested against itself where that says something,
// and its gradients against differences.
func TestRef(t *testing.T) {
	dev := ref.New()
	t.Run("gradients", func(t *testing.T) { Gradients(t, dev) })
	t.Run("bits", func(t *testing.T) { testBits(t, dev) })
	t.Run("masks", func(t *testing.T) { testMasks(t, dev) })
	t.Run("micro", func(t *testing.T) { testMicro(t, dev) })
	t.Run("recompute", func(t *testing.T) { testRecompute(t, dev) })
	t.Run("errors", func(t *testing.T) { testErrors(t, dev) })
}
