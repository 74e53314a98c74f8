package work

import (
	"fmt"
	"testing"

	"pare/core/event"
)

func TestGoldenLesson(t *testing.T) {
	b := func() *story { return newStory().start("B") }
	for _, c := range []struct {
		name string
		s    *story
		keys []string
	}{
		{"baseline", b().baseline("B"), []string{"t"}},
		{"configure", b().baselineDone("B").wait(event.Configure, "choose"), []string{"down", "t"}},
		{"sparsify", newStory().start("E").baselineDone("E").configured("E").sparsify(9, "E"), []string{"left", "left", "t"}},
		{"validate", b().baselineDone("B").configured("B").sparsified("B").validated("B"), []string{"4", "t"}},
		{"deploy", whole(), []string{"t"}},
		{"words", whole(), []string{"t", "g"}},
	} {
		for _, z := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
			d, _ := watching(t, z[0], z[1], c.s)
			key(d, c.keys...)
			golden(t, fmt.Sprintf("explain-%s-%dx%d", c.name, z[0], z[1]), bare(d.Render()))
		}
	}
}

// TestLessonFollowsTheCursor: another point, other figures.
func TestLessonFollowsTheCursor(t *testing.T) {
	d, _ := watching(t, 120, 40, newStory().start("B").baselineDone("B").configured("B").sparsify(9, "B"))
	key(d, "t")
	sees(t, d, "At step 900, 1,322 of 1,500 validation samples were right: 88.1 %", "−0.3 pt against the dense model's 88.4 %", "which chance alone can do")
	key(d, "left", "left")
	sees(t, d, "At step 800,")
	key(d, "g")
	sees(t, d, "glossary", "!At step 800")
	key(d, "g", "t")
	sees(t, d, "validation accuracy ─", "at step 800")
}
