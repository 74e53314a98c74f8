package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"pare/core/device"
	"pare/core/graph"
)

func conv(im *importer, i int, n *Node) error {
	x, err := im.unpadded(n)
	if err != nil {
		return err
	}
	t, err := im.constArray(n.input(1))
	if err != nil {
		return err
	}
	if len(t.dims) != 4 {
		return fmt.Errorf("weight %q has shape %v, need four axes: only 2-D convolutions are supported", n.Inputs[1], im.show(t.dims))
	}
	bias, last := n.input(2), n
	if bias == "" {
		if j, name := im.addAfter(n, int(t.dims[0]), 2); j > i {
			bias, last = name, &im.g.Nodes[j]
			im.absorb[j] = true
		}
	}
	w, err := im.matrix(n.Inputs[1], false, 1, bias)
	if err != nil {
		return err
	}
	shape := im.m.Params[w].Shape
	win, err := im.window(n, x, shape[2], shape[3])
	if err != nil {
		return err
	}
	if err := im.takePad(n, win, 0); err != nil {
		return err
	}
	return im.layer(n, last, "conv2d", graph.Attrs{Win: win}, w, bias, 1, x, nil)
}

// window reads the geometry of a convolution or pool; kh×kw is the weight's, or
// 0×0 for a pool.
func (im *importer) window(n *Node, x *view, kh, kw int) (*device.Window, error) {
	a := attrs{n: n}
	pair := func(name string, def int64) (int, int) {
		v := a.ints(name)
		if v == nil {
			v = []int64{def, def}
		}
		if a.err == nil && (len(v) != 2 || v[0] < 0 || v[1] < 0 || v[0] > math.MaxInt16 || v[1] > math.MaxInt16) {
			a.err = fmt.Errorf("%s = %v, need two sizes", name, v)
		}
		if a.err != nil {
			return 0, 0
		}
		return int(v[0]), int(v[1])
	}
	w := &device.Window{Groups: 1}
	w.KH, w.KW = pair("kernel_shape", 0)
	if kh > 0 {
		if n.has("kernel_shape") && (w.KH != kh || w.KW != kw) && a.err == nil {
			a.err = fmt.Errorf("kernel_shape %d×%d, but the weight is %d×%d", w.KH, w.KW, kh, kw)
		}
		w.KH, w.KW = kh, kw
	}
	w.SH, w.SW = pair("strides", 1)
	if dh, dw := pair("dilations", 1); a.err == nil && (dh != 1 || dw != 1) {
		a.err = fmt.Errorf("dilations %d×%d are not supported, only 1×1", dh, dw)
	}
	if kh > 0 {
		g := a.int("group", 1)
		if a.err == nil && (g < 1 || g > math.MaxInt32) {
			a.err = fmt.Errorf("group = %d", g)
		}
		w.Groups = int(g)
	}
	pads := a.ints("pads")
	auto := a.text("auto_pad", "NOTSET")
	if a.err != nil {
		return nil, a.err
	}
	if w.SH < 1 || w.SW < 1 || w.KH < 1 || w.KW < 1 {
		return nil, fmt.Errorf("window %d×%d with stride %d×%d", w.KH, w.KW, w.SH, w.SW)
	}
	return w, im.pad(w, auto, pads, im.m.Values[x.id])
}

// pad fills in the padding: given, none, or as much as keeps ⌈size/stride⌉.
func (im *importer) pad(w *device.Window, auto string, pads []int64, x graph.Value) error {
	same := func(size, k, s int) (least, most int) {
		total := max(((size+s-1)/s-1)*s+k-size, 0)
		return total / 2, total - total/2
	}
	switch auto {
	case "NOTSET", "":
		if pads == nil {
			return nil
		}
		if len(pads) != 4 || slices.Min(pads) < 0 || slices.Max(pads) > math.MaxInt16 {
			return fmt.Errorf("pads = %v, need four sizes", pads)
		}
		w.PT, w.PL, w.PB, w.PR = int(pads[0]), int(pads[1]), int(pads[2]), int(pads[3])
	case "VALID":
	case "SAME_UPPER":
		w.PT, w.PB = same(x.H, w.KH, w.SH)
		w.PL, w.PR = same(x.W, w.KW, w.SW)
	case "SAME_LOWER":
		w.PB, w.PT = same(x.H, w.KH, w.SH)
		w.PR, w.PL = same(x.W, w.KW, w.SW)
	default:
		return fmt.Errorf("auto_pad = %q is not known", auto)
	}
	return nil
}

