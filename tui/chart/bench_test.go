package chart

import (
	"testing"

	"pare/tui/theme"
)

// BenchmarkTwoCharts draws the two linked charts of the sparsify screen, 52×11
// each with 2000 points; a frame of the workbench may cost 200 µs per chart.
func BenchmarkTwoCharts(b *testing.B) {
	th := theme.New(theme.Dark, true, false)
	c := Chart{
		Theme: th, Lines: []Line{{Ghost, 0.887, "baseline 0.887"}, {Floor, 0.877, "floor 0.877"}},
		Series:  []Series{{Name: "accuracy", Token: theme.Accuracy, Points: rise(2000, 1, 0.8, 0.884, 0.01)}},
		Options: Options{EMA: 0.6, Cursor: ptr(1500)},
	}
	e := Chart{
		Theme: th, Lines: []Line{{Ghost, 4.9, "dense 4.9"}},
		Series:  []Series{{Name: "J per epoch", Token: theme.Energy, Points: rise(2000, 1, 4.9, 1.8, 0.1)}},
		Options: Options{Zero: true, Cursor: ptr(1500)},
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Render(52, 11)
		_ = e.Render(52, 11)
	}
}
