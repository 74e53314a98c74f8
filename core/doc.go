// Package core is the five stages as one state machine: commands in, events
// out. It loads the model and the data, trains the dense baseline, settles the
// recipe, sparsifies, validates on the test set and deploys; everything it does
// it says through Store.Emit.
//
// core knows no screen and no session files: checkpoints, exports and the log
// go through the Store it is given.
//
// # The packages under core
//
// From the top down; each may import what stands below it (policy_test.go checks it):
//
//	bench      what is measured beside others; only the command line imports it
//	infer      runs a trained model from a Go program
//	deploy     exports, and reading them again
//	train      steps, evaluation, learning rates
//	prune      score, pattern, distribution, schedule: which weights go
//	lowrank    singular values, LoRA
//	energy     meters, sampler, last points, calibration, carbon
//	model      zoo, onnx, hf, peft, safetensors: where models come from and go to
//	data       data sets, their splits, tokenizers
//	plan       from a graph to regions of kernel calls: gradients, formats, arena, cost
//	graph      the model: ops as plain data, and the rewrites that change it
//	device     kernels and the contract of what runs them: ref (the oracle), cpu, cuda
//	tensor     shapes, element types, sparse formats, masks
//	event      what a run says, and the fold that every reader uses
//
// run.go is the machine, commands.go what can be asked of it while it goes on; its
// stages are baseline.go, configure.go, sparsify.go, validate.go and deploystage.go.
// recipe.go is all that can be asked for before.
//
// # Equal bits
//
// The same recipe, decisions and plan choices on the same instruction set give
// the same bits, whatever the number of threads and however often the run was
// killed and resumed. So every choice that is timed or comes from a person is
// emitted as an event before it takes effect, at a stated step, and is used
// again instead of being made anew.
package core
