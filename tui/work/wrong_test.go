package work

import (
	"fmt"
	"strings"
	"testing"

	"pare/core/event"
	"pare/tui/theme"
)

// wrong adds pictures of what the pared model gets wrong: rings and bars.
func (s *story) wrong() *story {
	e := &event.Samples{Split: "test", Wrong: 580, Lost: 90, Won: 75, Rows: 28, Cols: 28}
	for i := range 6 {
		x := event.Sample{Row: i, Label: classNames[i], Now: classNames[(i+3)%10], Dense: classNames[(i+3*(i%2))%10], Grey: make([]byte, 28*28)}
		for k := range x.Grey {
			y, z := k/28-14, k%28-14
			if r := y*y + z*z; r < (6+i)*(6+i) && r > (3+i)*(2+i) || i%2 == 1 && z == 0 {
				x.Grey[k] = 255
			}
		}
		e.List = append(e.List, x)
	}
	return s.add(e)
}

// says adds what a language model says.
func (s *story) says() *story {
	return s.add(&event.Samples{Split: "test", Said: []event.Said{
		{Row: 0, Given: "In the beginning was the ", Truth: "Word, and the Word was with God", Dense: "word of the LORD, and the", Now: "the the the"},
		{Row: 7, Given: "And he said unto them", Truth: ", Go ye into all the world", Dense: ", What is this", Now: "   "},
	}})
}

// TestWrongOnes: in every size and theme the screen fits, and what is shown says what the
// sample is and what was said.
func TestWrongOnes(t *testing.T) {
	val := func() *story {
		return newStory().start("B").baselineDone("B").configured("B").sparsified("B").validated("B")
	}
	d, _ := watching(t, 120, 40, val().wrong())
	key(d, "w")
	sees(t, d, "580 wrong; of these dense is right on 90", "T-shirt/top, not Dress", "dense is right ✓", "dense too")
	key(d, "w")
	if d.over != overNone {
		t.Error("w does not go back")
	}
	d, _ = watching(t, 80, 24, val().says())
	key(d, "w")
	sees(t, d, "In the beginning was the", "Word, and the Word was with God", "the the the", "(blanks only)")
	d, _ = watching(t, 80, 24, val())
	key(d, "w")
	sees(t, d, "this run kept no samples of its test set")

	bad := &event.Samples{Wrong: -1, Rows: 1000, Cols: 1000, List: []event.Sample{{Label: "\x1b[2J日本", Now: strings.Repeat("x", 10000), Grey: []byte{1}}, {Text: "\x1b]0;x\x07"}}}
	for i, s := range []*story{val().wrong(), val().says(), val().add(bad)} {
		for _, m := range []theme.Mode{theme.Dark, theme.Mono} {
			d, _ := watching(t, 80, 24, s)
			d.th = theme.New(m, true, m == theme.Mono)
			d.ascii = m == theme.Mono
			key(d, "w")
			for w := 1; w < 130; w += 17 {
				for h := 1; h < 45; h += 6 {
					d.resize(w, h)
					fits(t, d, fmt.Sprintf("samples %d in mode %v", i, m))
				}
			}
		}
	}
}
