package devicetest

import (
	"fmt"

	"pare/core/device"
	"pare/core/graph"
	"pare/core/tensor"
)

// model is one small net of the suite. ops of the table that it exercises
// follow from its nodes.
type model struct {
	name    string
	c, h, w int                // input
	seq     int                // tokens of the input, 0 for none
	build   func(b *graph.Net) // adds layers; ends in a vector
	train   bool               // has gradients everywhere
	blocks  bool               // worth running with its weights in blocks, too
	long    bool               // left out in short mode
	least   int                // samples in a batch, at least
	batch   int                // samples in a batch, 0 for one size after the other
	ties    bool               // run it on samples of few different values
	held    bool               // some gradient is held at zero: differences say otherwise
	large   float32            // how many times larger than others' its gradients are, 0: as they are
}

// rate is a learning rate that moves the net's weights by as much as lr those of others.
func (m model) rate(lr float32) float32 { return lr / max(m.large, 1) }

// vectorNet is a net on k features.
func vectorNet(name string, k int, build func(b *graph.Net)) model {
	return model{name: name, c: k, h: 1, w: 1, build: build, train: true}
}

// sizes with the tiles and panels of every device in mind: below, at and above
// 4, 16, 32 and 128.
var sizes = []int{1, 3, 5, 7, 16, 17, 31, 33, 127, 129}

// models lists the nets of the suite.
func models() []model {
	var l []model
	l = append(l, linearModels()...)
	l = append(l, convModels()...)
	l = append(l, poolModels()...)
	l = append(l, rowModels()...)
	l = append(l, channelModels()...)
	l = append(l, tokenModels()...)
	l = append(l, adapterModels()...)
	l = append(l, joinModels()...)
	// Batch sizes and numbers go by a net's place in this list: new ones come last, so that
	// those that every device has passed stay what they were.
	//
	// Logits that a sum makes, of a number that no device's rows are a multiple of.
	l = append(l, vectorNet("loss/sum262", 6, func(b *graph.Net) {
		b.Op("sum", "add", b.Linear("a", 0, 262), b.Linear("b", 0, 262))
	}))
	// Channels that are loaded eight at a time.
	l = append(l, pools(window{c: 16, h: 5, w: 6, win: square(3, 2, 1, 1)})...)
	return append(l, oneModels()...)
}

func linearModels() (l []model) {
	for i, k := range sizes {
		n := sizes[(i*3+5)%len(sizes)]
		m := vectorNet(fmt.Sprintf("linear/%dx%dx%d", k, n, k), k, func(b *graph.Net) {
			b.Linear("b", b.Linear("a", 0, n), k)
		})
		m.blocks, m.long = true, i%3 == 0
		l = append(l, m)
	}
	// Longer than devices sum in one go, and groups of tiles that do not come
	// out even.
	big := vectorNet("linear/1100x70x300", 1100, func(b *graph.Net) {
		x := b.Op("relu", "relu", b.Linear("a", 0, 70))
		b.Linear("c", b.Op("tanh", "tanh", b.Linear("b", x, 300)), 5)
	})
	big.blocks, big.long, big.batch = true, true, 70
	long := vectorNet("linear/17000x5", 17000, func(b *graph.Net) { b.Linear("a", 0, 5) })
	long.blocks, long.long, long.batch = true, true, 3
	many := vectorNet("linear/batch300", 9, func(b *graph.Net) { b.Linear("b", b.Op("relu", "relu", b.Linear("a", 0, 20)), 3) })
	many.blocks, many.batch = true, 300
	nobias := vectorNet("linear/nobias", 20, func(b *graph.Net) {
		for i, n := range []int{18, 6} {
			w := b.M.AddParam(fmt.Sprintf("w%d.weight", i), graph.Weight, tensor.Shape{n, b.M.Values[b.M.Output].C}, nil)
			v := b.M.Output
			if i == 0 {
				v = 0
			}
			if v, b.Err = b.M.Append(fmt.Sprint("fc", i), "linear", graph.Attrs{}, []int{w}, v); b.Err != nil {
				return
			}
			b.Op(fmt.Sprint("relu", i), "relu", v)
		}
	})
	nobias.blocks = true
	return append(l, big, long, many, nobias)
}

// window is a convolution or pool of the suite.
type window struct {
	c, n, h, w int // input channels, output channels, pixels
	win        device.Window
	bias, long bool
}

func (w window) String() string {
	g := w.win
	s := fmt.Sprintf("%dto%d-%dx%d-k%dx%d-s%dx%d-p%d.%d.%d.%d", w.c, w.n, w.h, w.w, g.KH, g.KW, g.SH, g.SW, g.PT, g.PL, g.PB, g.PR)
	if g.Groups > 1 {
		s += fmt.Sprint("-g", g.Groups)
	}
	return s
}