func pool(op string) func(*importer, int, *Node) error {
	return func(im *importer, _ int, n *Node) error {
		x, err := im.unpadded(n)
		if err != nil {
			return err
		}
		if len(n.Outputs) > 1 && n.Outputs[1] != "" && len(im.users[n.Outputs[1]]) > 0 {
			return errors.New("the places of its maxima are used, which is not supported")
		}
		w, err := im.window(n, x, 0, 0)
		if err != nil {
			return err
		}
		a := attrs{n: n}
		ceil := a.int("ceil_mode", 0)
		w.CountPad = op == "maxpool" || a.int("count_include_pad", 0) != 0
		if a.err != nil {
			return a.err
		}
		v := im.m.Values[x.id]
		if ceil != 0 {
			if err := overhang(w, v, op); err != nil {
				return err
			}
		}
		none := math.Inf(-1) // what padding a maximum must not see
		if op != "maxpool" {
			none = 0
			if p := im.padOf(n); p != nil && !w.CountPad && w.PT+w.PL+w.PB+w.PR > 0 {
				return errors.New("has padding of its own behind a Pad, which is not supported")
			} else if p != nil {
				w.CountPad = true
			}
		}
		if err := im.takePad(n, w, none); err != nil {
			return err
		}
		id, err := im.add(n, op, graph.Attrs{Win: w}, nil, x.id)
		if err != nil {
			return err
		}
		return im.put(n, id, im.whole(id, 4).dims)
	}
}

// overhang gives a window in ceil mode the padding that its last place hangs over by:
// for a maximum that is the same.
func overhang(w *device.Window, v graph.Value, op string) error {
	more := func(size, k, s, lead, trail int) int {
		rest := (size + lead + trail - k) % s
		if rest == 0 || size+lead+trail < k || (size+lead+trail-k)/s*s+s >= size+lead {
			return 0 // a window that begins behind the input is left out
		}
		return s - rest
	}
	h, x := more(v.H, w.KH, w.SH, w.PT, w.PB), more(v.W, w.KW, w.SW, w.PL, w.PR)
	if (h > 0 || x > 0) && (op != "maxpool" && w.CountPad || w.PB+h >= w.KH || w.PR+x >= w.KW) {
		return fmt.Errorf("ceil_mode makes a last window that hangs over the %d×%d input, which is not supported here: use ceil_mode=False", v.H, v.W)
	}
	w.PB, w.PR = w.PB+h, w.PR+x
	return nil
}

// globalPool is the mean or the maximum of all pixels.
func globalPool(im *importer, _ int, n *Node) error {
	v, err := im.view(n.Inputs[0])
	if err != nil {
		return err
	}
	if s := im.m.Values[v.id]; s.Seq > 0 && n.Op == "GlobalAveragePool" && len(v.dims) > 2 && isAxis(v.dims[1], 'c', s.C) && isAxis(slices.Concat(v.dims[2:]...), 't', s.Seq) {
		if err := im.settled(v); err != nil {
			return err
		}
		id, err := im.add(n, "meantokens", graph.Attrs{}, nil, v.id) // tokens laid out as pixels
		if err != nil {
			return err
		}
		dims := make([][]atom, len(v.dims))
		copy(dims, v.dims[:2])
		return im.put(n, id, dims)
	}
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	op, a := "globalavgpool", graph.Attrs{}
	if n.Op == "GlobalMaxPool" {
		op, a = "maxpool", allPixels(im.m.Values[x.id])
	}
	id, err := im.add(n, op, a, nil, x.id)
	if err != nil {
		return err
	}
	return im.put(n, id, im.whole(id, 4).dims)
}

