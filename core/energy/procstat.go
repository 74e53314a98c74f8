package energy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// procStat is where Linux tells what its CPUs have done since the start.
const procStat = "/proc/stat"

// cpuTicks is the first line of /proc/stat, over all CPUs, in ticks (10 ms).
type cpuTicks struct{ busy, total uint64 }

// parseTicks reads the line "cpu  user nice system idle iowait irq softirq steal …".
// Waiting for a disk is idle, guests are in user already, and what the hypervisor
// took (steal) kept no CPU of this machine busy. Kernels before 2.6.11 have fewer
// columns.
func parseTicks(data []byte) (t cpuTicks, err error) {
	line, _, whole := bytes.Cut(data, []byte("\n"))
	f := bytes.Fields(line)
	switch {
	case !whole:
		return t, errors.New("no end of its first line")
	case len(f) == 0 || string(f[0]) != "cpu":
		return t, fmt.Errorf("line 1 begins %.20q, not \"cpu\"", line)
	case len(f) < 5:
		return t, fmt.Errorf("line 1 has %d columns, at least 5 are needed", len(f))
	}
	for i, s := range f[1:min(len(f), 9)] {
		v, err := strconv.ParseUint(string(s), 10, 63)
		if err != nil {
			return cpuTicks{}, fmt.Errorf("line 1, column %d: %.20q is no number of ticks", i+2, s)
		}
		sum := t.total + v
		if sum < t.total || sum > 1<<63 {
			return cpuTicks{}, errors.New("line 1: more ticks than can be")
		}
		t.total = sum
		switch i {
		case 0, 1, 2, 5, 6: // user, nice, system, irq, softirq
			t.busy += v
		}
	}
	return t, nil
}

// countCPUs is how many CPUs the file lists: lines "cpu0 …".
func countCPUs(data []byte) (n int) {
	for line := range bytes.Lines(data) {
		if name, _, ok := bytes.Cut(line, []byte(" ")); ok && len(name) > 3 && bytes.HasPrefix(name, []byte("cpu")) {
			if _, err := strconv.ParseUint(string(name[3:]), 10, 32); err == nil {
				n++
			}
		}
	}
	return n
}

// readTicks reads the file's first line as one value for a gauge: the lower halves
// of both counts. Differences of halves are those of the counts as long as less than
// 2³¹ ticks lie between, a day of 248 CPUs.
func readTicks(files sysfs, buf []byte) (uint64, error) {
	n, err := files.read(procStat, buf)
	if err != nil {
		return 0, err
	}
	t, err := parseTicks(buf[:n])
	if err != nil {
		return 0, fmt.Errorf("%s: %w", procStat, err)
	}
	return t.packed(), nil
}

func (t cpuTicks) packed() uint64 { return t.busy<<32 | t.total&0xffffffff }

// ticksSince is what happened between two packed values; not ok when a count fell.
func ticksSince(old, v uint64) (busy, total int64, ok bool) {
	busy, total = int64(int32(uint32(v>>32)-uint32(old>>32))), int64(int32(uint32(v)-uint32(old)))
	return busy, total, busy >= 0 && total >= 0
}