// square is a k×k window with stride s and padding p on all sides.
func square(k, s, p, groups int) device.Window {
	return device.Window{KH: k, KW: k, SH: s, SW: s, PT: p, PL: p, PB: p, PR: p, Groups: groups}
}

func convModels() (l []model) {
	for _, c := range []window{
		{c: 1, n: 6, h: 6, w: 6, win: square(5, 1, 2, 1), bias: true},
		{c: 3, n: 17, h: 5, w: 4, win: square(3, 1, 1, 1), bias: true},
		{c: 5, n: 7, h: 7, w: 6, win: square(3, 2, 1, 1), bias: true},
		{c: 7, n: 3, h: 4, w: 5, win: square(1, 1, 0, 1)},
		{c: 17, n: 33, h: 3, w: 3, win: square(3, 1, 1, 1), long: true},
		{c: 16, n: 32, h: 4, w: 4, win: square(3, 1, 1, 1), long: true},
		{c: 31, n: 5, h: 3, w: 4, win: square(1, 2, 0, 1), bias: true},
		{c: 2, n: 5, h: 5, w: 8, win: device.Window{KH: 2, KW: 4, SH: 1, SW: 2, PT: 1, PL: 2, PR: 1, Groups: 1}, bias: true},
		{c: 4, n: 3, h: 7, w: 5, win: device.Window{KH: 3, KW: 2, SH: 2, SW: 1, PB: 2, PR: 1, Groups: 1}},
		{c: 3, n: 4, h: 8, w: 9, win: square(2, 3, 0, 1), bias: true},    // pixels between windows
		{c: 2, n: 40, h: 4, w: 4, win: square(4, 1, 3, 1), long: true},   // more window than image
		{c: 1, n: 1, h: 3, w: 3, win: square(3, 1, 0, 1), bias: true},    // one pixel
		{c: 5, n: 5, h: 5, w: 5, win: square(3, 1, 1, 5), bias: true},    // depthwise
		{c: 17, n: 17, h: 6, w: 5, win: square(3, 2, 1, 17), long: true}, // depthwise with stride
		{c: 6, n: 12, h: 5, w: 4, win: square(3, 1, 1, 6), bias: true},   // two filters a channel
		{c: 6, n: 9, h: 5, w: 5, win: square(3, 2, 1, 3), bias: true},    // grouped
		{c: 8, n: 4, h: 3, w: 3, win: square(1, 1, 0, 2), bias: true},    // grouped 1×1
		{c: 4, n: 4, h: 5, w: 7, win: device.Window{KH: 2, KW: 3, SH: 3, SW: 2, PT: 1, PR: 2, Groups: 2}},
	} {
		l = append(l, model{name: "conv/" + c.String(), c: c.c, h: c.h, w: c.w, train: true, blocks: true, long: c.long, build: func(b *graph.Net) {
			x := convolve(b, "conv", 0, c.n, c.win, c.bias)
			b.Op("mean", "globalavgpool", b.Op("relu", "relu", x))
		}})
	}
	l = append(l, model{name: "conv/batch300", c: 2, h: 3, w: 3, train: true, batch: 300, build: func(b *graph.Net) {
		b.Op("mean", "globalavgpool", convolve(b, "conv", 0, 3, square(3, 1, 1, 1), true))
	}})
	l = append(l, model{name: "conv/96x96", c: 1, h: 96, w: 96, train: true, batch: 2, build: func(b *graph.Net) {
		b.Op("mean", "globalavgpool", convolve(b, "conv", 0, 1, square(1, 1, 0, 1), true))
	}})
	// Rows and sums longer than one call of a kernel may take.
	l = append(l, model{name: "conv/2048to2", c: 2048, h: 3, w: 3, train: true, batch: 2, long: true, build: func(b *graph.Net) {
		b.Op("mean", "globalavgpool", convolve(b, "conv", 0, 2, square(3, 1, 1, 1), true))
	}})
	l = append(l, model{name: "conv/1x1200", c: 1, h: 1, w: 1200, train: true, batch: 2, long: true, build: func(b *graph.Net) {
		b.Op("mean", "globalavgpool", convolve(b, "conv", 0, 2, device.Window{KH: 1, KW: 3, SH: 1, SW: 1, PL: 1, PR: 1, Groups: 1}, true))
	}})
	l = append(l, model{name: "conv/two", c: 2, h: 6, w: 5, train: true, blocks: true, build: func(b *graph.Net) {
		x := b.Op("tanh", "tanh", convolve(b, "a", 0, 10, square(3, 1, 1, 1), true))
		x = b.Op("relu", "relu", convolve(b, "b", x, 18, square(3, 2, 1, 1), true))
		b.Linear("fc", b.Op("flat", "flatten", x), 7)
	}})
	return l
}

