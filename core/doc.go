// Package core is the five stages as one state machine: commands in, events
// out. It loads the model and the data, trains the dense baseline, settles the
// recipe, sparsifies, validates on the test set and deploys; everything it does
// it says through Store.Emit.
//
// core knows no screen and no session files: checkpoints, exports and the log
// go through the Store it is given. The packages under core/ are its parts; the
// order in which they may import each other is in the project's design and is
// checked by a test.
//
// # Equal bits
//
// The same recipe, decisions and plan choices on the same instruction set give
// the same bits, whatever the number of threads and however often the run was
// killed and resumed. So every choice that is timed or comes from a person is
// emitted as an event before it takes effect, at a stated step, and is used
// again instead of being made anew.
package core
