package zoo

import "pare/core/graph"

// lenet5 is LeNet-5 as it is commonly trained today: 28×28 images padded by 2,
// every filter of the second convolution sees every map of the first, max
// pooling and ReLU where LeCun had a sparse connection table, trainable
// subsampling, tanh and RBF outputs. With 28×28 images it has
// 156 + 2,416 + 48,120 + 10,164 + 850 = 61,706 parameters.
var lenet5 = entry{
	info: Info{
		Name:  "lenet-5",
		About: "two convolutions and three dense layers",
		Input: Input{C: 1, H: 28, W: 28}, Classes: 10, Params: 61_706,
		Paper: "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition, §II.B",
	},
	// BVLC/caffe, examples/mnist/lenet_solver.prototxt: momentum 0.9, L2 5e-4,
	// batch 64, 10,000 steps (10.7 epochs of 60,000). Its rate
	// 0.01·(1 + 1e-4·t)^-0.75 ends at 0.006, for which constant stands here.
	preset: Preset{Optimizer: "momentum", LR: 0.01, Momentum: 0.9, WeightDecay: 5e-4, Batch: 64, Epochs: 11, LRSchedule: "constant", Source: "Caffe's LeNet solver"},
	build: func(b *graph.Net, _ Input, classes int) {
		x := b.Conv("conv1", 0, 6, 5, 1, 2, 1, true)
		x = b.Pool("pool1", "maxpool", b.Op("relu1", "relu", x), 2, 2)
		x = b.Conv("conv2", x, 16, 5, 1, 0, 1, true)
		x = b.Pool("pool2", "maxpool", b.Op("relu2", "relu", x), 2, 2)
		x = b.Op("flatten", "flatten", x)
		x = b.Op("relu3", "relu", b.Linear("fc1", x, 120))
		x = b.Op("relu4", "relu", b.Linear("fc2", x, 84))
		b.Linear("out", x, classes)
	},
}
