package work

import (
	"slices"

	"pare/core/event"
	"pare/tui/chart"
)

// where is a set of the situations in which a key means something.
type where uint32

const (
	inPick    where = 1 << iota // the picker's lists
	inPath                      // typing a path
	inSetup                     // the set-up form
	inConf                      // the form of the configure stage
	inEdit                      // typing a number into a form
	inRun                       // the stages
	inHelp                      // the list of keys
	inStop                      // asked how to stop
	inTarget                    // typing a target
	inRoll                      // choosing a checkpoint
	inHW                        // choosing the hardware
	inReplay                    // the stages, replayed
	inShelf                     // all sessions
	inCompare                   // sessions side by side
	inDelete                    // asked whether to delete
	inPoint                     // choosing a checkpoint to branch from
	inFilter                    // typing what sessions must hold
	inChange                    // typing changes of a recipe
	inTeach                     // the stage in plain words
	inPalette                   // typing the words of a command
	inLayer                     // a layer in detail
	inWrong                     // what is wrong in the test set
	inTour                      // a stop of the tour

	inForm  = inSetup | inConf
	inStage = inRun | inConf
	inLook  = inRun | inReplay
	inShown = inStage | inReplay
	inLists = inPick | inForm | inRoll | inHelp
	inPages = inPick | inSetup | inShelf | inCompare
	inText  = inPath | inEdit | inTarget | inHW | inFilter | inChange | inPalette
)

// section is a part of the list of keys.
type section struct {
	w    where
	name string
}

var whereNames = []section{
	{inRun, "while a run is shown"},
	{inReplay, "while a run is replayed"},
	{inConf, "in the configure form"},
	{inHW, "in the list of hardware"},
	{inRoll, "in the list of checkpoints"},
	{inTeach, "in the explanation"},
	{inLayer, "in the layers"},
	{inWrong, "in what is wrong"},
	{inTour, "at a stop of the tour"},
	{inShelf, "in the list of sessions"},
	{inPoint, "in the list of checkpoints to branch from"},
	{inCompare, "in a comparison"},
	{inPick, "in the picker"},
	{inSetup, "in the set-up"},
}

// binding is a key with what it does. The table of bindings drives dispatch,
// the footer and the help: what stands in none of them does not exist.
type binding struct {
	keys []string // names as in keyName
	show string   // as the footer writes it; "" stays out of the footer
	in   where
	// text says what it does, now.
	text func(*desk) string
	// can says why it cannot be done now, "" if it can.
	can func(*desk) string
	do  func(*desk) []effect
	// rank orders the footer, lowest first; keys that do not fit are left out
	// from the highest. Negative stays to the last.
	rank int
	help string // the line of the help; text when empty
}

func words(s string) func(*desk) string { return func(*desk) string { return s } }

func always(*desk) string { return "" }

// plainly wraps what needs no effect.
func plainly(f func(*desk)) func(*desk) []effect {
	return func(d *desk) []effect { f(d); return nil }
}

var table []binding

