// Package cu reaches an NVIDIA card without cgo and without anything to install:
// the driver's libcuda, and NVRTC, cuBLASLt and cuSPARSELt from wherever a box with
// CUDA or PyTorch has them. Libraries are opened when Open is called, never before;
// each function is looked up by name, and one that is missing is told, not called.
//
// It knows memory, launches and matrix products, no plans. It imports purego, the
// standard library and nothing of ours.
package cu

import "unsafe"

// Ptr is an address in the card's memory (CUdeviceptr), 0: none.
type Ptr uint64

// Info is what a card says of itself.
type Info struct {
	Ordinal int    `json:"ordinal"` // in CUDA's order
	Name    string `json:"name"`    // "NVIDIA H100 80GB HBM3"
	UUID    string `json:"uuid"`    // "GPU-…", as NVML writes it
	Major   int    `json:"major"`   // compute capability
	Minor   int    `json:"minor"`
	SMs     int    `json:"sms"`    // multiprocessors
	Memory  int64  `json:"memory"` // bytes
	L2      int64  `json:"l2"`     // bytes
	Shared  int    `json:"shared"` // most bytes of shared memory that one block may ask for
	Driver  int    `json:"driver"` // 13000 is CUDA 13.0
}

// Driver is one card with one stream: everything queued on it runs in order. A fake
// implements it in tests. Methods are for one goroutine at a time.
type Driver interface {
	Info() Info
	// Free is the memory that is left, bytes.
	Free() (int64, error)
	// Alloc is device memory, aligned to 256 bytes; its content is unspecified.
	Alloc(bytes int64) (Ptr, error)
	Release(p Ptr) error
	// Host is page-locked host memory, from which and into which copies run
	// beside the caller until Sync.
	Host(bytes int) ([]byte, error)
	ReleaseHost(b []byte) error
	// Upload and Download queue copies. Of memory that is not from Host they are
	// done when they return.
	Upload(dst Ptr, src []byte) error
	Download(dst []byte, src Ptr) error
	Copy(dst, src Ptr, bytes int64) error
	Fill(p Ptr, value byte, bytes int64) error
	// Load takes a cubin or PTX.
	Load(image []byte) (Module, error)
	// Launch queues a kernel. args point to its arguments, in order; they are read
	// before it returns.
	Launch(f Func, grid, block [3]int, shared int, args []unsafe.Pointer) error
	// Capture starts recording what is queued instead of running it; EndCapture
	// makes a graph of it, which RunGraph queues in one go.
	Capture() error
	EndCapture() (Graph, error)
	RunGraph(g Graph) error
	ReleaseGraph(g Graph) error
	// Event is a point on the stream; Elapsed waits for b and is the time from a to b,
	// milliseconds.
	Event() (Event, error)
	Record(e Event) error
	Elapsed(a, b Event) (float32, error)
	ReleaseEvent(e Event) error
	// Sync waits for all that was queued and tells what went wrong in it.
	Sync() error
	Close() error
}

// Compiler is a Driver that compiles for its card by itself. A fake does, so that tests
// need no NVRTC.
type Compiler interface {
	Compile(name, source string, defines []string) ([]byte, error)
}

// Func, Graph and Event are handles of the driver.
type (
	Func  uintptr
	Graph uintptr
	Event uintptr
)

// Module is a loaded image.
type Module interface {
	// Func finds a kernel by its (extern "C") name, and raises its limit of dynamic
	// shared memory to the card's.
	Func(name string) (Func, error)
	Unload() error
}

// Type of the elements of a matrix.
type Type uint8

// Types.
const (
	F32 Type = iota
	BF16
)

// Bytes of one element.
func (t Type) Bytes() int { return [...]int{4, 2}[t] }

// Epilogue is what a product does with its result on the way out.
type Epilogue uint8

