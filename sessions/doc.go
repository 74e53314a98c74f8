// Package sessions owns a run on disk and in its own process: the folder of a
// session, its event log, checkpoints and exports, the lock, the control
// socket, and the body of the process that carries the run.
//
// A session is a folder:
//
//	recipe.toml      what was asked for, as really used
//	events.jsonl     the log, one event a line, append-only, a hash chain
//	events.index     of a long log, so that it opens at once; made anew where it does not fit
//	checkpoints/     NAME.safetensors: weights, masks, optimiser state, graph
//	exports/         files for the user
//	run.json         the process: pid, boot, start, socket
//	run.log          what the process wrote to stderr
//	lock             held while a process runs
//
// Readers need no process: they tail the log. A person's commands go through
// the socket, from one driver at a time; the driver's seat goes to another screen
// only when it is asked for and handed over (see Seat). A stop says in the log where
// it came from. The run is core's; this package is its Store.
//
// sessions imports core, core/energy, core/event, core/graph, core/tensor and
// core/model/safetensors; sessions/metrics and sessions/report are folds of their
// own over the log. It must not import tui: it knows no screen and no
// flags.
package sessions
