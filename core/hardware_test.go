package core

import (
	"strings"
	"testing"

	"pare/core/event"
	"pare/hwprofiles"
)

// TestConfigureChoosesHardware: a recipe sent in stage 2 moves the predictions to
// another machine, for good; what is measured stays this machine's. A profile that
// does not exist is refused.
func TestConfigureChoosesHardware(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	r := small()
	r.Auto = false
	other, none := clone(t, r), clone(t, r)
	other.Hardware.Profile, none.Hardware.Profile = "h100-sxm", "abacus"
	var texts []string
	for _, x := range []*Recipe{none, other} {
		b, err := x.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	var st MemStore
	var predicted []string
	tried := false
	_, err := drive(t, r, &st, func(e event.Event, send func(Command)) {
		switch b := e.Body.(type) {
		case *event.Ledger:
			if b.Predicted {
				predicted = append(predicted, b.Hardware+" "+b.HWKind)
			}
		case *event.StageChange:
			if b.State != "waiting" {
				return
			}
			if b.Stage == event.Configure && !tried {
				tried = true
				send(Command{Cmd: CmdConfigure, Text: texts[0]})
				send(Command{Cmd: CmdConfigure, Text: texts[1]})
			}
			send(Command{Cmd: CmdNext})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	here := hwprofiles.Local()
	if got, want := strings.Join(predicted, ", "), here.Name+" cpu, h100-sxm gpu"; got != want {
		t.Errorf("predicted for %s; want %s", got, want)
	}
	s := st.State
	if s.Started.Hardware != here.Name || s.Ledger == nil || s.Ledger.Hardware != here.Name {
		t.Errorf("started on %s, ledger %+v; want %s", s.Started.Hardware, s.Ledger, here.Name)
	}
	refused := false
	for _, w := range s.Warnings {
		refused = refused || strings.Contains(w.Text, `recipe not taken: hardware profile "abacus" is not known`)
	}
	if !refused {
		t.Errorf("an unknown profile was not refused: %+v", s.Warnings)
	}
	last := ""
	for _, d := range s.Decisions {
		if d.Cmd == CmdConfigure {
			last = d.Text
		}
	}
	if n, err := ParseRecipe([]byte(last)); err != nil || n.Hardware.Profile != "h100-sxm" {
		t.Errorf("the recipe in force: %v, %+v", err, n)
	}
}
