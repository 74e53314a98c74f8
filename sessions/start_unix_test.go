//go:build !windows

package sessions

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// TestProcessOfItsOwn: no terminal, its own process group, its own folder,
// stdin at its end, deaf to hangups; SIGTERM stops it at a checkpoint.
func TestProcessOfItsOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	s := newSession(t, "", forever)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	pid, _ := s.Alive()
	if g, err := syscall.Getpgid(pid); err != nil || g != pid {
		t.Errorf("process group %d of process %d, %v", g, pid, err)
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	for f, want := range map[string]string{"cwd": s.Dir, "fd/0": "/dev/null", "fd/1": filepath.Join(s.Dir, stderrFile), "fd/2": filepath.Join(s.Dir, stderrFile)} {
		if got, err := os.Readlink(filepath.Join(proc, f)); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", f, got, err, want)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	seq := mustState(t, s).Seq
	await(t, "progress after the hangup", func() bool { return mustState(t, s).Seq > seq+50 })
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	st := mustState(t, s)
	if st.Why != "stopped" || st.By != "signal TERM" || len(st.Checkpoints) == 0 || st.Checkpoints[len(st.Checkpoints)-1].Step != st.Metric.Step {
		t.Errorf("after SIGTERM: %q by %q, at step %d, checkpoints %+v", st.Why, st.By, st.Metric.Step, st.Checkpoints)
	}
}
