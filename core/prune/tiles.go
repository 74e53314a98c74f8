package prune

import (
	"fmt"
	"math/bits"
)

// A mask that is 2:4 both ways has at most 2 of each 4 weights along the inputs and along
// the outputs, so that W and its transpose, which makes the gradient of the inputs, are
// 2:4 (Hubara et al. 2021, arXiv:2102.08124). Tiles of 4 outputs × 4 inputs are chosen
// one by one: of the 90 ways to keep two in each row and column the one worth most.

// tileMasks are the 90 ways; bit 4·row + column is kept.
var tileMasks = func() (l []uint16) {
	for m := range 1 << 16 {
		ok := true
		for i := range 4 {
			ok = ok && bits.OnesCount(uint(m>>(4*i)&0xf)) == 2 && bits.OnesCount(uint(m>>i&0x1111)) == 2
		}
		if ok {
			l = append(l, uint16(m))
		}
	}
	return l
}()

// rateTiles makes the units of 2:4 both ways: the eight of a tile that go.
func rateTiles(s *Spec, l *layer) units {
	sc, inner := scoreOf(s.Score), l.k/l.c
	n := l.n * l.k / 16
	x := units{l: l, score: make([]float32, n), kept: make([]uint8, n)}
	goes := make([]uint16, n)
	// Unit u is (outputs, inputs, place in the window), row-major.
	at := func(u, bit int) int {
		o, g, in := u/(l.k/4), u/inner%(l.c/4), u%inner
		return ((4*o+bit/4)*l.c+4*g+bit%4)*inner + in
	}
	x.each = func(u int, f func(e int)) {
		for bit := range 16 {
			if goes[u]>>bit&1 == 1 {
				f(at(u, bit))
			}
		}
	}
	for u := range n {
		var worth [16]float64
		masked := uint16(0)
		for bit := range worth {
			e := at(u, bit)
			if worth[bit] = float64(sc.unit(s, l, e, e, 1)); !l.mask.Kept(e) {
				worth[bit], masked = 0, masked|1<<bit
			}
		}
		best, most, least := uint16(0), 0.0, 17 // the fewest masked places kept, then the most worth
		for _, m := range tileMasks {
			sum, lost := 0.0, bits.OnesCount16(m&masked)
			for bit, w := range worth {
				if m>>bit&1 == 1 {
					sum += w
				}
			}
			if lost < least || lost == least && sum > most {
				best, most, least = m, sum, lost
			}
		}
		goes[u] = ^best
		lost := 0.0
		for bit, w := range worth {
			if goes[u]>>bit&1 == 1 {
				lost += w
			}
		}
		x.score[u] = float32(lost)
		x.count(u)
	}
	return x
}

// fitsTiles says why a layer cannot be 2:4 both ways.
func fitsTiles(l *layer) error {
	if l.c%4 != 0 || l.n%4 != 0 {
		return fmt.Errorf("2:4 both ways takes tiles of 4 outputs × 4 inputs, and layer %s has %d × %d: put it in prune.skip", l.name, l.n, l.c)
	}
	return nil
}
