package cu

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"
)

// algo is a choice of cuSPARSELt's: an algorithm, and how it splits K between blocks of
// threads (cusparseLtSplitKMode_t and the buffers of partial sums); a split of -1, the default of
// version 0.8, leaves that to the library.
type algo struct{ id, split, mode, buffers int32 }

func (a algo) String() string {
	return fmt.Sprintf("%d/%d/%d/%d", a.id, a.split, a.mode, a.buffers)
}

func parseAlgo(s string) (a algo, err error) {
	var rest string
	if n, _ := fmt.Sscanf(s, "%d/%d/%d/%d%s", &a.id, &a.split, &a.mode, &a.buffers, &rest); n != 4 || a.id < 0 || a.split < -1 || a.mode < 0 || a.buffers < 0 {
		return a, fmt.Errorf("%q names no algorithm of cusparseLt", s)
	}
	return a, nil
}

// fields are the attributes of an algorithm, by their numbers in the library.
func (a *algo) fields() map[uintptr]*int32 {
	return map[uintptr]*int32{spConfigID: &a.id, spSplit: &a.split, spSplit + 1: &a.mode, spSplit + 2: &a.buffers}
}

// read is the algorithm that a way has. How it splits K is 0 where a version does not say.
func (q *sparseProduct) read(w *way) (a algo, err error) {
	for k, to := range a.fields() {
		r := q.s.lib.call(spSelectGet, q.s.handle.at(), w.sel.at(), k, uintptr(unsafe.Pointer(to)), 4)
		if r != 0 && k == spConfigID {
			return a, q.s.fail("ask for the algorithm", r)
		}
	}
	return a, nil
}

