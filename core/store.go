package core

import (
	"errors"
	"io"

	"pare/core/event"
	"pare/core/graph"
)

// Store is where a run's words and files go. The sessions package implements it
// on disk; tests use memory.
type Store interface {
	// Emit appends an event and returns its sequence number once it is
	// written. Errors are those of the disk; ErrFull asks the run to pause.
	Emit(b event.Body) (int64, error)
	// Save writes a checkpoint safely (aside, synced, renamed) and returns its
	// hash and size.
	Save(name string, c *Checkpoint) (sha string, bytes int64, err error)
	// Load reads a checkpoint back.
	Load(name string) (*Checkpoint, error)
	// Drop removes a checkpoint that is not needed any more.
	Drop(name string) error
	// Export writes a file for the user; fn may be called once.
	Export(name string, fn func(io.Writer) error) (path, sha string, bytes int64, err error)
}

// ErrFull wraps errors of a full disk: the run pauses, nothing written is lost.
var ErrFull = errors.New("no space left on the disk")

// Checkpoint is everything a run needs to go on as if it had never stopped.
type Checkpoint struct {
	// Model holds structure, weights and masks.
	Model *graph.Model
	// State holds the optimiser's slots, State[slot][param], row-major; a nil
	// slice for parameters without state.
	State [][][]float32
	// Loop is the loop's own state as JSON; core reads and writes it.
	Loop []byte
}

// Command is what a person tells a run. It takes effect at the next step.
type Command struct {
	// Cmd is one of those below.
	Cmd string `json:"cmd"`
	// Value is the new target of "target", 0…1.
	Value float64 `json:"value,omitempty"`
	// Text is the checkpoint of "rollback", the TOML recipe of "configure", where a
	// "stop" comes from ("signal TERM").
	Text string `json:"text,omitempty"`
}

// Commands.
const (
	CmdPause     = "pause"     // hold at the next step
	CmdGo        = "go"        // end a pause
	CmdTarget    = "target"    // new target share of zeros while sparsifying
	CmdRollback  = "rollback"  // go back to the named checkpoint and pause there
	CmdNext      = "next"      // enter the next stage (stages that wait)
	CmdSettle    = "settle"    // end the training of this stage here and take what there is
	CmdConfigure = "configure" // replace the recipe's prune, floor, budget, hardware and deploy parts; only before sparsify
	CmdScan      = "scan"      // measure what each layer can do without; only before sparsify. With Text as configure first
	CmdCancel    = "cancel"    // end a scan; what it has measured is kept
	CmdStop      = "stop"      // checkpoint and end; the session can be resumed
)

// Exit codes of a run, the same for every front.
const (
	ExitOK          = 0   // done, verdict PASS
	ExitError       = 1   //
	ExitUsage       = 2   //
	ExitVerdict     = 3   // FAIL or UNDECIDED
	ExitBudget      = 4   // stopped by the budget
	ExitTarget      = 5   // target not reached: held by the floor, or ended before anything was taken away
	ExitInterrupted = 130 //
)

// Resume tells Run where to go on.
type Resume struct {
	// Checkpoint is the last one the log names; "" starts from the beginning.
	Checkpoint string
	// Seq is its event.
	Seq int64
	// Why is crash, stop or branch.
	Why string
	// Log is the fold of everything logged so far.
	Log *event.State
	// Idle asks for the idle power anew.
	Idle bool
}

// Config of a run.
type Config struct {
	Recipe   *Recipe
	Store    Store
	Commands <-chan Command
	Session  string // name, for the Started event
	Version  string // of the program
	Resume   *Resume
	// Brief measures in short turns, whatever a slow counter of joules would need: where
	// the epochs' seconds and joules are what is compared.
	Brief bool
}
