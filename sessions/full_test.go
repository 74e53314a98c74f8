package sessions

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pare/core"
	"pare/core/event"
)

// fullDisk is a disk with room for so many more bytes: writes put down what
// fits, as the kernel does, and fail with ENOSPC.
type fullDisk struct {
	room    int64
	syncs   atomic.Int64
	syncErr error
	quick   bool // sync nothing: for tests of content, not of safety
}

var errNoSpace = syscall.ENOSPC

// install puts the disk under every file this package writes.
func (d *fullDisk) install(t testing.TB) {
	oldCreate, oldLog := createFile, openLog
	t.Cleanup(func() { createFile, openLog = oldCreate, oldLog })
	createFile = func(path string) (file, error) {
		f, err := oldCreate(path)
		if err != nil {
			return nil, err
		}
		return &fullFile{d: d, file: f}, nil
	}
	openLog = func(path string) (appendFile, error) {
		f, err := oldLog(path)
		if err != nil {
			return nil, err
		}
		return &fullLog{fullFile{d: d, file: f}, f}, nil
	}
}

type fullFile struct {
	d *fullDisk
	file
}

func (f *fullFile) Write(b []byte) (int, error) {
	n := min(int64(len(b)), f.d.room)
	k, err := f.file.Write(b[:n])
	f.d.room -= int64(k)
	if err == nil && k < len(b) {
		err = &os.PathError{Op: "write", Path: "x", Err: errNoSpace}
	}
	return k, err
}

func (f *fullFile) Sync() error {
	f.d.syncs.Add(1)
	if f.d.syncErr != nil || f.d.quick {
		return f.d.syncErr
	}
	return f.file.Sync()
}

type fullLog struct {
	fullFile
	log appendFile
}

func (f *fullLog) Cut(n int64) error { return f.log.Cut(n) }

// TestLogDiskFull: when an event does not fit, at whatever byte the disk ends,
// the error is core.ErrFull, the log stays whole, and the event goes in once
// there is room.
func TestLogDiskFull(t *testing.T) {
	d := &fullDisk{room: 1 << 20}
	d.install(t)
	s := newSession(t, "", 100)
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if _, err := j.append(&event.Started{Format: event.Version}); err != nil {
		t.Fatal(err)
	}
	before := j.size
	if _, err := j.append(&event.Decision{Cmd: "target", By: "person"}); err != nil {
		t.Fatal(err)
	}
	size := j.size - before
	seq := j.seq
	for room := range size + 20 {
		d.room = room
		e, err := j.append(&event.Decision{Cmd: "target", By: "person"})
		if err == nil {
			seq++
			if e.Seq != seq {
				t.Fatalf("room %d: seq %d, want %d", room, e.Seq, seq)
			}
			continue
		}
		if !errors.Is(err, core.ErrFull) || e.Seq != 0 {
			t.Fatalf("room %d: event %d, %v", room, e.Seq, err)
		}
		if _, problem := j.status(); problem == nil {
			t.Fatalf("room %d: the status says all is well", room)
		}
		if st, err := os.Stat(logOf(s)); err != nil || st.Size() != j.size {
			t.Fatalf("room %d: the log has %d bytes, %d are whole lines", room, st.Size(), j.size)
		}
	}
	d.room = 1 << 20
	if _, err := j.append(&event.Done{}); err != nil {
		t.Fatal(err)
	}
	if _, problem := j.status(); problem != nil {
		t.Errorf("room again, but the status says %v", problem)
	}
	if got, err := read(t, s); err != nil || int64(len(got)) != seq+1 {
		t.Errorf("read %d events, %v; want %d", len(got), err, seq+1)
	}
}

