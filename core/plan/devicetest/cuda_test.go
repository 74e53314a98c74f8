package devicetest

import (
	"os"
	"testing"

	"pare/core/device"
	"pare/core/device/cuda"
	"pare/core/tensor"
)

// card opens the card in a precision. Where there is none the test is skipped, unless
// PARE_CUDA says that there must be one.
func card(t *testing.T, p cuda.Precision) cuda.Device {
	t.Helper()
	dev, err := cuda.Open(p)
	if err != nil {
		if os.Getenv("PARE_CUDA") != "" {
			t.Fatal(err)
		}
		t.Skipf("needs an NVIDIA card: %v", err)
	}
	return dev
}

func TestCUDA(t *testing.T) {
	dev := card(t, cuda.F32)
	Run(t, dev.Checked(), dev)
}

// TF32 keeps 10 bits of mantissa in products, bf16 7 in all activations; sums are exact
// as before. The limits are
// wide, see flips: they find a term that is missing or of the wrong sign, not a small factor.
func TestCUDATF32(t *testing.T) {
	dev := card(t, cuda.TF32)
	RunWithin(t, 2e-2, unitTF32, dev.Checked(), dev)
}

func TestCUDABF16(t *testing.T) {
	dev := card(t, cuda.BF16)
	RunWithin(t, 6e-2, unitBF16, dev.Checked(), dev)
}

// TestCUDAPairs takes 2:4 products wherever cuSPARSELt has them, faster or not; TestCUDAOwnPairs
// takes ours.
func TestCUDAPairs(t *testing.T)    { testCardPairs(t, false) }
func TestCUDAOwnPairs(t *testing.T) { testCardPairs(t, true) }

func testCardPairs(t *testing.T, own bool) {
	dev := card(t, cuda.BF16).Paired(own)
	if !dev.Supports(device.Linear, tensor.NM24) {
		t.Skip("needs cuSPARSELt, or a Hopper card for ours")
	}
	testPairs(t, family{dev.Checked(), []device.Device{dev}, 6e-2, unitBF16})
}
