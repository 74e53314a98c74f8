package work

import (
	"slices"
	"testing"

	"pare/tui/plain"
	"pare/tui/theme"
)

// TestLayerNames: what tells layers apart is what stays of a long name.
func TestLayerNames(t *testing.T) {
	th := theme.New(theme.Mono, true, false)
	for _, c := range []struct {
		name string
		w    int
		want string
	}{
		{"fc1", 6, "fc1   "},
		{"h.0.attn.c_attn", 15, "h.0.attn.c_attn"},
		{"h.0.attn.c_attn", 14, "h.0.a.c_attn  "},
		{"encoder.layer.11.attention.self.query", 16, "e.l.11.a.s.query"},
		{"encoder.layer.11.attention.self.query", 10, "…a.s.query"},
		{"\x1b[31mred", 3, "red"},
		{"x", 0, ""},
		{"", 4, "    "},
	} {
		if got := layerName(th, c.name, c.w); got != c.want {
			t.Errorf("%q in %d cells: %q, want %q", c.name, c.w, got, c.want)
		}
	}
}

// TestShareUnderNothing: a floor may lie under 0; its minus is one.
func TestShareUnderNothing(t *testing.T) {
	if got := percent(-0.586); got != "−58.6 %" {
		t.Error(got)
	}
}

// TestBriefNotes: what is said of joules is said as that, other words as they are.
func TestBriefNotes(t *testing.T) {
	rows, notes := brief([]plain.Row{
		{Name: "J per step", Change: "−50 % (from CPU time)"}, {Name: "J per inference", Change: "−40 % (from CPU time)"},
		{Name: "with adapters", Change: "−60 % (with adapters: ms per step while they train)"},
	})
	if rows[2].Change != "−60 %" || !slices.Equal(notes, []string{"J from CPU time", "with adapters: ms per step while they train"}) {
		t.Errorf("%q of %+v", notes, rows)
	}
}