// allPixels is the window of a pool over the whole image.
func allPixels(v graph.Value) graph.Attrs {
	return graph.Attrs{Win: &device.Window{KH: v.H, KW: v.W, SH: 1, SW: 1, Groups: 1, CountPad: true}}
}

// padding waits for the convolution or pool that takes it in.
func padding(im *importer, _ int, n *Node) error {
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	a := attrs{n: n}
	mode, pads := a.text("mode", "constant"), a.ints("pads")
	value := float64(a.float("value", 0))
	if a.err != nil {
		return a.err
	}
	if n.input(1) != "" {
		if pads, err = im.list(n.input(1)); err != nil {
			return err
		}
	}
	if n.input(2) != "" {
		v, ok := im.scalar(n.input(2))
		if !ok {
			return errors.New("its value is computed inside the model")
		}
		value = v
	}
	if n.input(3) != "" {
		axes, err := im.list(n.input(3))
		if err != nil || len(pads) != 2*len(axes) {
			return errors.New("has axes that do not fit its pads")
		}
		all := make([]int64, 8)
		for k, at := range axes {
			if at < 0 {
				at += 4
			}
			if at < 0 || at > 3 {
				return fmt.Errorf("axis %d of 4", axes[k])
			}
			all[at], all[at+4] = pads[k], pads[k+len(axes)]
		}
		pads = all
	}
	if mode != "constant" || len(pads) != 8 || slices.Min(pads) < 0 || slices.Max(pads) > math.MaxInt16 || pads[0]+pads[1]+pads[4]+pads[5] != 0 {
		return fmt.Errorf("mode %q with pads %v is not supported, only constants around the pixels", mode, pads)
	}
	if slices.Max(pads) == 0 {
		return im.alias(n, x)
	}
	im.pads[n.Outputs[0]] = &pad{n: n, value: value, by: [4]int{int(pads[2]), int(pads[3]), int(pads[6]), int(pads[7])}}
	return nil
}

// pad is a Pad node: top, left, bottom, right.
type pad struct {
	n     *Node
	value float64
	by    [4]int
}

func (im *importer) padOf(n *Node) *pad { return im.pads[n.Inputs[0]] }

// unpadded is the image that n reads, without the Pad in front of n.
func (im *importer) unpadded(n *Node) (*view, error) {
	if p := im.padOf(n); p != nil {
		return im.image(p.n.Inputs[0])
	}
	return im.image(n.Inputs[0])
}

// takePad adds the padding of a Pad in front of n to its own.
func (im *importer) takePad(n *Node, w *device.Window, value float64) error {
	p := im.padOf(n)
	if p == nil {
		return nil
	}
	if p.value != value && !(value < 0 && (p.value <= -math.MaxFloat32 || p.value <= 0 && im.neverNegative(p.n.Inputs[0]))) {
		return fmt.Errorf("the Pad in front of it, %q, fills in %g, which is not supported here", p.n.Name, p.value)
	}
	if w.PT+w.PL+w.PB+w.PR > 0 && value != 0 {
		return errors.New("has padding of its own behind a Pad, which is not supported")
	}
	w.PT, w.PL, w.PB, w.PR = w.PT+p.by[0], w.PL+p.by[1], w.PB+p.by[2], w.PR+p.by[3]
	return nil
}

// neverNegative reports whether no element of a value is below zero: zeros around it then
// do not change a maximum.
func (im *importer) neverNegative(name string) bool {
	v := im.views[name]
	for v != nil {
		i := slices.IndexFunc(im.m.Nodes, func(n graph.Node) bool { return n.Out == v.id })
		if i < 0 || v.mul < 0 {
			return false
		}
		switch n := im.m.Nodes[i]; n.Op {
		case "relu", "sigmoid", "hardsigmoid":
			return true
		case "clip":
			return n.Attrs.Alpha >= 0
		case "maxpool", "avgpool":
			v = &view{id: n.In[0], mul: 1}
		default:
			return false
		}
	}
	return false
}
