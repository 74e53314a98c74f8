package zoo

import "pare/core/graph"

// mlp is a small dense network for tables: F-64-32-classes. Its size in Info is
// for the four features and three classes of Fisher's iris.
var mlp = entry{
	info: Info{
		Name:  "mlp",
		About: "two hidden layers, 64 and 32, for tables",
		Input: Input{C: 4, H: 1, W: 1}, Classes: 3, Params: 4*64 + 64 + 64*32 + 32 + 32*3 + 3,
		Paper: "Rumelhart et al. 1986, Learning Representations by Back-Propagating Errors; with ReLU",
	},
	// scikit-learn, sklearn.neural_network.MLPClassifier defaults: Adam 1e-3, L2
	// 1e-4, batch min(200, samples), 200 epochs. Its batch is for larger tables:
	// 32 as in Keras' Model.fit.
	preset: Preset{Optimizer: "adam", LR: 1e-3, WeightDecay: 1e-4, Batch: 32, Epochs: 200, LRSchedule: "constant", Source: "scikit-learn's MLPClassifier"},
	build: func(b *graph.Net, in Input, classes int) {
		x := vector(b, in)
		x = b.Op("relu1", "relu", b.Linear("fc1", x, 64))
		x = b.Op("relu2", "relu", b.Linear("fc2", x, 32))
		b.Linear("out", x, classes)
	},
}
