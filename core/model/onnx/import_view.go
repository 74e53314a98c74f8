package onnx

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/graph"
)

// What flows through a file is a tensor whose axes an exporter may split, reorder and
// join again; the model has a value with channels, pixels and tokens. A view says which
// part of which axis of the value each axis of the tensor is, so that Reshape, Transpose,
// Squeeze, Split and the like cost nothing and attention is known by what it multiplies.

// atom is a run of one axis of a value: n places, stride apart. Its axis is 'b' (the
// batch), 't' (tokens), 'c' (channels), 'h' or 'w' (pixels), or 'x': copies of the same.
type atom struct {
	ax        byte
	n, stride int64
}

// view is a tensor of the file. An axis of length 1 holds no atom.
type view struct {
	id    int // value of the model
	dims  [][]atom
	off   int64   // first channel
	cut   *Node   // the node that left channels out
	mul   float64 // the value is multiplied by this, by the node below
	muled *Node
}

// whole is the plain view of value id: axes in the order b, c, h, w of images, b, c of
// vectors and b, t, c of sequences.
func (im *importer) whole(id int, rank int) *view {
	v := im.m.Values[id]
	d := [][]atom{{im.b()}, atoms('c', v.C), atoms('h', v.H), atoms('w', v.W)}
	switch {
	case v.Seq > 0:
		d = [][]atom{d[0], atoms('t', v.Seq), d[1]}
	case rank == 3: // [B, H, W] of one channel
		d = [][]atom{d[0], d[2], d[3]}
	default:
		d = d[:rank]
	}
	return &view{id: id, dims: d, mul: 1}
}

func (im *importer) b() atom { return atom{'b', im.batch, 1} }

// atoms is a whole axis of n places.
func atoms(ax byte, n int) []atom {
	if n == 1 {
		return nil
	}
	return []atom{{ax, int64(n), 1}}
}

// with is v with other axes.
func (v *view) with(dims [][]atom) *view {
	w := *v
	w.dims = dims
	return &w
}

// shapeOfDims is the view's shape as the file has it.
func shapeOfDims(dims [][]atom) []int64 {
	s := make([]int64, len(dims))
	for i, d := range dims {
		s[i] = 1
		for _, a := range d {
			if s[i] > math.MaxInt64/a.n {
				s[i] = math.MaxInt64
				break
			}
			s[i] *= a.n
		}
	}
	return s
}

// joined merges neighbours that are one run.
func joined(d []atom) []atom {
	var out []atom
	for _, a := range d {
		if k := len(out) - 1; k >= 0 && out[k].ax == a.ax && a.ax != 'b' && out[k].stride == a.n*a.stride {
			out[k] = atom{a.ax, out[k].n * a.n, a.stride}
			continue
		}
		out = append(out, a)
	}
	return out
}

// regroup cuts the row of all atoms into axes of the given lengths.
func regroup(dims [][]atom, to []int64) ([][]atom, error) {
	row := slices.Concat(dims...)
	if len(to) > 64 {
		return nil, errors.New("makes more than 64 axes")
	}
	out := make([][]atom, len(to))
	for i, n := range to {
		for n > 1 || len(row) > 0 && row[0].ax == 'b' && row[0].n == 1 {
			if len(row) == 0 {
				return nil, errors.New("changes the number of values")
			}
			a := row[0]
			switch {
			case n%a.n == 0:
				row, n = row[1:], n/a.n
			case a.n%n == 0 && a.ax != 'b':
				inner := a.n / n
				row = slices.Concat([]atom{{a.ax, inner, a.stride}}, row[1:])
				a, n = atom{a.ax, n, a.stride * inner}, 1
			default:
				return nil, errors.New("cuts across axes that do not belong together, which is not supported")
			}
			out[i] = append(out[i], a)
		}
		out[i] = joined(out[i])
	}
	if len(row) > 0 {
		return nil, errors.New("changes the number of values")
	}
	return out, nil
}

