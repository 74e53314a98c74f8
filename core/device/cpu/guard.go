package cpu

import (
	"fmt"
	"math"
)

// guards allocates memory. In a checked device it puts words on both sides of
// each piece and can tell later whether something wrote over them.
type guards struct {
	on     bool
	pieces []piece
}

// piece is a slice with guardLen guard words on both sides.
type piece struct {
	name string
	all  []float32
}

const guardLen = 16

var guardWord = math.Float32frombits(0xdeadbeef)

// alloc returns n zero floats from the start of a cache line.
func (g *guards) alloc(name string, n int) []float32 {
	if !g.on {
		return alloc(n)
	}
	all := alloc(n + 2*guardLen)
	for i := range guardLen {
		all[i], all[guardLen+n+i] = guardWord, guardWord
	}
	g.pieces = append(g.pieces, piece{name, all})
	return all[guardLen : guardLen+n : guardLen+n]
}

// check returns an error naming the first piece whose guard words changed.
func (g *guards) check() error {
	for _, p := range g.pieces {
		n := len(p.all)
		for i := range guardLen {
			for _, j := range []int{i, n - 1 - i} {
				if math.Float32bits(p.all[j]) != math.Float32bits(guardWord) {
					return fmt.Errorf("a kernel wrote outside of %s, %d floats from its start (%d long)", p.name, j-guardLen, n-2*guardLen)
				}
			}
		}
	}
	return nil
}
