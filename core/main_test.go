package core

import (
	"errors"
	"os"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/plan"
)

// Tests do not judge speed: short windows and prices that nobody measured are
// enough.
func TestMain(m *testing.M) {
	window = 2 * time.Millisecond
	calibrate = func(device.Device, string) (plan.Prices, error) { return plan.DefaultPrices(), nil }
	cacheDir = func() (string, error) { return "", errors.New("none in tests") }
	os.Exit(m.Run())
}
