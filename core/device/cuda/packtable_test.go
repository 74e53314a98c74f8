package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pare/core/device"
	"pare/core/device/cuda/internal/cu"
	"pare/core/device/cuda/internal/cufake"
	"pare/core/tensor"
)

// packTrial is a 2:4 weight on a card, of which a table is learned.
type packTrial struct {
	t   testing.TB
	dev Device
	lib cu.Sparse
	e   *exec
	p   cu.Product
	q   cu.Prepared
	n   cu.Packing
	m   *work
	l   lesson
	w   *weight
	r   *rand.Rand
}

// pairMask keeps two of each four inputs, at random or, with both, of each four outputs as
// well.
func pairMask(r *rand.Rand, n, k int, both bool) *tensor.Mask {
	m := tensor.NewMask(n * k)
	var rows []int
	columns := make([][]int, k/4) // the order of the places in a group
	for row := range n {
		for g := 0; g < k; g += 4 {
			if g == 0 && row%4 == 0 {
				rows = r.Perm(4)
			}
			if !both || row%4 == 0 {
				columns[g/4] = r.Perm(4)
			}
			for i, c := range columns[g/4] {
				if both && (i+rows[row%4])%4 < 2 || !both && i < 2 {
					m.Drop(row*k + g + c)
				}
			}
		}
	}
	return m
}

