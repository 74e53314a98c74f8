package devicetest

import (
	"os"
	"testing"

	"pare/core/device"
	"pare/core/device/cpu"
	"pare/core/device/cuda"
	"pare/core/device/ref"
)

// Devices are those that reference cases are run on: the scalar device, the processor
// and, with PARE_CUDA set, the card in float32.
func Devices(t testing.TB) []device.Device {
	t.Helper()
	devs := []device.Device{ref.New(), cpu.New()}
	if os.Getenv("PARE_CUDA") == "" {
		return devs
	}
	card, err := cuda.Open(cuda.F32)
	if err != nil {
		t.Fatal(err)
	}
	return append(devs, card)
}
