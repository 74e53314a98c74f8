package interp

import (
	"os"
	"testing"
)

// TestSuite runs the operator suite that PARE_ONNX_SUITE names: of what is claimed
// nothing may fail.
func TestSuite(t *testing.T) {
	dir := os.Getenv("PARE_ONNX_SUITE")
	if dir == "" {
		t.Skip("PARE_ONNX_SUITE does not name a folder with the onnx project's cases")
	}
	n := map[string]int{}
	err := Suite(dir, func(c Case) {
		n[c.Outcome]++
		if c.Outcome == Fail {
			t.Errorf("%s (%v): %s", c.Name, c.Ops, c.Why)
		} else if testing.Verbose() && c.Outcome == Unsupported {
			t.Logf("unsupported: %s: %s", c.Name, c.Why)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", n)
}
