package cpu

import (
	"math"
	"slices"
	"testing"

	"pare/core/device"
)

// TestShares: the parts of a gradient that is summed over halves go through every tile once, and
// no tile of a run is left out however few it has.
func TestShares(t *testing.T) {
	for tiles := 1; tiles <= 40; tiles++ {
		for halves := 1; halves <= 2; halves++ {
			e := &exec{common: &common{b: &bank{ws: make([]weight, 1)}}, tiles: tiles}
			c := &call{Call: &device.Call{W: []int{0}}, halves: halves, parts: 3 * halves, half: make([]float32, 1)}
			seen := map[[2]int]int{}
			for part := range c.parts {
				s := e.shareOf(c, part)
				if s.second != (part >= 3) {
					t.Fatalf("part %d of %d: second half %v", part, c.parts, s.second)
				}
				for i := range s.tiles {
					tile := s.first + i*s.step
					if tile < s.from() || tile >= s.from()+s.tiles {
						t.Fatalf("%d tiles, part %d: tile %d is not of those from %d", tiles, part, tile, s.from())
					}
					seen[[2]int{s.part, tile}]++
				}
			}
			for part := range 3 {
				for tile := range tiles {
					if n := seen[[2]int{part, tile}]; n != 1 {
						t.Fatalf("%d tiles in %d halves: part %d takes tile %d %d times", tiles, halves, part, tile, n)
					}
				}
			}
			if len(seen) != 3*tiles {
				t.Fatalf("%d tiles in %d halves: others, too: %v", tiles, halves, seen)
			}
		}
	}
}

// TestOrder: the first half of each call's parts comes first, the second last and backwards, what
// is not cut in two between them.
func TestOrder(t *testing.T) {
	var r region
	for _, parts := range []int{2, 1, 5} {
		r.add(call{parts: parts})
	}
	r.order()
	want := []task{{0, 0}, {2, 0}, {2, 1}, {1, 0}, {2, 2}, {2, 4}, {2, 3}, {0, 1}}
	if !slices.Equal(r.tasks, want) || r.own != 3 {
		t.Errorf("%v with %d of each end's own, want %v with 3", r.tasks, r.own, want)
	}
}

// TestFetchToWrite: no bit changes.
func TestFetchToWrite(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1023, 1024, 1025, 5000} {
		x := make([]float32, n)
		for i := range x {
			x[i] = math.Float32frombits(uint32(i) * 2654435761)
		}
		fetchToWrite(x)
		for i := range x {
			if got, want := math.Float32bits(x[i]), uint32(i)*2654435761; got != want {
				t.Fatalf("%d floats: %d is %x, was %x", n, i, got, want)
			}
		}
	}
}
