package zoo

import (
	"fmt"

	"pare/core/graph"
)

// resnet8 is the smallest residual network of He et al. 2016 §4.2 for small
// images: 6n+2 layers with n = 1, three blocks of 16, 32 and 64 filters, the
// last two with stride 2. Where the shape changes, the shortcut is a 1×1
// convolution with batch norm (their option B).
//
// With 3×32×32 images it has 76,720 weights in convolutions, 672 parameters in
// batch norm and 650 in the output layer: 78,042. MLPerf Tiny counts 78,666 for
// its ResNet-8 in Keras: its convolutions have biases (+336), its shortcuts no
// batch norm (−192), and it counts running statistics (+480).
var resnet8 = entry{
	info: Info{
		Name:  "resnet-8",
		About: "small residual network with batch norm",
		Input: Input{C: 3, H: 32, W: 32}, Classes: 10, Params: 78_042,
		Paper: "He et al. 2016, Deep Residual Learning for Image Recognition, §4.2, arXiv:1512.03385; n = 1 as in MLPerf Tiny, arXiv:2106.07597",
	},
	// He et al. §4.2: momentum 0.9, L2 1e-4, batch 128, rate 0.1, a tenth after
	// 32k and 48k of 64k steps. facebookresearch/open_lth,
	// models/cifar_resnet.py writes the same as 160 epochs with 80 and 120.
	preset: Preset{Optimizer: "momentum", LR: 0.1, Momentum: 0.9, WeightDecay: 1e-4, Batch: 128, Epochs: 160, LRSchedule: "step", Source: "He et al. 2016, §4.2", Published: true},
	build: func(b *graph.Net, _ Input, classes int) {
		x := b.Op("relu1", "relu", b.Norm("bn1", b.Conv("conv1", 0, 16, 3, 1, 1, 1, false)))
		for i, filters := range []int{16, 32, 64} {
			stride := min(i, 1) + 1
			x = residual(b, fmt.Sprintf("block%d", i+1), x, filters, stride)
		}
		x = b.Op("pool", "globalavgpool", x)
		b.Linear("out", x, classes)
	},
}

// residual adds relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).
func residual(b *graph.Net, name string, x, filters, stride int) int {
	y := b.Norm(name+".bn1", b.Conv(name+".conv1", x, filters, 3, stride, 1, 1, false))
	y = b.Op(name+".relu1", "relu", y)
	y = b.Norm(name+".bn2", b.Conv(name+".conv2", y, filters, 3, 1, 1, 1, false))
	if b.Err == nil && (stride > 1 || b.M.Values[x].C != filters) {
		x = b.Norm(name+".bns", b.Conv(name+".short", x, filters, 1, stride, 0, 1, false))
	}
	return b.Op(name+".relu2", "relu", b.Op(name+".add", "add", y, x))
}