// set gives a way its algorithm. What is the library's default is left alone: not every
// version takes its own defaults.
func (q *sparseProduct) set(w *way, a algo) error {
	usual := q.usual.fields()
	for _, k := range []uintptr{spConfigID, spSplit, spSplit + 1, spSplit + 2} {
		if v := a.fields()[k]; k == spConfigID || *v != *usual[k] {
			if err := q.s.fail("set the algorithm", q.s.lib.call(spSelectSet, q.s.handle.at(), w.sel.at(), k, uintptr(unsafe.Pointer(v)), 4)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sparse) Prepare2of4(p Product) (Prepared, Packing, error) {
	if s.c.capturing {
		return nil, Packing{}, errors.New("cuda: cusparseLt: prepare it before a graph is recorded")
	}
	q, err := s.build(p)
	if err != nil {
		return nil, Packing{}, err
	}
	if worthTiming(q.p) && q.algos > 1 {
		err = s.fastest(q)
	}
	if err == nil {
		_, err = q.with(q.standIn())
	}
	if err != nil {
		return nil, Packing{}, errors.Join(fmt.Errorf("2:4 product %v: %w", q.p, err), s.Release(q))
	}
	return q, q.packing, nil
}

func (s *sparse) Prepare2of4With(p Product, name string) (Prepared, Packing, error) {
	a, err := parseAlgo(name)
	if err != nil {
		return nil, Packing{}, fmt.Errorf("cuda: 2:4 product %v: %w", p, err)
	}
	q, err := s.build(p)
	if err != nil {
		return nil, Packing{}, err
	}
	if int(a.id) >= q.algos {
		err = fmt.Errorf("%w: algorithm %v of an earlier run is of another version of the library or another card", ErrUnsupported, a)
	} else {
		q.algo = a
		_, err = q.with(q.standIn())
	}
	if err != nil {
		return nil, Packing{}, errors.Join(fmt.Errorf("2:4 product %v: %w", q.p, err), s.Release(q))
	}
	return q, q.packing, nil
}

// trialOf2of4 is memory on which algorithms of a 2:4 product are tried.
type trialOf2of4 struct {
	scratch
	x, y, packed Ptr
}

// fastest tries every algorithm on scratch memory, as blas.fastest does, and what the
// library's own search finds, which may split K, and takes the best. Where memory for it
// lacks, it takes the default.
func (s *sparse) fastest(q *sparseProduct) error {
	m := trialOf2of4{scratch: scratch{c: s.c, noise: &s.noise}}
	defer m.release()
	p := q.p
	m.x, m.y, m.packed = m.take(BF16, p.spanA()), m.take(BF16, p.spanD()), m.bytes(q.packing.Bytes)
	w, temp := m.bytes(p.spanB()*2), m.bytes(max(q.packing.Temp, 16))
	if m.err == nil {
		m.err = s.c.repeat(w, halved(s.noise.of(BF16), p), p.spanB()*2)
	}
	if m.err == nil {
		m.err = s.Compress(q, w, m.packed, temp)
	}
	if m.err != nil {
		if errors.Is(m.err, ErrOutOfMemory) {
			q.makeshift = true
			return nil
		}
		return m.err
	}
	var all []algo
	for id := range q.algos {
		a := q.usual
		a.id = int32(id)
		all = append(all, a)
	}
	found, err := q.search(&m)
	if err != nil {
		return err
	}
	for _, a := range found {
		if a != (algo{a.id, q.usual.split, q.usual.mode, q.usual.buffers}) {
			all = append(all, a)
		}
	}
	ways := make([]*way, len(all))
	defer func() {
		for _, w := range ways {
			if w != nil {
				q.drop(w)
			}
		}
	}()
	for i, a := range all {
		if ways[i], err = q.plan(a, q.standIn()); err != nil && (!errors.As(err, new(*Error)) || errors.Is(err, ErrLost)) {
			return err
		}
	}
	times, err := m.race(len(ways), p.Flops(), func(i int) error {
		if ways[i] == nil {
			return &Error{Library: "cusparseLt", Op: "plan", Code: 10, Name: sparseNames[10]}
		}
		return s.c.within(func() error { return q.run(ways[i], m.x, m.packed, m.y, m.y, 1, 0) })
	})
	if err != nil {
		return err
	}
	best := -1
	for i, t := range times {
		if !(t < 1e30) || best >= 0 && !(t < 0.98*times[best]) {
			continue
		}
		if i >= q.algos { // sums of a split K may come in any order
			same, err := q.repeats(ways[i], &m)
			if err != nil {
				return err
			}
			if !same {
				continue
			}
		}
		best = i
	}
	if best < 0 {
		return fmt.Errorf("cuda: cusparseLt: %w: none of %d algorithms ran", ErrUnsupported, len(ways))
	}
	q.algo, q.ways = all[best], []*way{ways[best]}
	ways[best] = nil
	return nil
}

// searchRoom is the memory that the library's search gets for partial sums, bytes: it does
// not say what it needs. It is not asked about products of which eight sums would take
// more: they keep a card busy unsplit.
const searchRoom = 2 << 30

// search asks the library's own search, which runs the product by ways that its numbers of
// algorithms do not name. It finds none, or one.
func (q *sparseProduct) search(m *trialOf2of4) ([]algo, error) {
	if !q.s.lib.has(spSearch) || 8*4*int64(q.p.M)*int64(q.p.N) > searchRoom {
		return nil, nil
	}
	work, err := q.s.c.Alloc(searchRoom)
	if errors.Is(err, ErrOutOfMemory) {
		q.makeshift = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer q.s.c.Release(work) //nolint:errcheck // a lost card shows in the next call that matters
	w, err := q.plan(q.usual, q.standIn())
	if err != nil {
		return nil, err
	}
	defer q.drop(w)
	var a algo
	err = q.s.c.within(func() (err error) {
		if err = q.call(spSearch, w, m.x, m.packed, m.y, m.y, work, 1, 0); err == nil {
			a, err = q.read(w)
		}
		return err
	})
	if err == nil {
		err = q.s.c.Sync()
	}
	if err != nil {
		if errors.As(err, new(*Error)) && !errors.Is(err, ErrLost) { // it found none
			return nil, nil
		}
		return nil, err
	}
	return []algo{a}, nil
}

// repeats reports whether a way gives equal bits each time.
func (q *sparseProduct) repeats(w *way, m *trialOf2of4) (bool, error) {
	var first []byte
	for i := range 4 {
		got := make([]byte, 2*q.p.spanD())
		err := q.s.c.within(func() error { return q.run(w, m.x, m.packed, m.y, m.y, 1, 0) })
		if err == nil {
			err = q.s.c.Download(got, m.y)
		}
		switch {
		case err != nil:
			return false, err
		case i == 0:
			first = got
		case !bytes.Equal(got, first):
			return false, nil
		}
	}
	return true, nil
}
