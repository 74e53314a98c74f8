package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// product of two values that flow: q·kᵀ, or the softmax of that times v.
func (im *importer) product(n *Node) error {
	if p := im.parts[n.Inputs[0]]; p != nil {
		if p.kind != weighted {
			return fmt.Errorf("multiplies %s, which is not supported", p.kind)
		}
		v, err := im.view(n.input(1))
		if err != nil {
			return err
		}
		return im.attend(n, p, v)
	}
	q, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	k, err := im.view(n.input(1))
	if err != nil {
		return err
	}
	if q, k, err = im.sequences(n, q, k); err != nil {
		return err
	}
	x, y := im.m.Values[q.id], im.m.Values[k.id]
	a, b := len(q.dims), len(k.dims)
	if x.Seq == 0 || x.Seq != y.Seq || a < 3 || a != b || !isAxis(q.dims[a-2], 't', x.Seq) || !isAxis(k.dims[a-1], 't', x.Seq) ||
		!slices.Equal(joined(q.dims[a-1]), joined(k.dims[a-2])) {
		return errors.New("multiplies two values that depend on the data, but not as queries and keys of attention: only that is supported")
	}
	dims := append(slices.Clone(q.dims[:a-1]), k.dims[a-1])
	return im.part(n, &part{kind: scores, x: q, k: k, scale: 1, dims: dims})
}

// sequences makes the pixels of images tokens, for attention over them, and puts heads
// side by side that are not.
func (im *importer) sequences(n *Node, views ...*view) (*view, *view, error) {
	for i, v := range views {
		if x := im.m.Values[v.id]; x.Seq == 0 && x.H*x.W > 1 && len(v.dims) > 2 {
			w, err := im.pixelsAsTokens(n, v)
			if err != nil {
				return nil, nil, err
			}
			views[i] = w
		}
		if _, _, ok := views[i].channels(); !ok && views[i].cut != nil {
			views[i] = views[i].with(slices.Clone(views[i].dims))
			if err := im.gathered(views[i]); err != nil {
				return nil, nil, err
			}
		}
	}
	return views[0], views[len(views)-1], nil
}

// plane is a constant over queries and keys, [T][T]: the same for all samples and heads.
func (im *importer) plane(p *part, c *array) ([]float64, error) {
	seq := im.m.Values[p.x.id].Seq
	last := len(p.dims) - 1
	if !isAxis(p.dims[last], 't', seq) || !isAxis(p.dims[last-1], 't', seq) || len(c.dims) > len(p.dims) {
		return nil, fmt.Errorf("has a mask of shape %v for scores of shape %v", im.show(c.dims), im.show(shapeOfDims(p.dims)))
	}
	x, err := im.numbers(c)
	if c.counts {
		err = errPlaces
	}
	if err != nil {
		return nil, err
	}
	d := append([]int64{1, 1}, im.physical(c.dims)...)
	rows, cols := d[len(d)-2], d[len(d)-1]
	if rows != 1 && rows != int64(seq) || cols != 1 && cols != int64(seq) || int64(len(x))%(rows*cols) != 0 || len(x) == 0 {
		return nil, fmt.Errorf("has a mask of shape %v for sequences of %d tokens", im.show(c.dims), seq)
	}
	for i, v := range x[rows*cols:] {
		if v != x[i] {
			return nil, errors.New("has a mask that differs between heads, which is not supported")
		}
	}
	if err := im.spend(int64(seq) * int64(seq)); err != nil {
		return nil, err
	}
	out := make([]float64, seq*seq)
	for i := range out {
		out[i] = x[int64(i/seq)%rows*cols+int64(i%seq)%cols]
	}
	return out, nil
}

// faint is what a mask adds, at least, to a score that it takes out.
const faint = -1e4

// maskAdded adds a mask to scores: 0 where a key is seen, very little where not.
func (im *importer) maskAdded(n *Node, p *part, c *array) error {
	x, err := im.plane(p, c)
	if err != nil {
		return err
	}
	off := make([]bool, len(x))
	for i, v := range x {
		if off[i] = v <= faint; v != 0 && !off[i] {
			return errors.New("adds numbers to the scores of attention that are no mask (relative places?), which is not supported")
		}
	}
	return im.mask(n, p, off)
}

func (im *importer) mask(n *Node, p *part, off []bool) error {
	q := p.become(scores)
	if slices.Contains(off, true) {
		for i, m := range p.masked {
			off[i] = off[i] || m
		}
		q.masked = off
	}
	return im.part(n, q)
}

