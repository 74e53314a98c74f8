package cuda_test

import (
	"errors"
	"testing"

	"pare/core/device/cuda"
	"pare/core/device/cuda/cudatest"
)

// TestProductThatFailsWhileItIsRecorded: nothing is left on the card, and its graph is released once.
func TestProductThatFailsWhileItIsRecorded(t *testing.T) {
	dev, card := cudatest.New(1<<24, cuda.F32)
	broken := errors.New("broken")
	card.FailAt("Run", 2, broken) // the first is before the recording
	if _, err := dev.Product(64, false); !errors.Is(err, broken) {
		t.Error(err)
	}
	if l := card.Leaks(); len(l) > 0 {
		t.Error("left behind: ", l)
	}
}
