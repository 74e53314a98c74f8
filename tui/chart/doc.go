// Package chart owns the curves and the small bars of the workbench: two
// linked charts over one step axis, and [Bar], [Strip] and [Progress].
// It knows no run and no event, only points; of pare it may import tui/theme.
//
// # A chart
//
//	c := chart.Chart{
//		Theme:  th,
//		Series: []chart.Series{{Name: "validation accuracy", Token: theme.Accuracy, Points: pts}},
//		Lines: []chart.Line{
//			{Kind: chart.Ghost, Y: 0.887, Label: "baseline 0.887"},
//			{Kind: chart.Floor, Y: 0.877, Label: "floor 0.877"},
//		},
//		Options: chart.Options{Frame: frame, EMA: 0.6, Cursor: &step},
//	}
//	body := c.Render(51, 11) // exactly 11 lines of exactly 51 cells
//	at := c.Readout(step)    // what every series was at that step
//
// Render takes any points: none, one, all alike, not a number, 1e300, out of
// order. It keeps nothing between calls, so a fold that drops points after a
// resume just gives fewer of them.
//
// # What is drawn, and what is promised
//
//   - The line goes through the last value of each column (asciigraph draws it,
//     nothing else); straight between points that are further apart.
//   - The dashed upright ╎ behind it spans least to greatest raw value of the
//     column: no spike is lost, however many points share a column. With EMA the
//     line is the smoothed value and ╎ is what was measured.
//   - A point that is not finite is a gap in the line and a ✗ on the axis, never
//     a silent bridge. On a logarithmic axis values ≤ 0 are gaps too.
//   - The axis never clips: every point in the window lies between the lowest
//     and the highest row, as do the ghost and the floor.
//   - The gutter is as wide at 1e300 as at 0.5, so linked charts stay aligned.
//   - Values beyond ±1e300 are drawn there, and below 1e-99 as 0; Readout gives
//     them as they are.
//
// Below 20 columns or 4 rows a chart is one sparkline.
//
// # Linked charts
//
// One [Window] and one cursor step serve both: w.Frame(extent) turns zoom, pan
// and follow into the [Frame] that both charts get, [Move] takes the cursor to
// the next sample. PlotWidth and Frame.X turn a mouse column into a step.
package chart