// where puts very little in place of masked scores, or 0 in place of NaN.
func where(im *importer, _ int, n *Node) error {
	if len(n.Inputs) != 3 {
		return errors.New("needs three inputs: the file is damaged, export it again")
	}
	if p := im.parts[n.Inputs[0]]; p != nil && p.kind == padKeys {
		return im.padded(n, p)
	}
	cond := im.consts[n.Inputs[0]]
	if p := im.parts[n.Inputs[0]]; p != nil && p.kind == nans {
		if v, ok := im.scalar(n.Inputs[1]); ok && v == 0 && im.parts[n.Inputs[2]] != nil && im.parts[n.Inputs[2]].kind == weighted {
			return im.rename(n, n.Inputs[2])
		}
	}
	for k := 1; k < 3 && cond != nil; k++ {
		p := im.parts[n.Inputs[k]]
		v, ok := im.scalar(n.Inputs[3-k])
		if p == nil || p.kind != scores || !ok || v > faint {
			continue
		}
		x, err := im.plane(p, cond)
		if err != nil {
			return err
		}
		off := make([]bool, len(x))
		for i, c := range x {
			off[i] = (c != 0) != (k == 1)
		}
		return im.mask(n, p, off)
	}
	return errors.New("chooses between values that depend on the data, which is only supported for a fixed mask of attention")
}

// equal compares the ids of tokens with one: which keys are padding.
func equal(im *importer, _ int, n *Node) error {
	for k := range 2 {
		id, ok := im.scalar(n.input(k))
		v := im.views[n.input(1-k)]
		if ok && v != nil && v.id == 0 && v.off == 0 && v.mul == 1 && !im.in.Type.Elem.isFloat() && id >= 0 && id < 1<<24 {
			at := int(id)
			return im.part(n, &part{kind: padKeys, x: v, pad: &at, dims: v.dims})
		}
	}
	return errors.New("compares values that depend on the data, which is only supported for ids with that of padding")
}

// padded leaves keys of one id out: very little in place of their scores, and zeros in
// place of their weights.
func (im *importer) padded(n *Node, mask *part) error {
	v, ok := im.scalar(n.Inputs[1])
	p := im.parts[n.Inputs[2]]
	if !ok || p == nil || len(p.dims) != len(mask.dims) || p.kind != scores && p.kind != weighted || p.pad != nil && *p.pad != *mask.pad {
		return errors.New("puts values in the place of others by ids, which is only supported for the padding of attention")
	}
	for i, d := range mask.dims {
		batch, last := isBatch(p.dims[i]), i == len(p.dims)-1
		if (batch || last) && !slices.Equal(d, p.dims[i]) || !batch && !last && len(d) > 0 {
			return errors.New("leaves out something else than keys by their ids, which is not supported")
		}
	}
	q := p.become(p.kind)
	switch {
	case p.kind == scores && v <= faint:
		q.pad = mask.pad
	case p.kind == weighted && v == 0 && p.pad != nil:
		q.zeroed = true
	default:
		return fmt.Errorf("puts %g in the place of %s, which is not supported", v, p.kind)
	}
	return im.part(n, q)
}

func isNaN(im *importer, _ int, n *Node) error {
	p := im.parts[n.Inputs[0]]
	if p == nil || p.kind != weighted {
		return errors.New("is only supported behind the softmax of attention")
	}
	return im.part(n, p.become(nans))
}

func (im *importer) softmaxOfScores(n *Node, p *part, axis int64) error {
	last := int64(len(p.dims) - 1)
	if axis != last && axis != -1 || !isAxis(p.dims[last], 't', im.m.Values[p.x.id].Seq) {
		return fmt.Errorf("axis = %d of the scores of attention is not supported, only the keys", axis)
	}
	return im.part(n, p.become(weighted))
}

// heads are the heads of queries, keys or values, by the axes before those of tokens and
// channels: their number, and where the batch and copies stand among them.
type heads struct {
	n            int64
	batch, each  int // place of the batch and of the heads
	copies, copy int64
}

func headsOf(lead [][]atom, dim int64) (heads, error) {
	h := heads{n: 1, batch: -1, each: -1, copies: 1, copy: -1}
	var c []atom
	for i, a := range slices.Concat(lead...) {
		switch a.ax {
		case 'b':
			h.batch = i
		case 'c':
			c = append(c, a)
			if h.each < 0 {
				h.each = i
			}
		case 'x':
			h.copies, h.copy = h.copies*a.n, int64(i)
		default:
			return h, errors.New("attends within windows of tokens, which is not supported")
		}
	}
	if c = joined(c); len(c) > 1 || len(c) == 1 && c[0].stride != dim {
		return h, errors.New("has heads whose channels do not lie side by side, which is not supported")
	}
	if len(c) == 1 {
		h.n = c[0].n
	}
	if h.batch < 0 || h.copy >= 0 && h.each >= 0 && h.copy < int64(h.each) && h.n > 1 {
		return h, errors.New("has heads in an order that is not supported")
	}
	return h, nil
}

