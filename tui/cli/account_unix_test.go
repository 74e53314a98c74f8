//go:build unix

package cli

import (
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"
)

// TestScreenAccount: what the screen says of its own cost is what the terminal and the
// system count, and a running run at 120×40 stays under 8 KiB/s.
func TestScreenAccount(t *testing.T) {
	run := started(t, longRun())
	waitFor(t, "the first epochs", func() bool { st, err := run.State(); return err == nil && len(st.Epochs) > 3 })
	before := time.Now()
	s := onScreenOf(t, 120, 40, "attach", run.Dir)
	waitFor(t, "the first bytes", func() bool { return s.bytes.Load() > 0 }) // a busy machine is slow to start it
	begin := time.Now()
	s.sees("validation accuracy", "● running")
	rate := math.Inf(1)
	for range 15 { // a screen that was stopped and goes on is drawn anew
		first, at := s.bytes.Load(), time.Now()
		time.Sleep(4 * time.Second)
		rate = float64(s.bytes.Load()-first) / 1024 / time.Since(at).Seconds()
		if rate <= 8 {
			break
		}
	}
	if rate > 8 {
		t.Errorf("%.1f KiB/s through the terminal at 120×40, at most 8 are wanted", rate)
	}
	// The account is told between the key and its reading, which a busy machine holds apart,
	// and is that of a while that began between the start and the first bytes.
	least, fewest := time.Since(begin).Seconds(), s.bytes.Load()
	s.types("?")
	s.sees("this screen:", "KiB/s sent", "of the run's")
	m := regexp.MustCompile(`([0-9.]+) KiB/s sent, CPU ([0-9.]+) ms/s, ([0-9.]+) % of the run's`).FindStringSubmatch(s.text())
	if m == nil {
		t.Fatalf("no account:\n%s", s.text())
	}
	most, all := time.Since(before).Seconds(), s.bytes.Load()
	var kib, ms, share float64
	if _, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[3], &kib, &ms, &share); err != nil {
		t.Fatal(err)
	}
	if lo, hi := float64(fewest)/1024/most, float64(all)/1024/least; kib < 0.95*lo || kib > 1.05*hi+0.1 {
		t.Errorf("the screen says %.2f KiB/s, the terminal counts %.2f to %.2f", kib, lo, hi)
	}
	s.types("?")
	s.leaves()
	cpu := 1000 * (s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()).Seconds()
	if lo, hi := ms*least, ms*most; lo > 1.2*cpu+20 || hi < 0.4*cpu-20 {
		t.Errorf("the screen says %.0f to %.0f ms of CPU time, the system %.0f at its end", lo, hi, cpu)
	}
	t.Logf("%.2f KiB/s; the screen says: %s", rate, m[0])
}