func newPackTrial(t testing.TB, dev Device, n, k int, s side, mask *tensor.Mask, seed uint64) *packTrial {
	t.Helper()
	bk, err := dev.NewBank([]device.Weight{{Name: "w", Shape: tensor.Shape{n, k}, Matrix: true, Train: true, Format: tensor.NM24, Mask: mask}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &packTrial{t: t, dev: dev, m: &work{dev: dev}, r: rand.New(rand.NewPCG(seed, 9))}
	b := bk.(*bank)
	if x.w = &b.ws[0]; s == backward && !pairsDown(x.w) {
		t.Fatal("the mask is not 2:4 along the outputs")
	}
	x.e = newExec(dev, &device.Plan{Nodes: []string{"net"}}, b)
	rows := (n + 15) / 16 * 16 // as the rows of a wide y: zeros behind the last
	x.p = cu.Product{M: 64, N: rows, K: k, TransB: true, A: cu.BF16, B: cu.BF16, D: cu.BF16}
	if s == backward {
		x.p.N, x.p.K, x.p.TransB = k, rows, false
	}
	if x.lib, err = dev.sparse(); err != nil {
		t.Fatal(err)
	}
	x.q, x.n, err = x.lib.Prepare2of4(x.p)
	x.check(err)
	x.l.pack, err = x.m.bare(x.n.Bytes)
	x.check(err)
	x.l.table, err = x.m.bare(tableBytes(x.n))
	x.check(err)
	var room lessonRoom
	room.add(x.p, x.n)
	x.check(x.m.lessonFor(room, &x.l))
	t.Cleanup(func() {
		x.check(x.m.free())
		x.check(x.lib.Release(x.q))
		x.check(b.Close())
	})
	return x
}

func (x *packTrial) check(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// learn asks for the table.
func (x *packTrial) learn() string {
	x.t.Helper()
	why, err := x.e.learn(x.lib, x.q, 0, x.p, x.n, x.l)
	x.check(err)
	return why
}

// put gives the weight's bf16 copy random normal values where it is kept.
func (x *packTrial) put() {
	h := make([]uint16, x.w.count)
	for i := range h {
		if x.w.Mask.Kept(i) {
			h[i] = uint16(1+x.r.IntN(254))<<7 | uint16(x.r.IntN(128)) | uint16(x.r.IntN(2))<<15
		}
	}
	x.check(x.dev.driver.Upload(x.w.half, bytesOf(h)))
}

// packs are the weight packed by the library and by the table.
func (x *packTrial) packs() (library, table []byte) {
	x.t.Helper()
	d := x.dev.driver
	library, table = make([]byte, x.n.Bytes), make([]byte, x.n.Bytes)
	x.check(x.lib.Compress(x.q, x.w.half, x.l.pack, x.l.temp))
	x.check(d.Download(library, x.l.pack))
	x.check(d.Fill(x.l.other, 0xaa, x.n.Bytes))
	b := newBuilder(x.e, mode{})
	x.check(b.gather(x.n, x.l.other, x.l.table, x.w.half))
	x.check(x.e.launch(b.out))
	x.check(d.Download(table, x.l.other))
	x.check(d.Sync())
	return library, table
}

// TestPackByTable: whatever the mask, a table that was learned packs any values to the
// library's bytes, both ways, and leaves none of what was there; kept values that are zero
// stay in the places of the mask.
func TestPackByTable(t *testing.T) {
	for i, c := range []struct {
		n, k int
		s    side
	}{
		{16, 16, forward}, {48, 160, forward}, {64, 32, backward}, {41, 64, forward}, {48, 96, backward}, {43, 48, backward}, {256, 160, forward}, {160, 256, backward},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			card := cufake.New(1 << 26)
			dev := With(card, cufake.NewBlas(card), BF16).WithPairs(cufake.NewSparse(card))
			r := rand.New(rand.NewPCG(uint64(i), 1))
			x := newPackTrial(t, dev, c.n, c.k, c.s, pairMask(r, c.n, c.k, c.s == backward), uint64(i))
			x.put()
			if why := x.learn(); why != "" {
				t.Fatal(why)
			}
			for range 4 {
				x.put()
				if a, b := x.packs(); !bytes.Equal(a, b) {
					t.Fatal("the table packs to other bytes than the library")
				}
			}
			_, full := x.packs()
			x.check(dev.driver.Fill(x.w.half, 0, 2*int64(x.w.count)))
			if why := x.learn(); why != "" { // of a weight of zeros
				t.Fatal(why)
			}
			_, zero := x.packs()
			places := int(x.n.Bytes) - x.p.N*x.p.K/8
			if !bytes.Equal(zero[places:], full[places:]) {
				t.Error("places of zeros are not those of the mask")
			}
		})
	}
}

// TestPackUnsteady: a library that packs in an order of the day is not learned from.
func TestPackUnsteady(t *testing.T) {
	card := cufake.New(1 << 26)
	card.Unsteady = true
	dev := With(card, cufake.NewBlas(card), BF16).WithPairs(cufake.NewSparse(card))
	x := newPackTrial(t, dev, 64, 64, forward, pairMask(rand.New(rand.NewPCG(1, 1)), 64, 64, false), 1)
	if why := x.learn(); why != "a table learned from it gives other bytes" {
		t.Errorf("%q", why)
	}
}

// TestGPUPack learns tables on a card, compares what they pack with the library's packs, and
// tells how long both and learning take.
func TestGPUPack(t *testing.T) {
	d := openCard(t)
	dev := With(d, nil, BF16)
	if _, err := dev.sparse(); err != nil {
		t.Skip(err)
	}
	sizes := [][2]int{{64, 64}, {41, 64}, {768, 3072}}
	if !testing.Short() && d.Info().Memory > 16<<30 {
		sizes = append(sizes, [][2]int{{4096, 4096}, {14336, 4096}, {8192, 8192}}...)
	}
	for i, c := range sizes {
		for _, s := range []side{forward, backward} {
			t.Run(fmt.Sprintf("%d×%d side %d", c[0], c[1], s), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				x := newPackTrial(t, dev, c[0], c[1], s, pairMask(r, c[0], c[1], s == backward), uint64(i))
				x.put()
				why := x.learn()
				if why != "" {
					t.Error(why, x.describe())
				}
				x.put()
				if a, b := x.packs(); !bytes.Equal(a, b) {
					t.Error("other bytes than the library's: ", firstDifference(a, b))
				}
				g := newBuilder(x.e, mode{})
				x.check(g.gather(x.n, x.l.other, x.l.table, x.w.half))
				compress := launch{do: func() error { return x.lib.Compress(x.q, x.w.half, x.l.pack, x.l.temp) }}
				ms, err := x.e.fastest([][]launch{{compress}, g.out}, 2e10)
				x.check(err)
				start := time.Now()
				x.learn()
				x.check(dev.driver.Sync())
				learning := time.Since(start)
				t.Logf("%d bytes: library %.4f ms, table %.4f ms (%.0f GB/s of the pack, table and weight), learning %v",
					x.n.Bytes, ms[0], ms[1], float64(3*x.n.Bytes+2*int64(x.w.count))/ms[1]/1e6, learning)
			})
		}
	}
}

// describe is what a table holds, in words, for one that is wrong.
func (x *packTrial) describe() string {
	raw := make([]byte, tableBytes(x.n))
	x.check(x.dev.driver.Download(raw, x.l.table))
	x.check(x.dev.driver.Sync())
	coded, last, first := 0, -1, -1
	for i := 0; i < len(raw); i += 4 {
		if binary.LittleEndian.Uint32(raw[i:])>>31 == 0 {
			coded++
			if last = i / 4; first < 0 {
				first = last
			}
		}
	}
	a, b := x.packs()
	return fmt.Sprintf(": %d of %d pieces are values (%d are kept), the first %d, the last %d; %s", coded, len(raw)/4, x.w.count/2, first, last, firstDifference(a, b))
}

// firstDifference says where two packs differ first, and how often.
func firstDifference(a, b []byte) string {
	n, at := 0, -1
	for i := range a {
		if a[i] != b[i] {
			if n++; at < 0 {
				at = i
			}
		}
	}
	if at < 0 {
		return "no byte differs"
	}
	end := min(at+16, len(a))
	return fmt.Sprintf("%d of %d bytes differ, from byte %d on: %x, by the table %x", n, len(a), at, a[at:end], b[at:end])
}