// convolve adds a convolution with any window.
func convolve(b *graph.Net, name string, in, n int, win device.Window, bias bool) int {
	if b.Err != nil {
		return 0
	}
	p := []int{b.M.AddParam(name+".weight", graph.Weight, tensor.Shape{n, b.M.Values[in].C / win.Groups, win.KH, win.KW}, nil)}
	if bias {
		p = append(p, b.M.AddParam(name+".bias", graph.Bias, tensor.Shape{n}, nil))
	}
	var v int
	v, b.Err = b.M.Append(name, "conv2d", graph.Attrs{Win: &win}, p, in)
	return v
}

func poolModels() (l []model) {
	countPad := func(w device.Window) device.Window { w.CountPad = true; return w }
	for i, c := range []window{
		{c: 1, h: 4, w: 4, win: square(2, 2, 0, 1)},
		{c: 5, h: 5, w: 5, win: square(3, 2, 1, 1)},
		{c: 17, h: 6, w: 3, win: square(3, 1, 1, 1)},
		{c: 3, h: 7, w: 6, win: device.Window{KH: 3, KW: 2, SH: 2, SW: 3, PT: 2, PL: 1, PB: 1, Groups: 1}},
		{c: 3, h: 5, w: 5, win: countPad(square(3, 2, 1, 1))},
		{c: 2, h: 7, w: 7, win: square(2, 3, 0, 1)},
	} {
		c.long = i%3 == 2
		l = append(l, pools(c)...)
	}
	// The first of equal values takes the gradient.
	for _, win := range []device.Window{square(3, 2, 1, 1), square(2, 2, 0, 1)} {
		l = append(l, model{name: fmt.Sprintf("maxpool/ties-k%d", win.KH), c: 5, h: 6, w: 5, train: true, ties: true, build: func(b *graph.Net) {
			v := 0
			v, b.Err = b.M.Append("pool", "maxpool", graph.Attrs{Win: &win}, nil, 0)
			b.Linear("fc", b.Op("flat", "flatten", v), 5)
		}})
	}
	for _, c := range []int{1, 5, 33} {
		l = append(l, model{name: fmt.Sprint("globalavgpool/", c), c: c, h: 3, w: 5, train: true, build: func(b *graph.Net) {
			b.Op("mean", "globalavgpool", b.Op("tanh", "tanh", 0))
		}})
	}
	return l
}

// pools are both of a window.
func pools(c window) (l []model) {
	for _, op := range []string{"maxpool", "avgpool"} {
		l = append(l, model{name: op + "/" + c.String(), c: c.c, h: c.h, w: c.w, train: true, long: c.long, build: func(b *graph.Net) {
			v := 0
			v, b.Err = b.M.Append("pool", op, graph.Attrs{Win: &c.win}, nil, 0)
			b.Linear("fc", b.Op("flat", "flatten", v), 5)
		}})
	}
	return l
}