// isAxis reports whether d is all of an axis of n places, in order.
func isAxis(d []atom, ax byte, n int) bool { return slices.Equal(joined(d), atoms(ax, n)) }

// isBatch reports whether d is the batch.
func isBatch(d []atom) bool { return len(d) == 1 && d[0].ax == 'b' }

// hasX reports whether one of the axes holds places of axis x.
func hasX(dims [][]atom) bool {
	for _, d := range dims {
		for _, a := range d {
			if a.ax == 'x' {
				return true
			}
		}
	}
	return false
}

// channels are the channels that the view shows, if they are a run.
func (v *view) channels() (from, n int64, ok bool) {
	var c []atom
	n = 1
	for _, d := range v.dims {
		for _, a := range d {
			if a.ax == 'c' {
				c = append(c, a)
				n *= a.n
			}
		}
	}
	slices.SortFunc(c, func(a, b atom) int { return int(a.stride - b.stride) })
	next := int64(1)
	for _, a := range c {
		if a.stride != next {
			return 0, 0, false
		}
		next *= a.n
	}
	return v.off, n, true
}

// maxRuns bounds the pieces that channels are gathered from: heads, not channels.
const maxRuns = 128

// gathered makes the channels that v shows, several runs with others between them, one
// run: it cuts them out and puts them side by side. Heads whose queries, keys and values
// lie head by head are such runs.
func (im *importer) gathered(v *view) error {
	var c []*atom
	for i := range v.dims {
		v.dims[i] = slices.Clone(joined(v.dims[i]))
		for k := range v.dims[i] {
			if a := &v.dims[i][k]; a.ax == 'c' {
				c = append(c, a)
			}
		}
	}
	slices.SortFunc(c, func(a, b *atom) int { return cmp.Compare(a.stride, b.stride) })
	from, size := []int64{v.off}, int64(1)
	next := int64(1) // channels so far, were they side by side
	for _, a := range c {
		if len(from) == 1 && a.stride == next { // one more axis of the first run
			size *= a.n
		} else {
			if int64(len(from)) > maxRuns/a.n || a.stride < next {
				return errors.New("its input is many single channels of another value, which is not supported")
			}
			var all []int64
			for i := range a.n {
				for _, f := range from {
					all = append(all, f+i*a.stride)
				}
			}
			from, a.stride = all, next
		}
		next *= a.n
	}
	var runs []int
	for _, f := range from {
		id, err := im.slice(v, int(f), int(size))
		if err != nil {
			return err
		}
		runs = append(runs, id)
	}
	id, err := im.add(v.cut, "concat", graph.Attrs{}, nil, runs...)
	if err != nil {
		return err
	}
	v.id, v.off = id, 0
	return nil
}

// slice cuts channels out of the value of v, once.
func (im *importer) slice(v *view, from, n int) (int, error) {
	key := [3]int{v.id, from, n}
	if id, ok := im.slices[key]; ok {
		return id, nil
	}
	id, err := im.add(v.cut, "slice", graph.Attrs{From: from, Size: n}, nil, v.id)
	if err == nil {
		im.slices[key] = id
	}
	return id, err
}

// settled makes the model hold what v shows: channels that are cut out, a factor.
func (im *importer) settled(v *view) error {
	from, n, ok := v.channels()
	switch {
	case !ok && v.cut == nil:
		return errors.New("its input has its channels in an order that is not supported")
	case !ok:
		if err := im.gathered(v); err != nil {
			return err
		}
	case from+n > int64(im.m.Values[v.id].C):
		return errors.New("its input takes channels that are not there")
	case int(n) != im.m.Values[v.id].C && v.cut == nil:
		return errors.New("takes the ids of tokens for numbers, which is not supported")
	case int(n) != im.m.Values[v.id].C:
		id, err := im.slice(v, int(from), int(n))
		if err != nil {
			return err
		}
		v.id, v.off = id, 0
	}
	if v.mul != 1 {
		id, err := im.add(v.muled, "scale", graph.Attrs{Scale: float32(v.mul)}, nil, v.id)
		if err != nil {
			return err
		}
		v.id, v.mul = id, 1
	}
	return nil
}

