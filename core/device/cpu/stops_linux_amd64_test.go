package cpu_test

import (
	"bufio"
	"cmp"
	"debug/elf"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pare/core/graph"
	"pare/core/model/zoo"
	"pare/core/tensor"
)

// TestStops tells the collector's stops of the world apart from what else the
// machine does meanwhile. It needs root and the path of a mounted tracefs:
//
//	PARE_TRACEFS=/sys/kernel/tracing go test -run Stops -v ./core/device/cpu
//
// The kernel's tracer notes when a thread is switched, woken or signalled, and
// probes in this program's runtime note when a stop begins and how long it took: the
// figure that goes to /sched/pauses/stopping/gc. Alone are stops in which no other
// process ran on any processor, from 0.3 ms before the stop. Of each the part that is
// the engine's runs from the signal's arrival at a thread to when it lets the
// collector go on. The system's are the signal's way, from when it is sent to its
// arrival at a thread that runs, and the collector's way from when it is woken to when
// it runs: nothing that a program does in user mode makes these longer, in a virtual
// machine the host does, by taking a processor away. A stop is asked late if no signal is sent for 90 µs: the runtime found a thread without a
// goroutine, which went on all the same, and asked again.
func TestStops(t *testing.T) {
	fs := os.Getenv("PARE_TRACEFS")
	if fs == "" {
		t.Skip("PARE_TRACEFS is not set")
	}
	zooNet := func(name string, in zoo.Input) *graph.Model {
		m, _, err := zoo.New(name, 1, in, 10)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tr := newTracer(t, fs)
	for _, threads := range []int{1, 2} {
		for _, c := range []struct {
			name  string
			m     *graph.Model // nil: loops of plain Go
			batch int
			f     tensor.Format
		}{
			{"go", nil, 0, tensor.Dense},
			{"784-1024-1024-10", mlp(784, 1024, 1024, 10), 256, tensor.Dense},
			{"784-1024-1024-10/4x1", mlp(784, 1024, 1024, 10), 256, tensor.Block4},
			{"lenet-5", zooNet("lenet-5", zoo.Input{C: 1, H: 28, W: 28}), 64, tensor.Dense},
			{"resnet-8", zooNet("resnet-8", zoo.Input{C: 3, H: 32, W: 32}), 64, tensor.Dense},
		} {
			t.Run(fmt.Sprintf("%s/threads%d", c.name, threads), func(t *testing.T) {
				work := func() { spin(threads, 1<<22) }
				if c.m != nil {
					zeros := 0.0
					if c.f != tensor.Dense {
						zeros = 0.5
					}
					s := newStepper(t, c.m, c.batch, threads, c.f, zeros)
					work = func() { s.run(t) }
				}
				work()
				t.Log(tr.record(t, time.Duration(threads)*10*time.Second, work))
			})
		}
	}
}

// tracer is an instance of the kernel's tracer with probes at this program's stops.
type tracer struct{ dir string }

func newTracer(t *testing.T, fs string) *tracer {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin, end := stopAddresses(t, exe)
	f, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	offset := func(address uint64) uint64 {
		i := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool {
			return p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && address-p.Vaddr < p.Filesz
		})
		return address - f.Progs[i].Vaddr + f.Progs[i].Off
	}
	tr := &tracer{filepath.Join(fs, "instances", "pare")}
	events := filepath.Join(fs, "uprobe_events")
	tr.write(t, events, fmt.Sprintf("p:pare/begin %s:%#x\np:pare/end %s:%#x ns=%%cx:u64\n", exe, offset(begin), exe, offset(end)))
	if err := os.Mkdir(tr.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(tr.dir); err != nil {
			t.Error(err)
		}
		tr.write(t, events, "-:pare/begin\n-:pare/end\n")
	})
	tr.set(t, "buffer_size_kb", "60000")
	return tr
}

func (tr *tracer) write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = cmp.Or(err, f.Close())
	}
	if err != nil {
		t.Fatalf("%v (root and tracefs are needed)", err)
	}
}

func (tr *tracer) set(t *testing.T, name, text string) {
	t.Helper()
	tr.write(t, filepath.Join(tr.dir, name), text)
}

// stopAddresses finds the instruction at which runtime.stopTheWorldWithSema begins
// and the one that has its length in CX. Both are of a kind that the kernel carries
// out itself; others it would step through, at tens of µs in a virtual machine.
func stopAddresses(t *testing.T, exe string) (begin, end uint64) {
	out, err := exec.Command("go", "tool", "objdump", "-s", "^runtime.stopTheWorldWithSema$", exe).Output()
	if err != nil {
		t.Fatal(err)
	}
	before := ""
	for line := range strings.Lines(string(out)) {
		w := strings.Fields(line)
		if len(w) < 4 {
			continue
		}
		address, _ := strconv.ParseUint(w[1], 0, 64)
		switch op := strings.Join(w[3:], " "); {
		case begin == 0 && op == "PUSHQ BP":
			begin = address
		case w[3] == "JNE":
			end = address
		case strings.HasPrefix(op, "CALL runtime.(*timeHistogram).record"):
			if before != "MOVQ CX, BX" || begin == 0 || end == 0 {
				t.Fatal("stopTheWorldWithSema looks different in this release of Go")
			}
			return begin, end
		default:
			before = op
		}
	}
	t.Fatal("no stopTheWorldWithSema in this program")
	return 0, 0
}