// Epilogues; bias is of N values of BiasType, which must be D's. A bf16 D is rounded
// before some of them and again after, by the algorithms for ragged sizes and by DGELU.
const (
	None     Epilogue = iota
	Bias              // + bias
	ReLUBias          // max(· + bias, 0)
	GELUBias          // GELU by tanh of · + bias
	GELUAux           // GELUBias, and aux [M][N] (of type D) receives · + bias
	DGELU             // · × GELU′(aux)
	BGrad             // and bias [M] receives the sums of op(A) over K: of dw[N][K] = dyᵀ·x those of dy over its rows, db
)

// Product is D[M][N] = alpha·op(A)·op(B) + beta·C, everything row-major; C and D are
// one matrix. op(A) is [M][K], op(B) is [K][N]; A lies transposed, [K][M], with TransA,
// B as [N][K] with TransB. LDA, LDB, LDD are the lengths of a row in memory, 0: dense.
type Product struct {
	M, N, K        int
	TransA, TransB bool
	LDA, LDB, LDD  int
	A, B, D        Type
	BiasType       Type
	TF32           bool // F32 operands may be rounded to TF32
	Epilogue       Epilogue
	Batch          int   // products that follow each other at the strides, 0 or 1: one
	SA, SB, SD     int64 // strides between them, elements
	Align          int   // all addresses are multiples of it, bytes; 0: 16
}

// Blas runs dense products on a Driver's stream. The same Product on the same card
// gives the same bits: no split that adds in no fixed order is taken.
type Blas interface {
	// Prepare finds an algorithm: the library's first choice or, of a product that is
	// worth it, the fastest of its first few, timed on memory taken for the purpose. A
	// product that it has none for is ErrUnsupported: BGrad without TransA, aux with N no
	// multiple of 8, a bias that is not of D's type.
	Prepare(p Product) (Prepared, error)
	// PrepareWith takes the algorithm of an earlier Prepare of the same product, whose
	// choice by time may fall otherwise today.
	PrepareWith(p Product, algo string) (Prepared, error)
	// Run queues it. bias and aux are 0 where the epilogue takes none.
	Run(q Prepared, a, b, d, bias, aux Ptr, alpha, beta float32) error
	// RunOnto is Run with c in place of what lies at d: d = alpha·a·b + beta·c, c of d's
	// type and rows.
	RunOnto(q Prepared, a, b, c, d, bias, aux Ptr, alpha, beta float32) error
	Release(q Prepared) error
	// Work is what it will take of the card's memory with the next Prepare, bytes: its work
	// space, once.
	Work() int64
	Version() string
	Close() error
}

// Prepared is a product that is ready to run.
type Prepared interface {
	// Algo names the algorithm that was chosen. It is part of what equal bits depend on.
	Algo() string
}

// Packing is the memory that the kept weights of a 2:4 product take, and what packing them
// needs while it runs, bytes.
type Packing struct{ Bytes, Temp int64 }

// Sparse runs products with a 2:4 matrix (cuSPARSELt) on a Driver's stream.
type Sparse interface {
	// Prepare2of4 is for y[M][N] = x[M][K]·wᵀ of weights w [N][K] BF16 (TransB), or
	// dx[M][N] = dy[M][K]·w of w [K][N]. Of each four weights that follow each other along
	// K two at most are not zero: along a row of the first, down a column of the second.
	// What Product.Fits2of4 refuses is ErrUnsupported. A large product's algorithm is chosen
	// by time.
	Prepare2of4(p Product) (Prepared, Packing, error)
	// Prepare2of4With takes the algorithm of an earlier Prepare2of4.
	Prepare2of4With(p Product, algo string) (Prepared, Packing, error)
	// Compress packs w into packed, with Packing.Temp bytes at temp. Of weights that break
	// the pattern it keeps two.
	Compress(q Prepared, w, packed, temp Ptr) error
	// RunSparse queues y = epilogue(alpha·x·w + beta·c), c of y's rows; c may be y.
	RunSparse(q Prepared, x, packed, c, y, bias Ptr, alpha, beta float32) error
	Release(q Prepared) error
	Version() string
	Close() error
}
