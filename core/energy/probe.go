package energy

import (
	"fmt"
	"time"
)

const (
	probeRounds = 6
	// mirrorRounds is in how many rounds two moving counters must be equal to the
	// microjoule before they are taken for one.
	mirrorRounds = 3
)

// probe reads the zones until all have moved, 62 ms at most (RAPL moves every
// millisecond or so), and leaves in err what keeps a zone from being used: it
// cannot be read, does not move, or mirrors another package's counter.
func probe(files sysfs, zones []*zone, sleep func(time.Duration)) {
	for _, z := range zones {
		z.value, z.err = readValue(files, z.file())
	}
	equal := make(map[[2]int]int)
	for r := 0; r < probeRounds; r++ {
		sleep(2 * time.Millisecond << r)
		still, same := false, false
		steps := make([]bool, len(zones))
		for i, z := range zones {
			if z.err != nil {
				continue
			}
			v, err := readValue(files, z.file())
			if err != nil {
				z.err = err
				continue
			}
			steps[i] = v != z.value
			z.moved = z.moved || steps[i]
			z.value = v
			still = still || !z.moved
		}
		for i, a := range zones {
			for j, b := range zones[:i] {
				if a.pkg && b.pkg && a.key != b.key && a.err == nil && b.err == nil && steps[i] && steps[j] && a.value == b.value {
					equal[[2]int{j, i}]++
					same = true
				}
			}
		}
		if !still && !same {
			break
		}
	}
	for i, z := range zones {
		for j, b := range zones[:i] {
			if z.err == nil && b.err == nil && equal[[2]int{j, i}] >= mirrorRounds {
				z.err = fmt.Errorf("mirrors %s to the microjoule, counted once", b.label)
				z.key = b.key // it is not missing from the sum
			}
		}
		if z.err == nil && !z.moved {
			z.err = fmt.Errorf("the counter stands still at %d µJ", z.value)
		}
	}
}
