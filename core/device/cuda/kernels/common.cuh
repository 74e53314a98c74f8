// What all kernels share. NVRTC compiles each .cu file behind this one; no header of
// CUDA is needed, since a box with a driver alone has none.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// bf16 is the upper half of a float32.
struct bf16 { u16 bits; };

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

template <class T> struct Make;
template <> struct Make<float> {
	static __device__ __forceinline__ float of(float x) { return x; }
};
template <> struct Make<bf16> {
	// round to nearest, ties to even
	static __device__ __forceinline__ bf16 of(float x) {
		bf16 r;
		asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
		return r;
	}
};

// val is the type of an activation in memory.
#ifdef VAL_BF16
typedef bf16 val;
#else
typedef float val;
#endif

__device__ __forceinline__ val to_val(float x) { return Make<val>::of(x); }

// Step is what changes from run to run (exec.go: type scalars).
struct Step {
	i64 index;       // 1 for the first training step
	float lr;        //
	int labelled;    // rows in the loss
	float bias1, bias2; // 1 − β₁ᵗ, 1 − β₂ᵗ of Adam
	int distinct;       // ids of the batch that differ
};

// Sums over a warp and a block. Every thread gets the sum; the order of additions is
// fixed. A block calls with all its threads, at most 1024, a multiple of 32.
__device__ __forceinline__ float warp_sum(float x) {
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	return x;
}

__device__ __forceinline__ float warp_max(float x) {
	for (int d = 16; d > 0; d >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, d));
	return x;
}

__device__ inline float block_sum(float x) {
	__shared__ float part[32];
	x = warp_sum(x);
	__syncthreads(); // part may still be read by an earlier call
	if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = x;
	__syncthreads();
	int warps = blockDim.x >> 5;
	return warp_sum((threadIdx.x & 31) < warps ? part[threadIdx.x & 31] : 0.f);
}

__device__ inline double block_sum(double x) {
	__shared__ double part[32];
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	__syncthreads();
	if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = x;
	__syncthreads();
	int warps = blockDim.x >> 5;
	x = (threadIdx.x & 31) < warps ? part[threadIdx.x & 31] : 0.;
	for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
	return x;
}

__device__ inline float block_max(float x) {
	__shared__ float part[32];
	x = warp_max(x);
	__syncthreads();
	if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = x;
	__syncthreads();
	int warps = blockDim.x >> 5;
	return warp_max((threadIdx.x & 31) < warps ? part[threadIdx.x & 31] : -__int_as_float(0x7f800000));
}

// First row of part t of `parts` that `rows` rows are cut into.
__device__ __forceinline__ int part_from(int rows, int parts, int t) {
	int each = (rows + parts - 1) / parts;
	int r = t * each;
	return r < rows ? r : rows;
}
