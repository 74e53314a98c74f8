// Package cuda is the device of NVIDIA cards: the same plans and the same bank as
// core/device/cpu, run by kernels that NVRTC compiles for the card at hand and by
// cuBLASLt, all found at run time (internal/cu). The program needs no cgo and starts
// on machines without a card.
//
// # Layout
//
// P is 1: an activation of a row is [H][W][C], a matrix weight [N][K] (a convolution's
// [N][KH][KW][Cg]), row-major. Each value of a plan lies in one piece: its rows follow
// each other, row r of value v at v + r·C·H·W. The plan's Off, given per tile, spaced
// out by the number of tiles, is where the piece begins. T is 32 and only says how
// many parts a sum over the batch has: parts are cut from the rows evenly and summed
// in their order, so that results have equal bits from run to run. No kernel adds by
// atomics.
//
// # Precision
//
// F32 computes and keeps everything in float32. TF32 lets matrix products, those of
// attention and convolutions too, round their operands to TF32 (10 bits of mantissa). BF16
// keeps activations and their gradients in bfloat16, and of each matrix a bfloat16 copy
// that the products read; gradients of weights, the weights that the optimiser moves (the
// copy follows), its state, vectors, statistics and all sums are float32; a frozen matrix
// lies on the card as bfloat16 alone (frozen.go). Ids are always float32. In the kernels'
// source the type of an activation is val, in the Go code its bytes are value.elem.
//
// # Memory
//
// Before it takes any, Compile counts all that a plan will take, by building the launches
// of its largest batch at made-up addresses (builder.count), and says which batch would
// fit. What a builder needs of the card beyond kernels it asks for by scratch, table and
// product, so that it is counted. A value that a step hands out goes through a small buffer.
//
// # Choices
//
// By which algorithm a product runs is chosen by time, once, and told to the run before it
// takes effect (choices.go, device.Chooser). Whatever else is chosen by time goes the same
// way, by choose.
//
// # Convolutions
//
// In TF32 and BF16 a convolution of one group runs on the tensor cores, all three ways, as
// products that are not laid out (kernels/conv_mma.cu, convmma.go); 1×1 ones without stride
// are products as they lie. In F32, and with groups, the plain kernels of conv.cu serve. dw
// is summed by parts of the pixels, in their order.
//
// # Attention
//
// On the tensor cores from Ampere on, for heads of a multiple of 16 channels up to 128: in BF16
// by mma.sync, on Hopper by wgmma for 64 and 128 channels, in TF32 by mma.sync
// (kernels/attention_mma.cu, attention_wgmma.cu, attention_wide.cu, attention_tf32.cu). Other
// heads, and F32, go by lanes (kernels/attention.cu).
//
// # 2:4
//
// In bf16 a bank takes linear weights of which each four inputs keep two. When a plan is
// compiled each of their products is timed dense, by cuSPARSELt and on Hopper by a kernel of
// ours (own24.go, kernels/sparse24.cu), from graphs, as steps run them, with packing the kept
// values where the plan moves the weight, and that choice is the run's like any other
// (pairgate.go). Packs are the bank's, counted and taken by the plans that read them
// (pairs.go). cuSPARSELt packs slowly, so a weight that moves is packed by a table, which is
// learned from cuSPARSELt and held against its bytes when the plan is compiled
// (packtable.go); where they differ cuSPARSELt packs, and the plan says so. Our kernel's pack
// needs none. The gradient of the weight is dense, and masked.
//
// # How a run goes
//
// Compile checks the plan. The first run of n samples turns its calls into launches
// (builder, one file per family of kernels); later runs of n samples queue the same
// launches, as a CUDA graph unless they are probed. What changes from step to step
// (samples, labels, step index, learning rate) lies in buffers at fixed addresses.
package cuda
