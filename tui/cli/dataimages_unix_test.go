//go:build unix

package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"

	"pare/core/data"
)

// TestImagesHaveRoom: no line of the images is wider than the terminal, and as many stand in
// one as have room.
func TestImagesHaveRoom(t *testing.T) {
	d := &data.Data{Classes: []string{"a", "b", "c", "d"}, Train: &data.Set{X: make([]float32, 4*28*28), Shape: []int{1, 28, 28}, Labels: []int32{0, 1, 2, 3}}}
	for cols, images := range map[uint16]int{200: 3, 100: 3, 80: 2, 60: 2, 57: 1, 20: 1} {
		host, tty, err := pty.Open()
		if err != nil {
			t.Skip(err)
		}
		if err := pty.Setsize(tty, &pty.Winsize{Cols: cols, Rows: 24}); err != nil {
			t.Fatal(err)
		}
		said := make(chan string)
		go func() {
			b, _ := io.ReadAll(host) // ends with an error once the other side is closed
			said <- string(b)
		}()
		err = (&env{out: tty}).showImages(d)
		tty.Close()
		if err != nil {
			t.Fatal(err)
		}
		names := 0
		for l := range strings.SplitSeq(<-said, "\n") {
			if l = strings.TrimRight(ansi.Strip(l), "\r"); ansi.StringWidth(l) > int(cols) {
				t.Errorf("%d columns: a line of %d", cols, ansi.StringWidth(l))
			}
			if l != "" {
				names = len(strings.Fields(l)) // the last line's
			}
		}
		if names != images {
			t.Errorf("%d columns: %d images, want %d", cols, names, images)
		}
		host.Close()
	}
}
