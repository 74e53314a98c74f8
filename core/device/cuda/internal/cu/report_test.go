package cu

import (
	"testing"
)

func TestReport(t *testing.T) {
	list := Report()
	if len(list) != 4 || list[0].Name != "cuda" {
		t.Fatalf("%+v", list)
	}
	for _, f := range list {
		t.Logf("%+v", f)
		if f.OK == (f.Error != "") || (f.Error != "") != (f.Costs != "") {
			t.Errorf("%s is neither found nor missing: %+v", f.Name, f)
		}
		if f.OK && (f.Path == "" || f.Version == "") {
			t.Errorf("%s lies nowhere or is of no version: %+v", f.Name, f)
		}
	}
}
