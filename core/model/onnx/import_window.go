package onnx

import (
	"fmt"
	"math"
	"slices"

	"pare/core/device"
	"pare/core/graph"
)

func conv(im *importer, i int, n *Node) error {
	x, err := im.image(n.Inputs[0])
	if err != nil {
		return err
	}
	t, err := im.constTensor(n.input(1))
	if err != nil {
		return err
	}
	if len(t.Dims) != 4 {
		return fmt.Errorf("weight %q has shape %v, need four axes: only 2-D convolutions are supported", n.Inputs[1], t.Dims)
	}
	w, err := im.weight(n.Inputs[1], false, 1)
	if err != nil {
		return err
	}
	shape := im.m.Params[w].Shape
	win, err := im.window(n, x, shape[2], shape[3])
	if err != nil {
		return err
	}
	return im.withBias(i, n, "conv2d", graph.Attrs{Win: win}, w, n.input(2), 1, x)
}

// image finds a value of four axes.
func (im *importer) image(name string) (val, error) {
	x, err := im.value(name)
	if err == nil && x.rank != 4 {
		err = fmt.Errorf("its input has %d axes, need [batch, channels, height, width]", x.rank)
	}
	return x, err
}

// window reads the geometry of a convolution or pool; kh×kw is the weight's, or
// 0×0 for a pool.
func (im *importer) window(n *Node, x val, kh, kw int) (*device.Window, error) {
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
		x, err := im.image(n.Inputs[0])
		if err != nil {
			return err
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
		if ceil != 0 && ((v.H+w.PT+w.PB-w.KH)%w.SH != 0 || (v.W+w.PL+w.PR-w.KW)%w.SW != 0) {
			return fmt.Errorf("ceil_mode makes a last window that hangs over the %d×%d input, which is not supported: use ceil_mode=False", v.H, v.W)
		}
		return im.append(n, op, graph.Attrs{Win: w}, nil, x.rank, x)
	}
}