// attend appends attention: n multiplies the softmax p with the values v.
func (im *importer) attend(n *Node, p *part, v *view) error {
	v, _, err := im.sequences(n, v)
	if err != nil {
		return err
	}
	q, k := p.x, p.k
	x := im.m.Values[q.id]
	at, kt := len(p.dims)-2, len(k.dims)-2
	if len(p.dims) != len(v.dims) || im.m.Values[v.id].Seq != x.Seq || !isAxis(v.dims[at], 't', x.Seq) || !isAxis(p.dims[at], 't', x.Seq) {
		return errors.New("multiplies the softmax of attention with something else than values, which is not supported")
	}
	d := shapeOfDims(q.dims)[len(q.dims)-1]
	var h [3]heads
	for i, lead := range [][][]atom{p.dims[:at], k.dims[:kt], v.dims[:at]} {
		if h[i], err = headsOf(lead, d); err != nil {
			return err
		}
	}
	own := joined(v.dims[at+1])
	if !slices.Equal(own, atoms('c', int(d))) || !slices.Equal(joined(q.dims[len(q.dims)-1]), own) {
		return errors.New("has values of another width than its keys, which is not supported")
	}
	if h[1].n != h[2].n || h[0].n%h[1].n != 0 || h[0].copies != 1 || h[1].copies != h[2].copies || h[1].copies != 1 && h[1].copies*h[1].n != h[0].n ||
		(h[0].batch == 0) != (h[1].batch == 0) || (h[1].batch == 0) != (h[2].batch == 0) || !groupsAlign(q.dims[:kt], k.dims[:kt]) || !groupsAlign(p.dims[:at], v.dims[:at]) {
		return fmt.Errorf("has %d heads of queries for %d of keys and %d of values in an order that is not supported", h[0].n, h[1].n, h[2].n)
	}
	a := graph.Attrs{Heads: int(h[0].n), KVHeads: int(h[1].n)}
	if a.Causal, err = causal(p.masked, x.Seq); err != nil {
		return err
	}
	if p.pad != nil {
		if !p.zeroed {
			return errors.New("leaves out padding, but not where nothing else is left (zeros behind the softmax), which is not supported")
		}
		a.Pad = *p.pad
	}
	scale := p.scale * q.mul * k.mul
	if !(scale > 0) || scale > math.MaxFloat32 {
		return fmt.Errorf("scales scores by %g, which is not supported", scale)
	}
	if want := 1 / math.Sqrt(float64(d)); math.Abs(scale-want) > 1e-6*want {
		a.Scale = float32(scale)
	}
	in, err := im.qkv(q, k, v, h[0].n*d, h[1].n*d)
	if err != nil {
		return err
	}
	if p.pad != nil {
		in = append(in, 0)
	}
	id, err := im.add(n, "attention", a, nil, in...)
	if err != nil {
		return err
	}
	out := &view{id: id, dims: append(slices.Clone(p.dims[:at+1]), v.dims[at+1]), mul: v.mul, muled: n}
	return im.alias(n, out)
}

// groupsAlign reports whether each head of keys meets the queries that share it: axis by
// axis the same heads, or one for all.
func groupsAlign(q, k [][]atom) bool {
	nq, nk := shapeOfDims(q), shapeOfDims(k)
	for i := range q {
		if nq[i] != nk[i] && nk[i] != 1 {
			return false
		}
	}
	if i := slices.IndexFunc(k, func(d []atom) bool { return slices.ContainsFunc(d, func(a atom) bool { return a.ax == 'c' }) }); i >= 0 {
		for j := range i {
			if nq[j] != nk[j] { // copies outside of the heads
				return false
			}
		}
	}
	return true
}

// causal reports whether a mask takes out all later keys and nothing else; no mask is
// not causal.
func causal(masked []bool, seq int) (bool, error) {
	if masked == nil {
		return false, nil
	}
	for i, m := range masked {
		if m != (i%seq > i/seq) {
			return false, errors.New("has a mask that is neither causal nor empty, which is not supported")
		}
	}
	return true, nil
}

// qkv are the values that attention reads: one that holds queries, keys and values side
// by side, or three.
func (im *importer) qkv(q, k, v *view, wide, narrow int64) ([]int, error) {
	if c := int64(im.m.Values[q.id].C); q.id == k.id && k.id == v.id && c == wide+2*narrow && q.off == 0 && k.off == wide && v.off == wide+narrow {
		return []int{q.id}, nil
	}
	var in []int
	for _, x := range []*view{q, k, v} {
		y := x.with(slices.Clone(x.dims))
		y.mul = 1 // in the scores' scale, and behind
		if err := im.settled(y); err != nil {
			return nil, err
		}
		in = append(in, y.id)
	}
	return in, nil
}
