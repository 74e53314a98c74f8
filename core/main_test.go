package core

import (
	"os"
	"testing"
	"time"
)

// Tests do not judge speed: short windows are enough.
func TestMain(m *testing.M) {
	window = 2 * time.Millisecond
	os.Exit(m.Run())
}
