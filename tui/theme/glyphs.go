package theme

// LineSet is what one curve is drawn with. The fields are named as in
// asciigraph's CharSet; every one is a single cell.
type LineSet struct {
	H, V                   string // along, upright
	DownRight, DownLeft    string // corners ╭ ╮
	UpRight, UpLeft        string // corners ╰ ╯
	StartCap, EndCap, Spot string // half lines at a gap; a point that stands alone
}

// Glyphs are the characters that are not text. Every one is one cell wide
// except Ellipsis and Arrow in ASCII.
type Glyphs struct {
	// Boxes.
	H, V, TL, TR, BL, BR string
	// Chart: axes, cursor, ghost line, floor line, upright dashes of the
	// range behind a line.
	Axis, Corner, Tick, YTick string
	Cursor, Ghost, Dot, Range string
	// Curves, in the order series get them; Dashed is for ghosts of other runs.
	Lines  [3]LineSet
	Dashed LineSet
	// Bars, eight heights of a sparkline, five shades of a heat strip.
	BarFull, BarEmpty string
	Spark             [8]string
	Shade             [5]string
	// Marks; Short: at its end, short of what was asked for.
	Up, Cross, Check, Running, Pending, Paused, Short, Bullet, None string
	// Arrows and signs.
	Left, Right, UpKey, DownKey, Arrow string
	Ellipsis, Minus, Sep               string
	// Frames of the spinner; --slow shows the first only.
	Spinner []string
}

var unicodeGlyphs = Glyphs{
	H: "─", V: "│", TL: "╭", TR: "╮", BL: "╰", BR: "╯",
	Axis: "─", Corner: "└", Tick: "┬", YTick: "┤",
	Cursor: "│", Ghost: "╌", Dot: "·", Range: "╎",
	Lines: [3]LineSet{
		{"─", "│", "╭", "╮", "╰", "╯", "╶", "╴", "●"},
		{"━", "┃", "┏", "┓", "┗", "┛", "╺", "╸", "◆"},
		{"═", "║", "╔", "╗", "╚", "╝", "═", "═", "■"},
	},
	Dashed:  LineSet{"╌", "╎", "╭", "╮", "╰", "╯", "╌", "╌", "○"},
	BarFull: "█", BarEmpty: "░",
	Spark: [8]string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	Shade: [5]string{"·", "░", "▒", "▓", "█"},
	Up:    "▲", Cross: "✗", Check: "✓", Running: "●", Pending: "○", Paused: "‖", Short: "■", Bullet: "•", None: "–",
	Left: "←", Right: "→", UpKey: "↑", DownKey: "↓", Arrow: "→",
	Ellipsis: "…", Minus: "−", Sep: "·",
	Spinner: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
}

var asciiGlyphs = Glyphs{
	H: "-", V: "|", TL: "+", TR: "+", BL: "+", BR: "+",
	Axis: "-", Corner: "+", Tick: "+", YTick: "|",
	Cursor: "|", Ghost: "~", Dot: ".", Range: ":",
	Lines: [3]LineSet{
		{"-", "|", ".", ".", "'", "'", "-", "-", "o"},
		{"=", "!", "=", "=", "=", "=", "=", "=", "x"},
		{"*", "*", "*", "*", "*", "*", "*", "*", "*"},
	},
	Dashed:  LineSet{"~", ":", "~", "~", "~", "~", "~", "~", "o"},
	BarFull: "#", BarEmpty: ".",
	Spark: [8]string{"_", ".", ",", "-", "~", "=", "+", "#"},
	Shade: [5]string{".", ":", "-", "+", "#"},
	Up:    "^", Cross: "x", Check: "v", Running: "*", Pending: "o", Paused: "=", Short: "#", Bullet: "*", None: "-",
	Left: "<", Right: ">", UpKey: "^", DownKey: "v", Arrow: "->",
	Ellipsis: "...", Minus: "-", Sep: "|",
	Spinner: []string{"|", "/", "-", "\\"},
}

// asciiText is what Tr writes for characters that pare's own texts use. The
// box, block and line characters are here so that a text holding one still
// keeps its place.
var asciiText = map[rune]string{
	'−': "-", '–': "-", '—': "-", '×': "x", '·': "|", '±': "+-", '≈': "~", '…': "...",
	'→': "->", '←': "<-", '↑': "^", '↓': "v", '↔': "<->", '≥': ">=", '≤': "<=", '≠': "!=",
	'µ': "u", 'μ': "u", '²': "2", '³': "3", '°': " deg", 'σ': "sigma", 'Δ': "d", '½': "1/2",
	'‘': "'", '’': "'", '“': `"`, '”': `"`, '•': "*", '✓': "v", '✗': "x", '●': "*", '○': "o",
	'▲': "^", '▼': "v", '◆': "x", '■': "*", '‖': "=", '\u00a0': " ", '\u202f': " ", '\u2009': " ",
	'─': "-", '│': "|", '╭': "+", '╮': "+", '╰': "+", '╯': "+", '┤': "|", '├': "|", '┬': "+",
	'┴': "+", '┼': "+", '└': "+", '┘': "+", '┌': "+", '┐': "+", '╌': "~", '╎': ":", '━': "=", '┃': "!",
	'█': "#", '▓': "+", '▒': "-", '░': ".",
}