// flow finds what flows under a name, settled.
func (im *importer) flow(name string) (*view, error) {
	v, err := im.view(name)
	if err == nil {
		err = im.settled(v)
	}
	return v, err
}

// view finds what flows under a name.
func (im *importer) view(name string) (*view, error) {
	if v := im.views[name]; v != nil {
		return v, nil
	}
	switch {
	case name == "":
		return nil, errors.New("a required input is missing: the file is damaged, export it again")
	case im.consts[name] != nil:
		return nil, fmt.Errorf("its input %q is a constant where the data should flow", name)
	case im.pads[name] != nil:
		return nil, fmt.Errorf("its input %q is padded, which only convolutions and pools take", name)
	case im.parts[name] != nil:
		return nil, fmt.Errorf("its input %q is %s, used in a way that is not supported", name, im.parts[name].kind)
	}
	return nil, fmt.Errorf("reads %q, which nothing before it makes: the file is damaged, export it again", name)
}

// image finds a value of four axes: batch, channels, height, width.
func (im *importer) image(name string) (*view, error) {
	v, err := im.flow(name)
	if err != nil {
		return nil, err
	}
	if len(v.dims) != 4 {
		return nil, fmt.Errorf("its input has %d axes, need [batch, channels, height, width]", len(v.dims))
	}
	x := im.m.Values[v.id]
	if x.Seq > 0 || !isBatch(v.dims[0]) || !isAxis(v.dims[1], 'c', x.C) || !isAxis(v.dims[2], 'h', x.H) || !isAxis(v.dims[3], 'w', x.W) {
		return nil, errors.New("its input is not in the order [batch, channels, height, width]: only such images are supported")
	}
	return v, nil
}

// rows finds a value whose last axis is all channels, and no other axis is any: a
// vector for each sample, token or pixel. Pixels become tokens.
func (im *importer) rows(n *Node, name string) (*view, error) {
	v, err := im.flow(name)
	if err != nil {
		return nil, err
	}
	x := im.m.Values[v.id]
	last := len(v.dims) - 1
	if last < 1 || !isAxis(v.dims[last], 'c', x.C) || hasX(v.dims) {
		return nil, fmt.Errorf("its input has %d axes, need [batch, features] or [batch, tokens, features] with all features in the last", len(v.dims))
	}
	if x.H*x.W == 1 {
		return v, nil
	}
	return im.pixelsAsTokens(n, v)
}

// pixelsAsTokens makes the pixels of an image the tokens of a sequence.
func (im *importer) pixelsAsTokens(n *Node, v *view) (*view, error) {
	x := im.m.Values[v.id]
	if !known("tokens") {
		return nil, errors.New("works on the pixels of an image as on tokens, which is not supported")
	}
	id, ok := im.tokens[v.id]
	if !ok {
		own := *n // a name of its own leaves n's to n, also after a round trip
		own.Name = cmp.Or(n.Name, n.Outputs[0]) + ".tokens"
		var err error
		if id, err = im.add(&own, "tokens", graph.Attrs{}, nil, v.id); err != nil {
			return nil, err
		}
		im.tokens[v.id] = id
	}
	return v.as(id, x), nil
}

// as is v with the pixels of x as tokens of value id.
func (v *view) as(id int, x graph.Value) *view {
	dims := make([][]atom, len(v.dims))
	for i, d := range v.dims {
		for _, a := range d {
			switch a.ax {
			case 'h':
				a.ax, a.stride = 't', a.stride*int64(x.W)
			case 'w':
				a.ax = 't'
			}
			dims[i] = append(dims[i], a)
		}
		dims[i] = joined(dims[i])
	}
	w := v.with(dims)
	w.id = id
	return w
}
