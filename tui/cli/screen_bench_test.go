//go:build unix

package cli

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/creack/pty"

	"pare/core/event"
	"pare/sessions"
)

// BenchmarkScreen runs the demo's training with and without the workbench at
// 120×40 on a pseudo terminal, in turn, and reports what the screen costs: its
// own CPU seconds and bytes per second, and the run's CPU time per step beside
// the one without it.
//
//	go test ./tui/cli -run - -bench Screen -benchtime 3x
func BenchmarkScreen(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	root := endingRoot(b)
	var with, without, screen, run, bytes, seconds float64
	for range b.N {
		for _, shown := range []bool{false, true} {
			r := DemoRecipe()
			r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 40, 60, 100
			s, err := sessions.Create(root, r)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Start(); err != nil {
				b.Fatal(err)
			}
			var cmd *exec.Cmd
			var tty *os.File
			seen := make(chan int64, 1)
			begin := time.Now()
			if shown {
				cmd = exec.Command(exe, "attach", s.ID, "--sessions", root)
				cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color", "LANG=C.UTF-8")
				if tty, err = pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
					b.Skip("no pseudo terminals here:", err)
				}
				go func() {
					n, _ := io.Copy(io.Discard, tty) //nolint:errcheck // ends with an error when the child leaves
					seen <- n
				}()
			}
			var st *event.State
			for {
				if st, err = s.State(); err != nil {
					b.Fatal(err)
				}
				if st.Status == event.StatusFailed {
					b.Fatal(st.Why)
				}
				if st.Done != nil {
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
			wall := time.Since(begin).Seconds()
			var cpu, steps float64
			for _, e := range st.Epochs {
				cpu += float64(e.CPUUS) / 1e6
				steps += float64(e.Steps)
			}
			if !shown {
				without += 1e6 * cpu / steps
				continue
			}
			with += 1e6 * cpu / steps
			run += cpu
			if _, err := tty.Write([]byte("q")); err != nil {
				b.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Log(err)
			}
			tty.Close() //nolint:errcheck // done with it
			bytes += float64(<-seen)
			seconds += wall
			screen += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		}
	}
	n := float64(b.N)
	b.ReportMetric(without/n, "run-µs/step-alone")
	b.ReportMetric(with/n, "run-µs/step-shown")
	b.ReportMetric(screen/n, "screen-cpu-s")
	b.ReportMetric(100*screen/run, "screen-%-of-run-cpu")
	b.ReportMetric(bytes/seconds/1024, "KiB/s")
	b.ReportMetric(0, "ns/op")
}