func init() { // the help, opened by the table, shows the table
	table = []binding{
		// The run.
		{[]string{"enter"}, "enter", inRun, enterText, (*desk).canEnter, (*desk).enter, 1, "go on to the next stage"},
		{[]string{"space"}, "space", inRun, pauseText, (*desk).canPause, (*desk).pause, 2, "pause, go on"},
		{[]string{"R"}, "R", inRun, words("resume"), (*desk).canResume, (*desk).resume, 1, "start a run again whose process is gone"},
		{[]string{"a"}, "a", inRun, words("ask to drive"), (*desk).canAsk, (*desk).askSeat, 1, "ask the screen that drives for its seat"},
		{[]string{"A"}, "A", inStage, words("hand over"), (*desk).canAnswer, func(d *desk) []effect { return d.answerSeat(true) }, 1, "give the seat to the screen that asks; this one watches"},
		{[]string{"K"}, "K", inStage, words("keep the seat"), (*desk).canAnswer, func(d *desk) []effect { return d.answerSeat(false) }, 1, "keep the seat; who asks is told"},
		{[]string{"E"}, "E", inRun, words("edit the recipe"), (*desk).canEdit, (*desk).editRecipe, 1, "change the recipe of a run that failed for it, and start anew"},
		{[]string{"r"}, "r", inRun, words("roll back"), (*desk).canRoll, plainly((*desk).openRoll), 6, "go back to a checkpoint"},
		{[]string{"b"}, "b", inRun, words("branch"), (*desk).canBranchHere, (*desk).branchHere, 13, "a new session from a checkpoint of this run"},
		{[]string{"e"}, "e", inRun, words("target"), (*desk).canTarget, plainly((*desk).openTarget), 3, "change the target share of zeros"},
		{[]string{"x"}, "x", inRun, words("stop"), (*desk).canStop, plainly((*desk).openStop), 5, "stop the run, asked again by letter"},

		// Forms.
		{[]string{"enter"}, "enter", inSetup, words("start"), always, (*desk).create, 1, "start the run"},
		{[]string{"enter"}, "enter", inConf, confText, (*desk).canConf, (*desk).sendConf, 1, "settle the recipe and sparsify"},
		{[]string{"up", "k"}, "", inForm, words("field before"), always, plainly(func(d *desk) { d.form().move(-1) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inForm, words("field"), always, plainly(func(d *desk) { d.form().move(1) }), 2, "another field"},
		{[]string{"left", "h"}, "", inForm, words("less, the one before"), always, func(d *desk) []effect { return d.change(-1) }, 0, ""},
		{[]string{"right", "l"}, "← →", inForm, words("change"), always, func(d *desk) []effect { return d.change(1) }, 3, "change the field"},
		{[]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "e"}, "0-9", inSetup, words("type"), (*desk).canType, nil, 4, "type a number into the field"},
		{[]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "."}, "0-9", inConf, words("type"), (*desk).canType, nil, 5, "type a number into the field"},
		{[]string{"/"}, "/", inConf, words("list"), (*desk).canHW, (*desk).openHW, 2, "all hardware, with what the recipe gains there"},
		{[]string{"s"}, "s", inConf, words("scan"), (*desk).canScan, (*desk).scanWith, 3, "measure what each layer can do without"},
		{[]string{"p"}, "p", inConf, presetName, always, (*desk).nextPreset, 4, "begin from a purpose: fit my edge board, cut the training bill, teach me"},
		{[]string{"esc"}, "esc", inConf, words("cancel the scan"), (*desk).canCancelScan, (*desk).cancelScan, 1, "end the scan; what it has measured is kept"},
		{[]string{"tab"}, "tab", inConf, words("panes"), (*desk).canTab, plainly(func(d *desk) { d.look.tab++ }), 2, "other panes, where not all fit"},
		{[]string{"esc"}, "esc", inSetup, words("back"), always, (*desk).leaveSetup, 6, "back to the picker"},

		// The picker.
		{[]string{"enter", "right", "l"}, "enter", inPick, pickText, (*desk).canPick, (*desk).choose, 1, "choose"},
		{[]string{"up", "k"}, "", inPick, words("up"), always, plainly(func(d *desk) { d.pick.move(-1) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inPick, words("select"), always, plainly(func(d *desk) { d.pick.move(1) }), 5, "another line"},
		{[]string{"tab"}, "tab", inPick, tabText, always, plainly(func(d *desk) { d.nextList(1) }), 2, "another list"},
		{[]string{"shift+tab"}, "", inPick, words("list before"), always, plainly(func(d *desk) { d.nextList(-1) }), 0, ""},
		{[]string{"/"}, "/", inPick, pathText, (*desk).canPath, (*desk).openPath, 3, "type the path of a model or of data"},
		{[]string{"esc", "left", "h"}, "esc", inPick, words("back"), (*desk).canBack, plainly(func(d *desk) { d.pick.back() }), 4, "back to the models"},

		// All sessions.
		{[]string{"S"}, "S", inShown | inPick, words("sessions"), (*desk).canSessions, (*desk).openShelf, 14, "all sessions: compare, branch, replay, export, delete"},
		{[]string{"enter"}, "enter", inShelf, openText, (*desk).canWhole, (*desk).openChosen, 1, "open the session; one that runs is attached"},
		{[]string{"space"}, "space", inShelf, words("mark"), (*desk).canShelf, plainly(func(d *desk) { d.shelf.mark() }), 2, "mark it, or take the mark off"},
		{[]string{"c"}, "c", inShelf, words("compare"), (*desk).canCompare, (*desk).openCompare, 3, "compare the marked ones: ledgers, recipes, curves"},
		{[]string{"b"}, "b", inShelf, words("branch"), unless((*desk).canWhole), (*desk).openBranch, 4, "a new session from a checkpoint of this one"},
		{[]string{"p"}, "p", inShelf, words("replay"), (*desk).canWhole, (*desk).replayChosen, 5, "see the session again from its record"},
		{[]string{"e"}, "e", inShelf, words("export"), (*desk).canWhole, (*desk).exportMarked, 7, "write CSV, JSON, text charts and the report here"},
		{[]string{"o"}, "o", inShelf, words("overlay"), (*desk).canOverlay, (*desk).overlay, 8, "draw its curves behind those of the run that is open"},
		{[]string{"x"}, "x", inShelf, words("delete"), unless((*desk).canShelf), plainly(func(d *desk) { d.over = overDelete }), 9, "delete, asked again by letter"},
		{[]string{"/"}, "/", inShelf, words("filter"), always, plainly(func(d *desk) { d.over, d.input = overFilter, input{text: d.shelf.filter} }), 6, "show only sessions that hold all words typed"},
		{[]string{"up", "k"}, "", inShelf, words("up"), always, plainly(func(d *desk) { d.shelf.move(-1) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inShelf, words("select"), (*desk).canShelf, plainly(func(d *desk) { d.shelf.move(1) }), 10, "another session"},
		{[]string{"pgup"}, "", inShelf, words("page up"), always, plainly(func(d *desk) { d.shelf.move(-10) }), 0, ""},
		{[]string{"pgdown"}, "", inShelf, words("page down"), always, plainly(func(d *desk) { d.shelf.move(10) }), 0, ""},
		{[]string{"esc"}, "esc", inShelf, words("back"), always, plainly((*desk).leaveShelf), 11, "back to where you came from"},
		{[]string{"d"}, "d", inDelete, words("delete for good"), always, (*desk).deleteMarked, 1, "delete for good"},
		{[]string{"c", "esc"}, "c", inDelete, words("cancel"), always, plainly((*desk).closeOver), 2, "keep it"},
		{[]string{"enter"}, "enter", inPoint, words("branch from here"), always, plainly((*desk).takePoint), 1, "branch from this checkpoint"},
		{[]string{"up", "k"}, "", inPoint, words("newer"), always, plainly(func(d *desk) { d.movePoint(-1) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inPoint, words("select"), always, plainly(func(d *desk) { d.movePoint(1) }), 2, "another checkpoint"},
		{[]string{"esc"}, "esc", inPoint, words("cancel"), always, plainly((*desk).closeOver), 3, "back to the sessions"},

		// Sessions side by side.
		{[]string{"left"}, "", inCompare, words("cursor left"), always, plainly(func(d *desk) { d.moveCompared(-1) }), 0, ""},
		{[]string{"right"}, "← →", inCompare, words("cursor"), always, plainly(func(d *desk) { d.moveCompared(1) }), 2, "move the cursor of both charts"},
		{[]string{"+"}, "+ −", inCompare, words("zoom"), always, plainly(func(d *desk) { d.zoomCompared(0.5) }), 3, "zoom in and out, about the cursor"},
		{[]string{"-"}, "", inCompare, words("zoom out"), always, plainly(func(d *desk) { d.zoomCompared(2) }), 0, ""},
		{[]string{"0"}, "", inCompare, words("all"), always, plainly(func(d *desk) { d.compareStage(d.compare.stage) }), 0, "show everything again"},
		{[]string{"1"}, "1 3", inCompare, words("stage"), always, plainly(func(d *desk) { d.compareStage(event.Baseline) }), 4, "curves of baseline, of sparsify"},
		{[]string{"3"}, "", inCompare, words("sparsify"), always, plainly(func(d *desk) { d.compareStage(event.Sparsify) }), 0, ""},
		{[]string{"s"}, "s", inCompare, words("smooth"), always, plainly(func(d *desk) { d.compare.look.smooth() }), 6, "smooth the curves: off, 0.6, 0.9"},
		{[]string{"l"}, "l", inCompare, words("log"), always, plainly(func(d *desk) { d.compare.look.log = !d.compare.look.log }), 7, "logarithmic axis"},
		{[]string{"tab"}, "tab", inCompare, words("panes"), (*desk).canTab, plainly(func(d *desk) { d.compare.look.tab++ }), 1, "other panes, where not all fit"},
		{[]string{"up", "k"}, "", inCompare, words("up"), always, plainly(func(d *desk) { d.compare.look.layer = max(d.compare.look.layer-1, 0) }), 0, ""},
		{[]string{"down", "j"}, "", inCompare, words("down"), always, plainly(func(d *desk) { d.compare.look.layer = min(d.compare.look.layer+1, 99) }), 0, "scroll the ledgers"},
		{[]string{"esc", "c"}, "esc", inCompare, words("back"), always, (*desk).openShelf, 5, "back to the sessions"},

		// What is typed.
		{[]string{"enter"}, "enter", inText, words("take"), always, (*desk).take, 1, "take what was typed"},
		{[]string{"esc"}, "esc", inText, words("cancel"), always, plainly((*desk).closeOver), 2, "forget what was typed"},
		{[]string{"tab"}, "tab", inPath, words("complete"), (*desk).canComplete, (*desk).completePath, 3, "complete the path as far as it is clear"},
		{[]string{"down", "tab"}, "↑ ↓", inEdit, words("take, another field"), always, func(d *desk) []effect { return d.takeAndMove(1) }, 3, "take it and go to another field"},
		{[]string{"up", "shift+tab"}, "", inEdit, words("take, field before"), always, func(d *desk) []effect { return d.takeAndMove(-1) }, 0, ""},
		{[]string{"up", "shift+tab"}, "", inHW, words("up"), always, plainly(func(d *desk) { d.moveHW(-1) }), 0, ""},
		{[]string{"down", "tab"}, "↑ ↓", inHW, words("select"), always, plainly(func(d *desk) { d.moveHW(1) }), 3, "another line; typing finds by name"},
		{[]string{"pgup"}, "", inHW, words("page up"), always, plainly(func(d *desk) { d.moveHW(-10) }), 0, ""},
		{[]string{"pgdown"}, "", inHW, words("page down"), always, plainly(func(d *desk) { d.moveHW(10) }), 0, ""},
		{[]string{"backspace", "ctrl+h"}, "", inText, words("delete"), always, func(d *desk) []effect { d.backspace(); return d.lookPath() }, 0, ""},
		{[]string{"ctrl+u"}, "", inText, words("delete all"), always, func(d *desk) []effect { d.input.text = ""; return d.lookPath() }, 0, ""},

		// How to stop.
		{[]string{"d"}, "d", inStop, words("detach, the run goes on"), always, plainly((*desk).leave), 1, "leave; the run goes on"},
		{[]string{"s"}, "s", inStop, words("stop at a checkpoint"), always, (*desk).stop, 2, "stop; it can be resumed"},
		{[]string{"n"}, "n", inStop, words("next stage"), (*desk).canEnd, (*desk).end, 3, "take what is trained so far and go on with the next stage"},
		{[]string{"c", "esc"}, "c", inStop, words("cancel"), always, plainly((*desk).closeOver), 4, "go on as before"},

		// Checkpoints.
		{[]string{"enter"}, "enter", inRoll, words("roll back"), always, (*desk).rollBack, 1, "roll back"},
		{[]string{"up", "k"}, "", inRoll, words("newer"), always, plainly(func(d *desk) { d.moveRoll(-1) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inRoll, words("select"), always, plainly(func(d *desk) { d.moveRoll(1) }), 2, "another checkpoint"},
		{[]string{"b"}, "b", inRoll, words("branch instead"), (*desk).canBranchHere, (*desk).branchMarked, 4, "a new session from this checkpoint; this run stays as it is"},
		{[]string{"esc", "r"}, "esc", inRoll, words("cancel"), always, plainly((*desk).closeOver), 3, "back to the charts"},

		// A replay.
		{[]string{"space"}, "space", inReplay, holdText, (*desk).canHold, plainly((*desk).holdReplay), 1, "pause the replay, go on"},
		{[]string{"+"}, "+ −", inReplay, words("speed"), always, plainly(func(d *desk) { d.pace(2) }), 2, "faster, slower"},
		{[]string{"-"}, "", inReplay, words("slower"), always, plainly(func(d *desk) { d.pace(0.5) }), 0, ""},
		{[]string{"1", "2", "3", "4", "5"}, "1-5", inReplay, words("go to stage"), always, nil, 3, "go to where a stage begins"},
		{[]string{"["}, "", inReplay, words("stage before"), always, plainly(func(d *desk) { d.seek(d.stage() - 1) }), 0, ""},
		{[]string{"]"}, "", inReplay, words("next stage"), always, plainly(func(d *desk) { d.seek(d.stage() + 1) }), 0, "the stage before, the next"},
		{[]string{"z"}, "z Z", inReplay, words("zoom"), (*desk).canCurve, plainly(func(d *desk) { d.zoom(0.5) }), 8, "zoom in and out, about the cursor"},
		{[]string{"Z"}, "", inReplay, words("zoom out"), (*desk).canCurve, plainly(func(d *desk) { d.zoom(2) }), 0, ""},

		// What is looked at.
		{[]string{"left"}, "", inLook, words("cursor left"), (*desk).canCursor, plainly(func(d *desk) { d.moveCursor(-1) }), 0, ""},
		{[]string{"right"}, "← →", inLook, words("cursor"), (*desk).canCursor, plainly(func(d *desk) { d.moveCursor(1) }), 7, "move the cursor of both charts"},
		{[]string{"esc"}, "esc", inLook, escText, (*desk).canEsc, (*desk).esc, 7, "put the cursor away; else back to the list of sessions"},
		{[]string{"+"}, "+ −", inRun, words("zoom"), (*desk).canCurve, plainly(func(d *desk) { d.zoom(0.5) }), 8, "zoom in and out, about the cursor"},
		{[]string{"-"}, "", inRun, words("zoom out"), (*desk).canCurve, plainly(func(d *desk) { d.zoom(2) }), 0, ""},
		{[]string{"0"}, "0", inLook, words("all"), (*desk).canReset, plainly(func(d *desk) { d.look.win, d.look.cursor = chart.Window{}, nil }), 10, "show everything again"},
		{[]string{"<", "shift+left"}, "", inLook, words("earlier"), (*desk).canPan, plainly(func(d *desk) { d.pan(-0.5) }), 0, ""},
		{[]string{">", "shift+right"}, "< >", inLook, words("pan"), (*desk).canPan, plainly(func(d *desk) { d.pan(0.5) }), 9, "earlier and later, where the charts are zoomed"},
		{[]string{"f"}, "f", inLook, words("follow"), (*desk).canFollow, plainly((*desk).followOn), 9, "follow the newest point again"},
		{[]string{"v"}, "v", inLook, viewText, (*desk).canView, plainly(func(d *desk) { d.look.view = (d.look.view + 1) % viewCount }), 13, "other charts: loss and power, checkpoints by cost"},
		{[]string{"s"}, "s", inLook, words("smooth"), (*desk).canCurve, plainly(func(d *desk) { d.look.smooth() }), 11, "smooth the curves: off, 0.6, 0.9"},
		{[]string{"l"}, "l", inLook, words("log"), (*desk).canCurve, plainly(func(d *desk) { d.look.log = !d.look.log }), 12, "logarithmic axis"},
		{[]string{"p"}, "p", inLook, words("perplexity"), (*desk).canPerplexity, plainly(func(d *desk) { d.look.perplexity = !d.look.perplexity }), 12, "of a language model: accuracy or perplexity"},
		{[]string{"O"}, "", inLook, words("overlay off"), (*desk).canClear, plainly(func(d *desk) { d.compare.over = nil }), 0, "take other sessions' curves off the charts"},
		{[]string{"1", "2", "3", "4", "5"}, "1-5", inStage, words("stages"), always, nil, 9, "look at a stage; that of the run follows it"},
		{[]string{"["}, "", inStage, words("stage before"), always, plainly(func(d *desk) { d.lookAt(d.stage() - 1) }), 0, ""},
		{[]string{"]"}, "", inStage, words("next stage"), always, plainly(func(d *desk) { d.lookAt(d.stage() + 1) }), 0, "the stage before, the next"},
		{[]string{"tab"}, "tab", inLook, words("panes"), (*desk).canTab, plainly(func(d *desk) { d.look.tab++ }), 4, "other panes, where not all fit"},

		{[]string{"up", "k"}, "", inLook, words("layers up"), (*desk).canScroll, plainly(func(d *desk) { d.look.layer = max(d.look.layer-1, 0) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inLook, words("layers"), (*desk).canScroll, plainly(func(d *desk) { d.look.layer++ }), 13, "other layers, where not all fit"},

		{[]string{"/"}, "/", inLook, words("filter"), (*desk).canSift, plainly((*desk).openSift), 20, "show only layers and metrics that hold all words typed; esc shows all"},
		{[]string{"i"}, "i", inLook, words("a layer"), (*desk).canLayer, (*desk).openLayer, 12, "zeros of all layers over the steps, and one layer: weights, mask, kernel, ms, J"},
		{[]string{"up", "k", "left"}, "", inLayer, words("layer before"), always, func(d *desk) []effect { return d.moveLayer(-1) }, 0, ""},
		{[]string{"down", "j", "right"}, "↑ ↓", inLayer, words("layer"), always, func(d *desk) []effect { return d.moveLayer(1) }, 2, "another layer"},
		{[]string{"home", "g"}, "", inLayer, words("first layer"), always, func(d *desk) []effect { return d.moveLayer(-1 << 20) }, 0, ""},
		{[]string{"end", "G"}, "", inLayer, words("last layer"), always, func(d *desk) []effect { return d.moveLayer(1 << 20) }, 0, ""},
		{[]string{"i", "esc", "enter", "q"}, "i", inLayer, words("back"), always, plainly((*desk).closeOver), 1, "back to the charts"},

		{[]string{"w"}, "w", inLook, wrongText, (*desk).canWrong, plainly((*desk).openWrong), 7, "what the pared model gets wrong in the test set, or what it says"},
		{[]string{"up", "k"}, "", inWrong, words("up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-1, 0) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inWrong, words("scroll"), always, plainly(func(d *desk) { d.scroll++ }), 2, "scroll"},
		{[]string{"pgup"}, "", inWrong, words("page up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-10, 0) }), 0, ""},
		{[]string{"pgdown", "space"}, "", inWrong, words("page down"), always, plainly(func(d *desk) { d.scroll += 10 }), 0, ""},
		{[]string{"home", "g"}, "", inWrong, words("first"), always, plainly(func(d *desk) { d.scroll = 0 }), 0, ""},
		{[]string{"end", "G"}, "", inWrong, words("last"), always, plainly(func(d *desk) { d.scroll = 1 << 20 }), 0, ""},
		{[]string{"w", "esc", "enter", "q"}, "w", inWrong, words("back"), always, plainly((*desk).closeOver), 1, "back"},

		// The tour.
		{[]string{"enter", "space"}, "enter", inTour, words("go on"), always, (*desk).tourOn, 1, "close the stop; the run goes on"},
		{[]string{"up", "k"}, "", inTour, words("up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-1, 0) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inTour, words("scroll"), always, plainly(func(d *desk) { d.scroll++ }), 2, "scroll"},
		{[]string{"esc"}, "esc", inTour, words("end the tour"), always, (*desk).tourEnd, 3, "end the tour; the run goes on"},

		// In plain words.
		{[]string{"t"}, "t", inShown, words("explain"), always, plainly((*desk).openLesson), 8, "this stage and the number under the cursor in plain words"},
		{[]string{"up", "k"}, "", inTeach, words("up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-1, 0) }), 0, ""},
		{[]string{"down", "j"}, "↑ ↓", inTeach, words("scroll"), always, plainly(func(d *desk) { d.scroll++ }), 3, "scroll"},
		{[]string{"pgup"}, "", inTeach, words("page up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-10, 0) }), 0, ""},
		{[]string{"pgdown", "space"}, "", inTeach, words("page down"), always, plainly(func(d *desk) { d.scroll += 10 }), 0, ""},
		{[]string{"left"}, "", inTeach, words("cursor left"), (*desk).canLessonCursor, plainly(func(d *desk) { d.moveCursor(-1) }), 0, ""},
		{[]string{"right"}, "← →", inTeach, words("cursor"), (*desk).canLessonCursor, plainly(func(d *desk) { d.moveCursor(1) }), 4, "another point of the curves"},
		{[]string{"g"}, "g", inTeach, wordsText, always, plainly(func(d *desk) { d.words, d.scroll = !d.words, 0 }), 2, "the words of the screen and what they mean"},
		{[]string{"t", "esc", "enter", "q"}, "t", inTeach, words("back"), always, plainly((*desk).closeOver), 1, "back"},

		// Commands by their words.
		{[]string{":"}, ":", inShown | inPages, words("command"), always, plainly((*desk).openPalette), 16, "find what can be done by its words"},
		{[]string{"up", "shift+tab"}, "", inPalette, words("up"), always, plainly(func(d *desk) { d.moveCommand(-1) }), 0, ""},
		{[]string{"down", "tab"}, "↑ ↓", inPalette, words("select"), always, plainly(func(d *desk) { d.moveCommand(1) }), 3, "another command"},
		{[]string{"m"}, "", inShown | inShelf | inCompare | inRoll, mouseText, always, plainly((*desk).toggleMouse), 0, "mouse on or off: click puts the cursor, the wheel zooms and scrolls"},
		{[]string{"y"}, "y", inShown, words("copy"), always, (*desk).copyOut, 15, "copy what is read under the cursor (OSC 52), and into a file"},

		// The ends of lists.
		{[]string{"home", "g"}, "", inPick | inShelf | inForm | inPoint | inRoll | inHelp | inLook, words("first"), (*desk).canEnds, plainly(func(d *desk) { d.toEnd(-1) }), 0, "to the first line, to the last; also home and end"},
		{[]string{"end", "G"}, "", inPick | inShelf | inForm | inPoint | inRoll | inHelp | inLook, words("last"), (*desk).canEnds, plainly(func(d *desk) { d.toEnd(1) }), 0, ""},
		{[]string{"home"}, "", inHW | inPalette | inTeach, words("first"), always, plainly(func(d *desk) { d.toEnd(-1) }), 0, ""},
		{[]string{"end"}, "", inHW | inPalette | inTeach, words("last"), always, plainly(func(d *desk) { d.toEnd(1) }), 0, ""},

		// Everywhere.
		{[]string{"up", "k", "pgup"}, "", inHelp, words("up"), always, plainly(func(d *desk) { d.scroll = max(d.scroll-1, 0) }), 0, ""},
		{[]string{"down", "j", "pgdown"}, "↑ ↓", inHelp, words("scroll"), always, plainly(func(d *desk) { d.scroll++ }), 2, ""},
		{[]string{"?", "esc", "enter", "q"}, "?", inHelp, words("back"), always, plainly((*desk).closeOver), 1, ""},
		{[]string{"?"}, "?", inShown | inPages | inRoll | inPoint, words("keys"), always, plainly(func(d *desk) { d.over, d.scroll = overHelp, 0 }), -1, "this list"},
		{[]string{"q", "ctrl+c"}, "q", inShown | inPages | inRoll | inPoint, words("leave"), always, plainly((*desk).leave), -2, "leave the screen; the run goes on"},
		{[]string{"ctrl+l"}, "", inShown | inPages, words("draw anew"), always, (*desk).wipe, 0, "draw the screen anew, where something else has written on it"},
		{[]string{"ctrl+l"}, "", ^(inShown | inPages), words("draw anew"), always, (*desk).wipe, 0, ""},
		{[]string{"ctrl+z"}, "", inShown | inPages, words("to the shell"), (*desk).canSuspend, (*desk).suspend, 0, "to the shell, where fg comes back; the run goes on"},
		{[]string{"ctrl+z"}, "", ^(inShown | inPages), words("to the shell"), (*desk).canSuspend, (*desk).suspend, 0, ""},
		{[]string{"ctrl+c"}, "", inText | inStop | inHelp | inDelete | inTeach | inLayer | inWrong | inTour, words("leave"), always, plainly((*desk).leave), 0, ""},
	}
}

// place is the situation the keys are in.
func (d *desk) place() where {
	switch d.over {
	case overHelp:
		return inHelp
	case overStop:
		return inStop
	case overTarget:
		return inTarget
	case overRoll:
		return inRoll
	case overPath:
		return inPath
	case overEdit:
		return inEdit
	case overHW:
		return inHW
	case overFilter:
		return inFilter
	case overDelete:
		return inDelete
	case overPoint:
		return inPoint
	case overChange:
		return inChange
	case overTeach:
		return inTeach
	case overPalette:
		return inPalette
	case overLayer:
		return inLayer
	case overWrong:
		return inWrong
	case overTour:
		return inTour
	}
	switch d.page {
	case pagePick:
		return inPick
	case pageSetup:
		return inSetup
	case pageShelf:
		return inShelf
	case pageCompare:
		return inCompare
	}
	switch {
	case d.replaying():
		return inReplay
	case d.formOpen():
		return inConf
	}
	return inRun
}

// press takes a key: its name, and the text it types.
func (d *desk) press(name, text string) []effect {
	d.touch()
	d.frugal.wake()
	at := d.place()
	if at&inText != 0 && text != "" {
		d.typed(text)
		return d.lookPath()
	}
	d.toast = toast{} // it has been read
	why := ""
	for i := range table {
		b := &table[i]
		if b.in&at == 0 || !slices.Contains(b.keys, name) {
			continue
		}
		w := b.can(d)
		if d.hold && at&inShown != 0 && b.rank > 0 {
			w = stillRead
		}
		if w != "" {
			if why == "" && !(b.do == nil && at&inForm != 0) { // a digit has another meaning too
				why = w
			}
			continue
		}
		if b.do == nil {
			return d.digit(name, at)
		}
		return b.do(d)
	}
	if why != "" {
		d.say(0, why)
	}
	return nil
}

// digit is the keys that stand for what is written on them.
func (d *desk) digit(name string, at where) []effect {
	if at&inForm != 0 && d.canType() == "" {
		d.over, d.input = overEdit, input{text: name}
		return nil
	}
	if n := event.Stage(name[0] - '0'); n >= event.Baseline && n <= event.Deploy && at&inShown != 0 {
		if at == inReplay {
			d.seek(n)
			return nil
		}
		d.lookAt(n)
	}
	return nil
}

// leave ends the screen. The run goes on.
func (d *desk) leave() { d.quit = true }

func (d *desk) closeOver() {
	switch {
	case d.over == overFilter && d.page == pageRun:
		d.look.sift = ""
	case d.over == overFilter:
		d.shelf.filter = ""
	}
	d.over, d.input, d.scroll = overNone, input{}, 0
}

func (d *desk) canEnds() string {
	if d.place()&inLook != 0 {
		return d.canScroll()
	}
	return ""
}

// toEnd goes to the first line of the list that has the keys (dir < 0) or to the last.
func (d *desk) toEnd(dir int) {
	const far = 1 << 20
	by := dir * far
	switch at := d.place(); {
	case at&(inHelp|inTeach) != 0:
		d.scroll = max(by, 0)
	case at == inPick:
		d.pick.move(by)
	case at == inShelf:
		d.shelf.move(by)
	case at&inForm != 0:
		d.form().move(by)
	case at == inPoint:
		d.movePoint(by)
	case at == inRoll:
		d.moveRoll(by)
	case at == inHW:
		d.moveHW(by)
	case at == inPalette:
		d.moveCommand(by)
	case at&inLook != 0:
		d.look.layer = max(by, 0)
	}
}
