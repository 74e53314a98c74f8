// Package work is the workbench: one screen for the five stages of a run, with
// the keyboard. It owns what is shown and which key does what; everything it
// shows is a fold over the session's events, and everything it changes it asks
// of the run through the session's commands. Leaving it never stops a run.
//
// # Shape
//
// A desk is the workbench without a terminal: Render gives the screen as text,
// press takes a key by name, handle takes the answer of a piece of work. What
// takes time (reading the log, sending a command, predicting a ledger) is an
// effect, a function that runs elsewhere and returns a message. Only app.go, remote.go and
// keys.go know Bubble Tea: they turn terminal messages into these calls and
// effects into commands. So nearly all tests need no terminal.
//
// Panes are functions of the desk that return exactly w×h cells; arrange says
// which pane stands where and is a pure function of the size. One table in
// table.go drives dispatch, the footer and the help.
//
// A run that has ended, or that somebody else drives, is spoken of so: ended.go. What
// stands over the panes has a file each: layer.go (layers over the steps, and one in
// detail), wrong.go (samples of the test set), lesson.go, tour.go (pare demo --tour).
//
// # Cost
//
// The screen samples the log twice a second (pare attach --hz: up to ten times), less often
// where that is dear beside the run, and draws only when something it shows has changed:
// charts twice a second, and on the terminal only lines that differ (frames.go). So it costs
// the run less than a hundredth of its CPU time.
//
// It may import core and its parts, sessions, hwprofiles, tui/chart, tui/theme and
// tui/plain; nothing but tui/cli and tui/serve imports it.
package work
