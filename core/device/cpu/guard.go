package cpu

import (
	"fmt"
	"math"
	"slices"

	"pare/core/device"
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

// separate is p with a place of its own for every value and guard words around
// each: guardLen in front of the first, and at least as many behind the last
// float of every one.
func separate(p *device.Plan) *device.Plan {
	q := *p
	q.Vals = slices.Clone(p.Vals)
	q.Slab = guardLen
	if p.Samples > 0 {
		q.Samples = guardLen
	}
	for i := range q.Vals {
		v := &q.Vals[i]
		slab := &q.Slab
		if v.Sample {
			slab = &q.Samples
		}
		v.Off = *slab
		*slab += (v.Size(T, P) + 2*guardLen - 1) / guardLen * guardLen
	}
	return &q
}

// eachGap calls f for the guard words behind value v of each tile, −1 for those
// in front of the first, of an exec whose values are apart. It ends at the first
// error.
func (e *exec) eachGap(f func(v, tile int, gap []float32) error) error {
	if !e.apart {
		return nil
	}
	var mine []int // the values of these tiles
	for v, x := range e.p.Vals {
		if x.Sample == (e.p.Seq == 0 && e.p.Samples > 0) {
			mine = append(mine, v)
		}
	}
	for tile := 0; (tile+1)*e.p.Slab <= len(e.arena); tile++ {
		slab := e.arena[tile*e.p.Slab:][:e.p.Slab]
		from, last := 0, -1
		for i := 0; i <= len(mine); i++ {
			to := len(slab)
			if i < len(mine) {
				to = e.p.Vals[mine[i]].Off
			}
			if err := f(last, tile, slab[from:to]); err != nil {
				return err
			}
			if i < len(mine) {
				last = mine[i]
				if from = e.p.Vals[last].Off; e.flat {
					from += min(e.p.Vals[last].Size(T, P), flatSize(e.p.Vals[last])+P) // see flat.go
				} else {
					from += e.p.Vals[last].Size(T, P)
				}
			}
		}
	}
	if e.samples != nil {
		return e.samples.eachGap(f)
	}
	return nil
}

// checkGaps returns an error naming the first value behind which something wrote.
func (e *exec) checkGaps() error {
	return e.eachGap(func(v, tile int, gap []float32) error {
		for i, x := range gap {
			if math.Float32bits(x) == math.Float32bits(guardWord) {
				continue
			}
			name := "the slab's start"
			if v >= 0 {
				name = "value " + e.p.Vals[v].Name
			}
			return fmt.Errorf("a kernel wrote behind %s of tile %d, %d floats behind its end", name, tile, i)
		}
		return nil
	})
}
