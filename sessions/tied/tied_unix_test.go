//go:build unix

package tied

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

const role = "PARE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "parent": // starts a child that would stay, and waits to be killed
		if err := Begin(); err != nil {
			panic(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		os.Stdout.WriteString(strconv.Itoa(cmd.Process.Pid) + "\n")
		time.Sleep(time.Hour)
	case "child":
		Hold()
		time.Sleep(time.Hour)
	default:
		os.Exit(m.Run())
	}
}

// TestEndsWithItsTests: what a killed test binary started lives while it does, and ends
// soon after it.
func TestEndsWithItsTests(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 32)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b[:n-1]))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * every)
	if !lives(pid) {
		t.Fatal("the child is gone before its parent")
	}
	cmd.Process.Kill() //nolint:errcheck // it sleeps
	cmd.Wait()         //nolint:errcheck // it was killed
	for end := time.Now().Add(3 * time.Minute); lives(pid); time.Sleep(every / 10) {
		if time.Now().After(end) {
			p, _ := os.FindProcess(pid)
			p.Kill() //nolint:errcheck // the last resort
			t.Fatal("the child outlives its killed parent")
		}
	}
}
