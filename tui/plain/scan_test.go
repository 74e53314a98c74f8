package plain

import (
	"strings"
	"testing"

	"pare/core/event"
)

// TestScanLowerLimits: times that are lower limits are marked so in the scan's table, as
// they are in a predicted ledger.
func TestScanLowerLimits(t *testing.T) {
	s := &event.Scan{HW: "card", HWKind: "gpu", Levels: []float64{0.5}, Dense: event.ScanCost{StepUS: 9, InferUS: 0.5, AtLeast: true}}
	s.Rows = []event.ScanRow{{Name: "fc1", Cells: []event.ScanCell{{Level: 0.5, Gone: 0.5, Cost: event.ScanCost{StepUS: 4, InferUS: 0.25, AtLeast: true}}}}}
	for _, want := range []string{"≥0.009", "≥0.0005", "≥0.004", "≥0.00025"} {
		if !strings.Contains(ScanTable(s), want) {
			t.Errorf("no %s in\n%s", want, ScanTable(s))
		}
	}
	s.Dense.AtLeast, s.Rows[0].Cells[0].Cost.AtLeast = false, false
	if strings.Contains(ScanTable(s), "≥") {
		t.Errorf("a limit in\n%s", ScanTable(s))
	}
}