// TestSyncFails: an event that is written but not safe is an error with its
// number; the next one tries the sync again first.
func TestSyncFails(t *testing.T) {
	d := &fullDisk{room: 1 << 20}
	d.install(t)
	s := newSession(t, "", 100)
	j, err := openJournal(s, func(event.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	d.syncErr = errNoSpace
	e, err := j.append(&event.Checkpoint{Name: "c"})
	if !errors.Is(err, core.ErrFull) || e.Seq != 1 {
		t.Fatalf("event %d, %v", e.Seq, err)
	}
	if e, err := j.append(&event.Metric{}); !errors.Is(err, core.ErrFull) || e.Seq != 0 {
		t.Fatalf("event %d, %v while the log cannot be synced", e.Seq, err)
	}
	d.syncErr = nil
	if e, err := j.append(&event.Metric{}); err != nil || e.Seq != 2 {
		t.Fatalf("event %d, %v", e.Seq, err)
	}
}

// TestSaveDiskFull: a checkpoint or export that does not fit leaves nothing
// behind, the one before it stays, and it goes in once there is room.
func TestSaveDiskFull(t *testing.T) {
	d := &fullDisk{room: 1 << 20}
	d.install(t)
	s := newSession(t, "", 100)
	st, err := openStore(s)
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	old := sampleCheckpoint(1)
	sha, size, err := st.Save("c", old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Emit(&event.Checkpoint{Name: "c", SHA: sha}); err != nil {
		t.Fatal(err)
	}
	for room := int64(0); room < size; room += 97 {
		d.room = room
		if _, _, err := st.Save("c", sampleCheckpoint(2)); !errors.Is(err, core.ErrFull) {
			t.Fatalf("room %d: %v", room, err)
		}
		d.room = room
		if _, _, _, err := st.Export("e.bin", func(w io.Writer) error { _, err := w.Write(make([]byte, size)); return err }); !errors.Is(err, core.ErrFull) {
			t.Fatalf("room %d: export %v", room, err)
		}
		for dir, want := range map[string]int{checkpointDir: 1, exportDir: 0} {
			if es, _ := os.ReadDir(filepath.Join(s.Dir, dir)); len(es) != want {
				t.Fatalf("room %d: %d files in %s", room, len(es), dir)
			}
		}
	}
	if c, err := st.Load("c"); err != nil || !sameCheckpoint(c, old) {
		t.Fatalf("the old checkpoint: %v", err)
	}
	d.room = 1 << 20
	if _, _, err := st.Save("c", sampleCheckpoint(2)); err != nil {
		t.Fatal(err)
	}
}

// onFullDisk starts a run on a file system of 256 KiB, of which ballast takes some, and waits
// until it says that there is no room. It ends in the weights want.
func onFullDisk(t *testing.T, taken int) (s *Session, ballast, want string) {
	t.Helper()
	dir := t.TempDir()
	if !mountTmpfs(t, dir, "size=256k") {
		t.Skip("needs the right to mount a tmpfs")
	}
	want = killAndResume(t, newSession(t, "fast", 400), 0, 1).Done.Weights
	r := core.DefaultRecipe()
	r.Name, r.Auto, r.Train.Epochs = "fast", true, 4
	s, err := Create(dir, r)
	if err != nil {
		t.Fatal(err)
	}
	ballast = filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, taken), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var l Live
	await(t, "the full disk", func() bool {
		if l, err = s.Live(t.Context()); err != nil {
			t.Fatalf("%v; the run is %s", err, s.Summary().Status)
		}
		return l.Problem != ""
	})
	if !strings.Contains(l.Problem, core.ErrFull.Error()) {
		t.Errorf("problem %q", l.Problem)
	}
	return s, ballast, want
}

// TestTmpfsFull is the same against a real file system: a run on a full disk
// pauses, tells its clients why, and ends in the same bits once there is room.
func TestTmpfsFull(t *testing.T) {
	s, ballast, want := onFullDisk(t, 200<<10)
	if _, err := s.State(); err != nil {
		t.Errorf("the log on the full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	if st := mustState(t, s); st.Done == nil || st.Done.Weights != want {
		t.Errorf("ended %+v, want weights %s", st.Done, want)
	}
}

// TestStopOnTmpfsFull: a run stopped while the disk is full was stopped, it did
// not die, and it goes on to the same bits.
func TestStopOnTmpfsFull(t *testing.T) {
	s, ballast, want := onFullDisk(t, 216<<10)
	if err := s.Send(t.Context(), core.Command{Cmd: core.CmdStop}); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	if m := s.Summary(); m.Status != Stopped {
		t.Errorf("status %s, want stopped", m.Status)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	if st := mustState(t, s); st.Done == nil || st.Done.Weights != want || st.Resumes != 0 {
		t.Errorf("ended %+v after %d crashes, want weights %s", st.Done, st.Resumes, want)
	}
}
