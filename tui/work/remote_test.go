package work

import (
	"context"
	"errors"
	"io"
	"testing"
)

// TestPanicFromAfar: a fault in a watcher's screen, where the log is read or where it is
// drawn, ends that screen with an error of its own and goes no further.
func TestPanicFromAfar(t *testing.T) {
	for _, nilBody := range []bool{false, true} {
		in, keys := io.Pipe()
		scr := newScreen(80, 24)
		b := &broken{fake{id: "x", alive: true, recipe: testRecipe()}, nilBody}
		err := watchFrom(context.Background(), Options{ReadOnly: true, remote: true}, b, Terminal{In: in, Out: scr, W: 80, H: 24, Env: []string{"TERM=xterm-256color"}})
		keys.Close()
		if !errors.Is(err, ErrPanic) {
			t.Errorf("it ends with %v", err)
		}
		scr.close(t)
	}
}
