package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"

	"pare/core"
	"pare/core/event"
	"pare/sessions"
	"pare/tui/work"
)

// BenchmarkScreenSteady is what the workbench at 120×40 costs beside a run that goes on, by
// looks a second: bytes through the pseudo terminal and the CPU time of the watching process,
// beside that of the run in the same seconds. Both are taken from the kernel's account of the
// two processes, between two moments, so that neither start is in it; "whole" has the screen's
// start and end in it.
//
//	go test ./tui/cli -run - -bench ScreenSteady -benchtime 1x
func BenchmarkScreenSteady(b *testing.B) {
	for _, hz := range []int{work.DefaultHz, work.MostHz} {
		b.Run(fmt.Sprintf("%dHz", hz), func(b *testing.B) {
			var t tally
			for range b.N {
				t.watch(b, hz)
			}
			b.ReportMetric(t.bytes/t.seconds/1024, "KiB/s")
			b.ReportMetric(1000*t.screen/t.seconds, "screen-ms/s")
			b.ReportMetric(1000*t.run/t.seconds, "run-ms/s")
			b.ReportMetric(100*t.screen/t.run, "%-of-run-cpu")
			b.ReportMetric(100*t.whole/(t.run*t.wholeSeconds/t.seconds), "%-whole")
			b.ReportMetric(t.writes/t.seconds, "frames/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// tally sums up over seconds of watching.
type tally struct{ seconds, wholeSeconds, bytes, writes, screen, whole, run float64 }

func (t *tally) watch(b *testing.B, hz int) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	root := b.TempDir()
	r := DemoRecipe()
	r.Train.Epochs, r.Prune.Epochs, r.Floor.Points = 2, 4000, 100 // both curves, and no end
	s, err := sessions.Create(root, r)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Send(b.Context(), stop); err != nil {
			b.Error(err)
		}
		for alive := true; alive; _, alive = s.Alive() {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	for {
		st, err := s.State()
		if err != nil {
			b.Fatal(err)
		}
		if st.Stage == event.Sparsify && len(st.Curves[event.Sparsify].Acc) > 3 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	pid, alive := s.Alive()
	if !alive {
		b.Fatal("the run is gone")
	}
	begun := time.Now()
	cmd := exec.Command(exe, "attach", s.ID, "--sessions", root, "--hz", strconv.Itoa(hz))
	cmd.Env = append(os.Environ(), "PARE_TEST_MAIN=1", "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_CONFIG_HOME="+b.TempDir())
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		b.Skip("no pseudo terminals here:", err)
	}
	seen := new(counter)
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(seen, tty) //nolint:errcheck // ends with an error when the child leaves
	}()
	time.Sleep(3 * time.Second)
	begin, bytes, writes, screen, run := time.Now(), seen.bytes(), seen.times(), cpuOf(b, cmd.Process.Pid), cpuOf(b, pid)
	time.Sleep(watchFor)
	t.screen += cpuOf(b, cmd.Process.Pid) - screen
	t.run += cpuOf(b, pid) - run
	t.seconds += time.Since(begin).Seconds()
	t.bytes += float64(seen.bytes() - bytes)
	t.writes += float64(seen.times() - writes)
	if _, err := tty.Write([]byte("q")); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Log(err)
	}
	t.wholeSeconds += time.Since(begun).Seconds()
	t.whole += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	tty.Close() //nolint:errcheck // done with it
	<-done
}

// cpuOf is the CPU time a process has used, in seconds, by the scheduler's account of its
// threads; of those that have ended it knows nothing.
func cpuOf(b *testing.B, pid int) float64 {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		b.Skip("no account of processes here:", err)
	}
	sum := 0.0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has just ended
		}
		var ns float64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			b.Fatal(err)
		}
		sum += ns / 1e9
	}
	return sum
}

// stop ends a run at its next step.
var stop = core.Command{Cmd: core.CmdStop}

// counter counts what passes.
type counter struct{ n, k atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	c.k.Add(1)
	return len(p), nil
}
func (c *counter) bytes() int64 { return c.n.Load() }
func (c *counter) times() int64 { return c.k.Load() }

// watchFor is how long the two are accounted.
var watchFor = 20 * time.Second

func init() {
	if os.Getenv("WATCHFOR") != "" {
		watchFor, _ = time.ParseDuration(os.Getenv("WATCHFOR"))
	}
}