var traced = []string{"sched/sched_switch", "sched/sched_waking", "signal/signal_generate", "signal/signal_deliver", "pare/begin", "pare/end"}

// record works for d while another goroutine collects, and tells of the stops.
func (tr *tracer) record(t *testing.T, d time.Duration, work func()) string {
	for _, e := range traced {
		tr.set(t, "events/"+e+"/enable", "1")
	}
	if err := os.WriteFile(filepath.Join(tr.dir, "trace"), nil, 0o644); err != nil { // empties it
		t.Fatal(err)
	}
	tr.set(t, "tracing_on", "1")
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() { collect(&stop) })
	for end := time.Now().Add(d); time.Now().Before(end); {
		work()
	}
	stop.Store(true)
	wg.Wait()
	tr.set(t, "tracing_on", "0")
	for _, e := range traced {
		tr.set(t, "events/"+e+"/enable", "0")
	}
	f, err := os.Open(filepath.Join(tr.dir, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s stops
	s.own = map[int]bool{0: true}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, x := range threads {
		id, _ := strconv.Atoi(x.Name())
		s.own[id] = true
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		s.line(lines.Text())
	}
	if len(s.all) == 0 {
		t.Fatal("no stop was traced")
	}
	return fmt.Sprintf("stops %s; alone %s; of them asked late %d, the engine's part %s; the signal's way %s, the collector's %s",
		µs(s.all), µs(s.alone), s.late, µs(s.part), µs(s.sent), µs(s.woke))
}

// stops gathers what record tells; times in µs.
type stops struct {
	own              map[int]bool // threads of this program, and idle
	all, alone, part []float64
	sent, woke       []float64 // the signal's and the collector's way
	others           [64]bool  // processors on which another process runs
	last             float64   // when one last did
	collector        int       // whose stop goes on, 0 if none does
	began, delivered float64
	asked, mine      float64
	ready, ran       float64 // when the collector was woken by the thread that stopped, and ran
	late             int
}

var (
	event = regexp.MustCompile(`-(\d+)\s+\[(\d+)\]\s+\S+\s+([\d.]+): (\w+): (.*)`)
	next  = regexp.MustCompile(`next_pid=(\d+)`)
	woken = regexp.MustCompile(` pid=(\d+)`)
)

func (s *stops) line(text string) {
	w := event.FindStringSubmatch(text)
	if w == nil {
		return
	}
	number := func(x string) int { n, _ := strconv.Atoi(x); return n }
	who, cpu := number(w[1]), number(w[2])
	at, _ := strconv.ParseFloat(w[3], 64)
	at *= 1e6
	if slices.Contains(s.others[:], true) {
		s.last = at
	}
	switch rest := w[5]; w[4] {
	case "sched_switch":
		s.others[cpu] = !s.own[number(next.FindStringSubmatch(rest)[1])]
		if s.others[cpu] {
			s.last = at
		}
		if s.collector != 0 && s.ready > 0 && s.ran == 0 && number(next.FindStringSubmatch(rest)[1]) == s.collector {
			s.ran = at
		}
	case "begin":
		s.collector, s.began, s.delivered, s.asked, s.mine = who, at, 0, math.Inf(1), math.NaN()
		s.ready, s.ran = 0, 0
	case "signal_generate":
		if who == s.collector {
			s.asked = min(s.asked, at-s.began)
		}
	case "signal_deliver":
		if s.collector != 0 && who != s.collector && s.own[who] && s.delivered == 0 {
			s.delivered = at
		}
	case "sched_waking":
		if s.delivered > 0 && s.own[who] && who != s.collector && number(woken.FindStringSubmatch(rest)[1]) == s.collector && math.IsNaN(s.mine) {
			s.mine, s.ready = at-s.delivered, at
		}
	case "end":
		if s.collector == 0 {
			return
		}
		long := float64(number(rest[strings.LastIndex(rest, "=")+1:])) / 1e3
		s.all = append(s.all, long)
		if s.last < s.began-300 {
			s.alone = append(s.alone, long)
			if min(s.asked, long) > 90 {
				s.late++
			}
			if !math.IsNaN(s.mine) {
				s.part = append(s.part, s.mine)
				s.sent = append(s.sent, s.delivered-s.began-s.asked)
				if s.ran > 0 {
					s.woke = append(s.woke, s.ran-s.ready)
				}
			}
		}
		s.collector = 0
	}
}

// µs is how many there are, and quantiles.
func µs(x []float64) string {
	if len(x) == 0 {
		return "0"
	}
	slices.Sort(x)
	q := func(p float64) float64 { return x[min(int(p*float64(len(x))), len(x)-1)] }
	return fmt.Sprintf("%d: p50 %.0f p99 %.0f p99.9 %.0f max %.0f µs", len(x), q(0.5), q(0.99), q(0.999), q(1))
}