// rowModels cover what works element by element or channel by channel.
func rowModels() (l []model) {
	for _, f := range []string{"relu", "gelu", "gelu_tanh", "silu", "hardswish", "tanh", "sigmoid"} {
		l = append(l,
			// Large logits: of a single sample, should it be right, the gradient
			// would be a difference of ones.
			model{name: f + "/behind-linear", c: 7, h: 1, w: 1, train: true, least: 4, build: func(b *graph.Net) {
				b.Linear("out", b.Op("f", f, spread(b, b.Linear("in", 0, 19))), 3)
			}},
			model{name: f + "/behind-conv", c: 2, h: 4, w: 3, train: true, build: func(b *graph.Net) {
				x := convolve(b, "conv", 0, 5, square(3, 1, 1, 1), true)
				b.Op("mean", "globalavgpool", b.Op("f", f, x))
			}},
			vectorNet(f+"/last", 17, func(b *graph.Net) { b.Op("f", f, b.Linear("in", 0, 4)) }))
	}
	for i, c := range []int{1, 5, 16, 33} {
		l = append(l,
			// With two samples x̂ is ±1 and dx next to nothing, all rounding.
			model{name: fmt.Sprint("batchnorm/vector", c), c: 6, h: 1, w: 1, train: true, least: 12, build: func(b *graph.Net) {
				x := b.Norm("norm", b.Linear("in", 0, c))
				b.Linear("out", b.Op("relu", "relu", x), 3)
			}},
			model{name: fmt.Sprint("batchnorm/image", c), c: 2, h: 5, w: 4, train: true, long: i%2 == 1, build: func(b *graph.Net) {
				x := b.Norm("norm", convolve(b, "conv", 0, c, square(3, 1, 1, 1), false))
				b.Op("mean", "globalavgpool", b.Op("relu", "relu", x))
			}})
	}
	l = append(l,
		model{name: "batchnorm/input", c: 3, h: 4, w: 4, train: true, build: func(b *graph.Net) {
			x := b.Norm("norm", 0)
			b.Op("mean", "globalavgpool", b.Op("tanh", "tanh", x))
		}},
		model{name: "batchnorm/bias", c: 3, h: 4, w: 4, train: true, build: func(b *graph.Net) {
			x := b.Norm("norm", convolve(b, "conv", 0, 4, square(3, 1, 1, 1), true))
			b.Op("mean", "globalavgpool", b.Op("tanh", "tanh", x))
		}},
		vectorNet("dropout/vector", 9, func(b *graph.Net) {
			x := b.Dropout("drop1", b.Op("relu", "relu", b.Linear("in", b.Dropout("drop0", 0, 0.2), 33)), 0.5)
			b.Linear("out", x, 4)
		}),
		model{name: "dropout/image", c: 3, h: 4, w: 5, train: true, build: func(b *graph.Net) {
			b.Op("mean", "globalavgpool", b.Dropout("drop", b.Op("tanh", "tanh", 0), 0.3))
		}},
		model{name: "dropout/none", c: 3, h: 2, w: 2, train: true, build: func(b *graph.Net) {
			b.Op("mean", "globalavgpool", b.Dropout("drop", b.Op("tanh", "tanh", 0), 0))
		}},
		// Differences of a thousand, whose exponential overflows. Where all labels are what is
		// predicted, the gradient is 1 − p of values next to 1: rounding alone.
		model{name: "loss/large", c: 5, h: 1, w: 1, train: true, least: 4, large: 1024, build: func(b *graph.Net) {
			x := b.Linear("fc", 0, 10)
			for i := range 10 {
				x = b.Op(fmt.Sprint("double", i), "add", x, x)
			}
		}},
		model{name: "softmax/1", c: 5, h: 1, w: 1, build: func(b *graph.Net) { b.Op("s", "softmax", b.Linear("fc", 0, 1)) }},
		model{name: "softmax/10", c: 5, h: 1, w: 1, build: func(b *graph.Net) { b.Op("s", "softmax", spread(b, b.Linear("fc", 0, 10))) }},
		model{name: "flatten/image", c: 5, h: 3, w: 4, train: true, build: func(b *graph.Net) {
			b.Linear("fc", b.Op("flat", "flatten", b.Op("tanh", "tanh", 0)), 4)
		}},
		model{name: "flatten/vector", c: 17, h: 1, w: 1, train: true, build: func(b *graph.Net) {
			b.Linear("fc", b.Op("flat", "flatten", b.Op("tanh", "tanh", 0)), 4)
		}})
	return l
}

// spread stretches values to the tails of the activation functions.
func spread(b *graph.Net, v int) int {
	for i := range 3 {
		v = b.Op(fmt.Sprint("double", i), "add", v, v)
	}
	return v
}

// joinModels have values with several readers, whose gradients add up.
func joinModels() (l []model) {
	return []model{
		vectorNet("add/residual", 9, func(b *graph.Net) {
			x := b.Op("relu", "relu", b.Linear("in", 0, 18))
			y := b.Op("tanh", "tanh", b.Linear("branch", x, 18))
			b.Linear("out", b.Op("add", "add", y, x), 3)
		}),
		vectorNet("add/itself", 9, func(b *graph.Net) {
			x := b.Op("tanh", "tanh", 0)
			b.Linear("out", b.Op("add", "add", x, x), 3)
		}),
		vectorNet("add/three-readers", 9, func(b *graph.Net) {
			x := b.Op("tanh", "tanh", b.Linear("in", 0, 9))
			y := b.Linear("left", x, 9)
			z := b.Linear("right", x, 9)
			b.Linear("out", b.Op("add2", "add", b.Op("add1", "add", y, z), x), 3)
		}),
		vectorNet("add/input", 6, func(b *graph.Net) { b.Op("add", "add", b.Linear("fc", 0, 6), 0) }),
		{name: "add/shortcut", c: 3, h: 6, w: 6, train: true, build: func(b *graph.Net) {
			x := b.Op("relu0", "relu", b.Norm("n0", convolve(b, "c0", 0, 6, square(3, 1, 1, 1), false)))
			y := b.Op("relu1", "relu", b.Norm("n1", convolve(b, "c1", x, 10, square(3, 2, 1, 1), false)))
			y = b.Norm("n2", convolve(b, "c2", y, 10, square(3, 1, 1, 1), false))
			s := b.Norm("ns", convolve(b, "short", x, 10, square(1, 2, 0, 1), false))
			x = b.Op("relu2", "relu", b.Op("add", "add", y, s))
			b.Linear("out", b.Op("flat", "flatten", b.Op("mean", "globalavgpool", x)), 5)
		}},
	}
}
