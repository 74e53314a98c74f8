package work

// pane is a part of the screen.
type pane uint8

const (
	paneHead pane = iota // model, status, progress in figures
	paneRail             // the five stages
	paneA                // top left: accuracy, form, verdict, files
	paneB                // top right: energy, prediction, classes
	paneC                // bottom left: the ledger
	paneD                // bottom right: the layers
	paneBar              // progress, or what was asked or went wrong
	paneFoot             // keys
	paneOver             // an overlay in place of A to D
	paneLine             // the whole run in one line
	paneNone             // blank
)

// cell is a pane with its width, row a line of cells with their height.
type cell struct {
	p pane
	w int
}

type row struct {
	h     int
	cells []cell
}

// Below these the screen shows less at a time.
const (
	wideW, wideH = 100, 26 // four panes
	midW, midH   = 70, 18  // both charts, the ledger or the layers
	tallW, tallH = 36, 15  // a chart over the ledger, or over the layers
	railH        = 8       // the rail
	boxH         = 5       // one pane
)

// views is how many faces the tab key goes through at a size.
func views(w, h int) int {
	switch {
	case w >= wideW && h >= wideH:
		return 1
	case w >= midW && h >= midH, w >= tallW && h >= tallH:
		return 2
	case h >= boxH && w >= 12:
		return 4
	}
	return 1
}

// need is how many lines, borders included, the upper panes must have, the
// lower ones would like to have, and the bar has to say.
type need struct{ top, bottom, bar int }

// arrange says which pane stands where on a screen of w×h cells: the rows are
// h high together, and the cells of each are w wide. tab is the face chosen;
// over asks for one pane in place of the four.
func arrange(w, h int, n need, tab int, over bool) []row {
	if w < 1 || h < 1 {
		return nil
	}
	one := func(h int, p pane) row { return row{h, []cell{{p, w}}} }
	if h < boxH || w < 12 {
		few := [][]pane{{paneLine}, {paneLine, paneFoot}, {paneLine, paneBar, paneFoot}, {paneLine, paneRail, paneBar, paneFoot}}
		var rows []row
		for _, p := range few[min(h, 4)-1] {
			rows = append(rows, one(1, p))
		}
		if h > 4 {
			rows = append(rows, one(h-4, paneNone))
		}
		return rows
	}
	rows := []row{one(1, paneHead)}
	rest := h - 2
	if h >= railH {
		rows = append(rows, one(1, paneRail))
		rest--
	}
	bar := 0
	if h >= railH {
		bar = min(max(n.bar, 1), barRoom(h))
	}
	rest -= bar
	half := w / 2
	tab %= views(w, h)
	low := min(max(n.bottom, 5), max(rest-n.top, 5))
	if n.top == 0 { // charts: most of it
		low = min(max(n.bottom, 5), rest*9/20)
	}
	switch {
	case over:
		rows = append(rows, one(rest, paneOver))
	case w >= wideW && h >= wideH:
		rows = append(rows,
			row{rest - low, []cell{{paneA, half}, {paneB, w - half}}},
			row{low, []cell{{paneC, half}, {paneD, w - half}}})
	case w >= midW && h >= midH:
		rows = append(rows,
			row{rest - low, []cell{{paneA, half}, {paneB, w - half}}},
			one(low, []pane{paneC, paneD}[tab]))
	case w >= tallW && h >= tallH:
		rows = append(rows,
			one(rest-low, []pane{paneA, paneB}[tab]),
			one(low, []pane{paneC, paneD}[tab]))
	default:
		rows = append(rows, one(rest, []pane{paneA, paneB, paneC, paneD}[tab]))
	}
	if bar > 0 {
		rows = append(rows, one(bar, paneBar))
	}
	return append(rows, one(1, paneFoot))
}

// find is the size of a pane on the screen, ok if it is there.
func find(rows []row, p pane) (w, h int, ok bool) {
	for _, r := range rows {
		for _, c := range r.cells {
			if c.p == p {
				return c.w, r.h, true
			}
		}
	}
	return 0, 0, false
}
