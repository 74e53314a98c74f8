package zoo

import "pare/core/graph"

// lenet300 is LeNet-300-100: two hidden layers of 300 and 100 units. With
// 28×28 images it has 784·300+300 + 300·100+100 + 100·10+10 = 266,610
// parameters. LeCun used tanh; everybody who prunes it uses ReLU, and so do we.
var lenet300 = entry{
	info: Info{
		Name:  "lenet-300-100",
		About: "two hidden layers; pruning's fruit fly",
		Input: Input{C: 1, H: 28, W: 28}, Classes: 10, Params: 266_610,
		Paper: "LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition; with ReLU as in Frankle & Carbin 2019, arXiv:1803.03635",
	},
	// facebookresearch/open_lth, models/mnist_lenet.py, default_hparams: SGD
	// 0.1, batch 128, 40 epochs.
	preset: Preset{Optimizer: "sgd", LR: 0.1, Batch: 128, Epochs: 40, LRSchedule: "constant", Source: "open_lth", Published: true},
	build: func(b *graph.Net, in Input, classes int) {
		x := vector(b, in)
		x = b.Op("relu1", "relu", b.Linear("fc1", x, 300))
		x = b.Op("relu2", "relu", b.Linear("fc2", x, 100))
		b.Linear("out", x, classes)
	},
}
