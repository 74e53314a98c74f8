package sessions

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// holdLock is the helper process: it holds a session's lock until its stdin
// ends, without being a run.
func holdLock(dir string) int {
	s, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	f, err := s.takeLock(0, false)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer f.Close()
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// holder starts a process that holds the lock of s; stop ends it.
func holder(t *testing.T, s *Session) (stop func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envLock+"="+s.Dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "held\n" {
		t.Fatalf("helper said %q", line)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("helper: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// TestLockTwoProcesses: a session held by another process is alive without a
// pid, and nothing here starts or removes it; afterwards it is free again.
func TestLockTwoProcesses(t *testing.T) {
	s := newSession(t, "fast", 100)
	stop := holder(t, s)
	if pid, alive := s.Alive(); !alive || pid != 0 {
		t.Errorf("Alive = %d, %v; want 0, true", pid, alive)
	}
	if err := s.Start(); !errors.Is(err, ErrRunning) {
		t.Errorf("Start = %v", err)
	}
	if err := s.Remove(); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("Remove = %v", err)
	}
	if _, err := s.takeLock(20*time.Millisecond, false); !errors.Is(err, ErrRunning) {
		t.Errorf("takeLock = %v", err)
	}
	stop()
	if _, alive := s.Alive(); alive {
		t.Error("alive after the holder left")
	}
	f, err := s.takeLock(0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if held, err := s.locked(); !held || err != nil {
		t.Errorf("locked = %v, %v with the lock taken here", held, err)
	}
}

// TestLookersDoNotBlock: any number of readers may look whether a session is
// held while a run takes its lock.
func TestLookersDoNotBlock(t *testing.T) {
	s := newSession(t, "fast", 100)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.Alive()
				}
			}
		})
	}
	for range 50 {
		f, err := s.takeLock(lockWait, false)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	close(done)
	wg.Wait()
}

// TestRecycledPid: run.json of a dead run whose pid now belongs to another
// process does not make it alive; nor does another boot.
func TestRecycledPid(t *testing.T) {
	s := newSession(t, "fast", 100)
	me := runInfo{Pid: os.Getpid(), Boot: bootID(), Start: procStart(os.Getpid()), Begun: time.Now()}
	if !me.lives() {
		t.Fatalf("this process does not live: %+v", me)
	}
	ended := time.Now()
	for name, r := range map[string]runInfo{
		"other start": {Pid: me.Pid, Boot: me.Boot, Start: me.Start + "1"},
		"other boot":  {Pid: me.Pid, Boot: me.Boot + "x", Start: me.Start},
		"no start":    {Pid: me.Pid, Boot: me.Boot},
		"no process":  {Pid: 1<<31 - 1, Boot: me.Boot, Start: me.Start},
		"ended":       {Pid: me.Pid, Boot: me.Boot, Start: me.Start, Ended: &ended},
	} {
		if r.lives() {
			t.Errorf("%s: lives", name)
		}
		if err := r.write(s.Dir); err != nil {
			t.Fatal(err)
		}
		if pid, alive := s.Alive(); alive {
			t.Errorf("%s: alive with pid %d", name, pid)
		}
	}
	// Even a true run.json is not alive without the lock.
	if err := me.write(s.Dir); err != nil {
		t.Fatal(err)
	}
	if _, alive := s.Alive(); alive {
		t.Error("alive without the lock")
	}
	f, err := s.takeLock(0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if pid, alive := s.Alive(); !alive || pid != me.Pid {
		t.Errorf("Alive = %d, %v; want %d, true", pid, alive, me.Pid)
	}
}

// TestStaleRunFile: a run.json that fits nobody and a held lock mean a process
// that cannot be seen.
func TestStaleRunFile(t *testing.T) {
	s := newSession(t, "fast", 100)
	if err := os.WriteFile(s.Dir+"/"+runFile, []byte("{not json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, alive := s.Alive(); alive {
		t.Error("alive with a garbled run.json")
	}
	defer holder(t, s)()
	if pid, alive := s.Alive(); !alive || pid != 0 {
		t.Errorf("Alive = %d, %v; want 0, true", pid, alive)
	}
}

func FuzzRunFile(f *testing.F) {
	f.Add([]byte(`{"pid":12,"boot":"x","start":"5","begun":"2026-01-02T03:04:05Z","socket":"/tmp/pare-0/a.sock","version":"1"}`))
	f.Add([]byte(`{"pid":-1}`))
	f.Add([]byte(`{"pid":1,"ended":null,"exit":3} trailing`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRun(b)
		if err != nil {
			return
		}
		if r.Pid < 1 {
			t.Fatalf("pid %d", r.Pid)
		}
		if r.Boot != bootID() && r.lives() {
			t.Fatal("lives in another boot")
		}
	})
}
